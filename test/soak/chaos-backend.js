/**
 * A backend in a process of its own that does what the path of a request tells it: `/b/KIND…`, also as an authentication
 * server that is asked about such a path. `node chaos-backend.js [port]` prints its port. It is killed and stopped by the run.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const accept = (key) => createHash("sha1").update(`${key}${GUID}`).digest("base64");
const switching = (key) =>
	`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\n`;

/** Writes `piece` again and again, as fast as it is taken. */
function forever(socket, piece) {
	const more = () => {
		while (!socket.destroyed && socket.write(piece));
	};
	socket.on("drain", more);
	more();
}

/** Writes `piece` every `ms`, `times` times, then ends; the end of the socket ends it too. */
function ticking(socket, piece, ms, times) {
	let left = times;
	const timer = setInterval(() => {
		if (left-- > 0) socket.write(piece);
		else socket.end();
	}, ms);
	socket.on("close", () => clearInterval(timer));
}

const KINDS = {
	ok: (socket) => socket.write(OK),
	"000": (socket) => socket.write("HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok"),
	"099": (socket) => socket.write("HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\nok"),
	1000: (socket) => socket.write("HTTP/1.1 1000 X\r\nContent-Length: 2\r\n\r\nok"),
	101: (socket) => socket.write(switching("")),
	103: (socket) =>
		socket.write(
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n",
		),
	endless: (socket) => {
		socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		forever(socket, `4000\r\n${"x".repeat(0x4000)}\r\n`);
	},
	"endless-head": (socket) => {
		socket.write("HTTP/1.1 200 OK\r\n");
		forever(socket, `X-Fill: ${"x".repeat(1_000)}\r\n`);
	},
	"endless-100": (socket) => ticking(socket, "HTTP/1.1 100 Continue\r\n\r\n".repeat(50), 20, 100),
	silent: () => undefined,
	reset: (socket) => socket.resetAndDestroy(),
	end: (socket) => socket.end(),
	half: (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
	"reset-in-body": (socket) => {
		socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		setTimeout(() => socket.resetAndDestroy(), 50);
	},
	"bad-chunk": (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"),
	"bad-coding": (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nok"),
	extra: (socket) => socket.write(`${OK}${OK}`),
	"file-name": (socket) =>
		socket.write(
			'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Disposition: attachment; filename="Zażółć.pdf"\r\n\r\nok',
		),
	raw: (socket) => socket.write(Buffer.from([0, 255, 13, 10, 128, 7, 13, 10, 13, 10])),
	slow: (socket) => {
		socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		ticking(socket, "slow\n", 100, 20);
	},
	events: (socket) => {
		socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
		ticking(socket, "data: tick\n\n", 250, 240);
	},
	echo: (socket, key) => {
		socket.write(switching(key));
		socket.on("data", (chunk) => socket.write(chunk));
	},
	"wrong-accept": (socket) => socket.write(switching("someone else's")),
	"slow-101": (socket, key) => {
		const bytes = switching(key);
		socket.write(bytes.slice(0, 30));
		setTimeout(() => socket.write(bytes.slice(30)), 500);
	},
	"mid-frame": (socket, key) => {
		socket.write(Buffer.concat([Buffer.from(switching(key)), Buffer.from([0x82, 0x7e, 0x10, 0, 1, 2, 3])]));
		setTimeout(() => socket.resetAndDestroy(), 100);
	},
	"bad-frames": (socket, key) =>
		socket.write(Buffer.concat([Buffer.from(switching(key)), Buffer.from("ffffffffffffffffffff0102", "hex")])),
	close: (socket, key) => socket.end(Buffer.concat([Buffer.from(switching(key)), Buffer.from([0x88, 2, 0x0f, 0xa0])])),
	flood: (socket, key) => {
		socket.write(switching(key));
		forever(socket, Buffer.concat([Buffer.from([0x82, 0x7e, 0x40, 0]), Buffer.alloc(0x4000)]));
	},
};

const server = createServer((socket) => {
	let text = "";
	let taken = false;
	socket.on("error", () => undefined);
	socket.on("data", (chunk) => {
		if (taken) return;
		text += chunk.toString("latin1");
		const end = text.indexOf("\r\n\r\n");
		if (end < 0) return;
		const head = text.slice(0, end);
		text = text.slice(end + 4);
		const about = /^x-forwarded-uri: (\S+)/im.exec(head)?.[1];
		const path = head.startsWith("GET /auth") ? about : head.split(" ")[1];
		const kind = /^\/\w+\/([^/?]+)/.exec(path ?? "")?.[1] ?? "ok";
		const key = /^sec-websocket-key: (\S+)/im.exec(head)?.[1] ?? "";
		const behave = KINDS[kind] ?? KINDS.ok;
		// Only plain answers leave the connection for the next request.
		taken = behave !== KINDS.ok;
		behave(socket, key);
	});
});
server.listen({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1", backlog: 4096 }, () => {
	console.log(server.address().port);
});
