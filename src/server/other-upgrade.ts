/**
 * Requests that ask for another protocol than WebSocket (`h2c`, from Java's client on every request). They are answered
 * as if they had not asked (RFC 9110 §7.8), which Node before 24.9 cannot be told: it has taken the connection out of HTTP
 * when it asks, so the request is put back in front of what follows it, without its Upgrade header.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Makes `socket` as it was before the request was read, but for the Upgrade header; `head` is what followed the request. */
export function putBack(request: IncomingMessage, socket: Socket, head: Buffer): void {
	socket.unshift(Buffer.concat([requestText(request, "upgrade"), head]));
}

/** The head of a request as it was read, but for the headers of one name in lower case. */
export function requestText(request: IncomingMessage, without?: string): Buffer {
	const { rawHeaders } = request;
	let text = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`;
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const name = rawHeaders[i] as string;
		if (name.toLowerCase() !== without) text += `${name}: ${rawHeaders[i + 1]}\r\n`;
	}
	return Buffer.from(`${text}\r\n`, "latin1");
}
