/** Answers of the admin port. */
import type { ServerResponse } from "node:http";

const API_PREFIX = "/api/";

/** Sends a body whole. For HEAD, Node sends the head only. */
export function sendBody(response: ServerResponse, status: number, contentType: string, body: string): void {
	response.writeHead(status, {
		"Content-Type": contentType,
		"Content-Length": Buffer.byteLength(body),
		"Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff",
	});
	response.end(body);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
	sendBody(response, status, "text/plain; charset=utf-8", text);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
	sendBody(response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

/** An error: JSON for paths of the API, one line of text for all others. `message` says what to do. */
export function sendError(response: ServerResponse, path: string, status: number, code: string, message: string): void {
	if (path.startsWith(API_PREFIX)) sendJson(response, status, { error: { code, message } });
	else sendText(response, status, `${code}: ${message}\n`);
}
