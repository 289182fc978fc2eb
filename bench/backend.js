// The backend of every peer, on every loopback address: answers the opening handshake and sends each frame back unmasked. As cheap as Node can be.
import { createHash } from "node:crypto";
import { createServer } from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

function accept(key) {
	return createHash("sha1").update(key + GUID).digest("base64");
}

createServer({ noDelay: true }, (socket) => {
	let head = "";
	let rest = Buffer.alloc(0);
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
		rest = rest.subarray(echo(socket, rest));
	});
})
	.listen(Number(process.argv[2]), "0.0.0.0", 4096)
	.on("listening", () => process.send?.("ready"));

/** Echoes whole frames; returns how many bytes they took. The load client masks with zeros, so nothing is unmasked. */
function echo(socket, bytes) {
	let at = 0;
	for (;;) {
		if (bytes.length - at < 2) return at;
		const short = bytes[at + 1] & 0x7f;
		const header = short < 126 ? 2 : short === 126 ? 4 : 10;
		if (bytes.length - at < header) return at;
		const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
		const end = at + header + 4 + length;
		if (bytes.length < end) return at;
		const answer = Buffer.allocUnsafe(header + length);
		bytes.copy(answer, 0, at, at + header);
		answer[1] &= 0x7f;
		bytes.copy(answer, header, at + header + 4, end);
		socket.write(answer);
		at = end;
	}
}
