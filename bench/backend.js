// The backend of every peer, on every loopback address: answers the opening handshake, sends each message back unmasked,
// answers Ping and Close. As cheap as Node can be. node backend.js PORT; forked with port 0, it tells its parent which it got.
import { createHash } from "node:crypto";
import { createServer } from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [CLOSE, PING, PONG] = [0x8, 0x9, 0xa];

function accept(key) {
	return createHash("sha1").update(key + GUID).digest("base64");
}

const NOTHING = Buffer.alloc(0);

const server = createServer({ noDelay: true }, (socket) => {
	let head = "";
	let rest = NOTHING;
	socket.on("error", () => {});
	socket.on("data", (chunk) => {
		if (head !== undefined) {
			head += chunk.latin1Slice();
			const end = head.indexOf("\r\n\r\n");
			if (end < 0) return;
			const key = /sec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? "";
			socket.write(
				`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\n`,
			);
			chunk = Buffer.from(head.slice(end + 4), "latin1");
			head = undefined;
		}
		rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
		const taken = answer(socket, rest);
		rest = taken === rest.length ? NOTHING : rest.subarray(taken);
	});
});
server.listen(Number(process.argv[2]), "0.0.0.0", 4096, () => process.send?.({ port: server.address().port }));

// Started by fork: without its parent nobody needs it.
process.on("disconnect", () => process.exit(0));

/** Answers whole frames; returns how many bytes they took. The load client masks its messages with zeros, so only control frames are unmasked. */
function answer(socket, bytes) {
	let at = 0;
	for (;;) {
		if (bytes.length - at < 2) return at;
		const opcode = bytes[at] & 0x0f;
		const short = bytes[at + 1] & 0x7f;
		const header = short < 126 ? 2 : short === 126 ? 4 : 10;
		if (bytes.length - at < header) return at;
		const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
		const end = at + header + 4 + length;
		if (bytes.length < end) return at;
		if (opcode !== PONG) {
			const frame = Buffer.allocUnsafe(header + length);
			bytes.copy(frame, 0, at, at + header);
			frame[1] &= 0x7f;
			bytes.copy(frame, header, at + header + 4, end);
			if (opcode >= CLOSE) for (let i = 0; i < length; i++) frame[header + i] ^= bytes[at + header + (i & 3)];
			if (opcode === PING) frame[0] = 0x80 | PONG;
			socket.write(frame);
			if (opcode === CLOSE) socket.end();
		}
		at = end;
	}
}
