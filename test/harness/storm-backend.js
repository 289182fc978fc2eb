/**
 * A backend in a process of its own for reconnect storms: takes every opening handshake and keeps when it came.
 * `node storm-backend.js [port]` prints its port; `GET /` answers with the times, in ms since the epoch, and the open connections.
 *
 * On a busy machine this process may not run for a while. What came meanwhile it sees all at once; when exactly, nobody
 * can know. Such handshakes are taken to have come evenly over the time that it did not run.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Handshakes that were seen together: since when they may have come, and when each was seen. */
const batches = [];
let open = 0;

let turn = 0;
let lastTurn = performance.now();
/** What is found in a turn came after the one before: a process that is held up between two finds it after the second. */
let turnBefore = lastTurn;
setInterval(() => {
	turn++;
	turnBefore = lastTurn;
	lastTurn = performance.now();
}, 2);

/** By socket: the turn in which the connection was seen, and since when it may have been there. */
const accepted = new WeakMap();

function seen(socket) {
	const connection = accepted.get(socket);
	// A head that came together with its connection can be read one turn later only.
	const after = turn - connection.turn <= 1 ? connection.after : turnBefore;
	const batch = batches.at(-1);
	if (batch?.after === after) batch.seen.push(performance.now());
	else batches.push({ after, seen: [performance.now()] });
}

function times() {
	const spread = batches.flatMap(({ after, seen }) => {
		const last = seen.at(-1);
		return seen.map((_, index) => performance.timeOrigin + after + ((last - after) * (index + 1)) / seen.length);
	});
	return spread.sort((a, b) => a - b);
}

const server = createServer((_, response) => response.end(JSON.stringify({ times: times(), open })));
server.on("upgrade", (request, socket) => {
	seen(socket);
	open++;
	socket.on("error", () => {});
	socket.on("close", () => open--);
	socket.on("end", () => socket.end());
	socket.resume();
	const accept = createHash("sha1")
		.update(request.headers["sec-websocket-key"] + GUID)
		.digest("base64");
	socket.write(
		`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
	);
});
server.on("connection", (socket) => accepted.set(socket, { turn, after: turnBefore }));
server.listen({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1", backlog: 4096 }, () => {
	console.log(server.address().port);
});
