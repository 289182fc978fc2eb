/** Prints for each kind of socket how the built tunnel reads and writes it on the Node version that runs this. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { generate } from "selfsigned";
import { descriptorOf } from "../../dist/sockets/direct-write.js";
import { Reader } from "../../dist/tunnel/reader.js";

const ROUNDS = 20;
/** Reads `socket` and answers what comes, until the rounds are over. */
function read(socket) {
	const memory = new Set();
	let rounds = 0;
	return new Promise((resolve, reject) => {
		socket.on("error", reject);
		const reader = new Reader(socket, {
			receive(buffer) {
				rounds++;
				memory.add(buffer.buffer);
				if (rounds <= ROUNDS) socket.write("pong");
				if (rounds === ROUNDS)
					resolve({
						read: reader.reusesBuffer && memory.size === 1 ? "reused buffer" : "data events",
						written: descriptorOf(socket) >= 0 ? "directly" : "through its stream",
					});
				return true;
			},
		});
	});
}

async function probe(server, event, dial) {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, event).then(([socket]) => read(socket));
	const socket = dial({ port: server.address().port, host: "127.0.0.1", rejectUnauthorized: false });
	await once(socket, event === "connection" ? "connect" : "secureConnect");
	const dialled = read(socket);
	socket.write("ping");
	const found = await Promise.all([accepted, dialled]);
	socket.destroy();
	server.close();
	return found;
}

const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], { keyType: "ec" });
const plain = await probe(createServer(), "connection", connect);
const tls = await probe(createTlsServer({ cert, key }), "secureConnection", connectTls);
console.log(
	JSON.stringify({
		node: process.version,
		"accepted, plain": plain[0],
		"dialled, plain": plain[1],
		"accepted, TLS": tls[0],
		"dialled, TLS": tls[1],
	}),
);
