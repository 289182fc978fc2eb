// The load: raw sockets with frames made once, so that the client is cheaper than what it measures.
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** One masked binary frame (mask of zeros) and the length of its echo. */
export function makeFrame(size) {
	const header = size < 126 ? Buffer.from([0x82, 0x80 | size]) : Buffer.alloc(size < 65536 ? 4 : 10);
	if (size >= 126) {
		header[0] = 0x82;
		header[1] = 0x80 | (size < 65536 ? 126 : 127);
		if (size < 65536) header.writeUInt16BE(size, 2);
		else header.writeBigUInt64BE(BigInt(size), 2);
	}
	return { bytes: Buffer.concat([header, Buffer.alloc(4), Buffer.alloc(size, 0x61)]), echo: header.length + size };
}

/** Opens a WebSocket; `socket.received(length, buffer)` is told how many bytes came after the 101; they are valid during the call. */
export function open({ port, path = "/", tls = false, host = "bench.test", headers = "", localAddress, received = () => {} }) {
	return new Promise((resolve, reject) => {
		let head = "";
		const reading = { buffer: SHARED, callback: (length, buffer) => onBytes(length, buffer) };
		const options = { port, host: "127.0.0.1", localAddress, onread: reading };
		// One key exchange for all: the proxies' TLS libraries differ in what else they know, and that costs memory and time.
		const secure = { rejectUnauthorized: false, ecdhCurve: "X25519" };
		const socket = tls ? connectTls({ ...options, ...secure }) : connect(options);
		const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`;
		socket.setNoDelay(true);
		socket.once(tls ? "secureConnect" : "connect", () => socket.write(request));
		socket.on("error", reject);
		socket.on("close", () => reject(new Error("closed during the handshake")));
		function onBytes(length, buffer) {
			if (head === undefined) {
				socket.received(length, buffer);
				return true;
			}
			head += buffer.latin1Slice(0, length);
			const end = head.indexOf("\r\n\r\n");
			if (end < 0) return true;
			if (!head.startsWith("HTTP/1.1 101")) reject(new Error(head.slice(0, end)));
			const after = Buffer.from(head.slice(end + 4), "latin1");
			head = undefined;
			if (after.length > 0) socket.received(after.length, after);
			resolve(socket);
			return true;
		}
		socket.received = received;
	});
}

const SHARED = Buffer.alloc(64 * 1024);

/** Opens many, a few at a time. */
export async function openMany(count, options, atOnce = 50) {
	const sockets = [];
	for (let at = 0; at < count; at += atOnce) {
		const batch = Math.min(atOnce, count - at);
		sockets.push(...(await Promise.all(Array.from({ length: batch }, () => open(options)))));
	}
	return sockets;
}

/** Close 1000, masked with zeros. */
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);

/** Says goodbye and waits until the other side has ended the connection. */
export function closed(socket) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error("a Close was not answered within 10 s")), 10_000);
		socket.on("close", () => {
			clearTimeout(timer);
			resolve();
		});
		socket.write(CLOSE);
	});
}

export function destroyAll(sockets) {
	for (const socket of sockets) {
		socket.removeAllListeners("close");
		socket.destroy();
	}
}
