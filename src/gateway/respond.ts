/** Answers to an upgrade request: the 101, a backend's refusal passed on, or an error of our own. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { GatewayError, RelayedAnswer } from "../errors.ts";
import { applyHeaderRules, type HeaderRules } from "../protocol/headers.ts";
import type { Refused } from "../upstreams/dial.ts";

/** How long a refused client may take to read its answer and close. */
const LINGER_MS = 2_000;

/** The body of an error: one line that says what to do. */
export function errorBody(error: GatewayError): string {
	return `${error.code}: ${error.hint}\n`;
}

/** The headers of an error's answer, as name and value pairs. */
export function errorHeaders(error: GatewayError): Record<string, string> {
	const headers: Record<string, string> = { "Content-Type": "text/plain; charset=utf-8" };
	if (error.status === 426) Object.assign(headers, { Upgrade: "websocket" });
	if (error.retryAfter !== undefined) headers["Retry-After"] = String(error.retryAfter);
	return { ...headers, ...error.headers };
}

/** The whole answer to an error: another server's that is passed on, or the gateway's own. */
export function errorAnswer(error: GatewayError): RelayedAnswer {
	if (error.answer) return error.answer;
	const body = Buffer.from(errorBody(error));
	const rawHeaders = [...Object.entries(errorHeaders(error)).flat(), "Content-Length", String(body.length)];
	return { status: error.status, statusText: STATUS_CODES[error.status] ?? "Error", rawHeaders, body };
}

/** Writes an error's answer to a raw socket and closes it. Gives the bytes of the body. */
export function refuse(socket: Socket, error: GatewayError): number {
	const { status, statusText, rawHeaders, body } = errorAnswer(error);
	return send(socket, status, statusText, rawHeaders, body);
}

/**
 * Passes on a backend's refusal (RFC 9110 §7.6). Its headers are the end-to-end ones with a Content-Length that fits the
 * body, as the dial gives them. Gives the bytes of the body.
 */
export function relayRefusal(
	socket: Socket,
	{ status, statusText, rawHeaders, body }: Pick<Refused, "status" | "statusText" | "rawHeaders" | "body">,
	rules: HeaderRules | undefined,
): number {
	return send(socket, status, statusText, applyHeaderRules(rawHeaders, rules), body);
}

function send(socket: Socket, status: number, reason: string, headers: readonly string[], body: Buffer): number {
	if (socket.destroyed) return 0;
	let head = `HTTP/1.1 ${status} ${reason}\r\n`;
	for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
	// A 426 names the protocol in Upgrade, which Connection has to nominate (RFC 9110 §7.8).
	const connection = status === 426 ? "Upgrade, close" : "close";
	head += `Connection: ${connection}\r\n\r\n`;
	socket.write(head, "latin1");
	socket.end(body);
	// The client still sends perhaps: to close before it has read the answer would reset the answer away.
	const timer = setTimeout(() => socket.destroy(), LINGER_MS);
	socket.once("close", () => clearTimeout(timer));
	socket.resume();
	return body.length;
}
