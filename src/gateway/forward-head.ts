/** The two heads of a plain HTTP exchange: the request's for httpxy, the answer's for the client. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { GatewayError } from "../errors.ts";
import {
	applyHeaderRules,
	type BackendRequest,
	backendHeaders,
	type HeaderRules,
	stripHopByHop,
} from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";

/** RFC 9110 §9.2.1 */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a request may be sent a second time without asking anyone, if it has no body. */
export function isSafe(method: string): boolean {
	return SAFE_METHODS.has(method);
}

/** Whether a body follows the head (RFC 9112 §6.3). */
export function hasBody({ headers }: GatewayRequest): boolean {
	return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * The head for the backend, as httpxy takes it: order and case stay, but repeated headers come together under their first
 * name, and names that are whole numbers come first.
 *
 * @throws GatewayError BAD_REQUEST for a transfer coding other than chunked
 */
export function outgoingHeaders(
	options: BackendRequest & { readonly host: string },
	body: boolean,
): Record<string, string | string[]> {
	const { request } = options;
	const headers: Record<string, string | string[]> = Object.create(null);
	const names = new Map<string, string>();
	headers.Host = options.host;
	const list = backendHeaders(options);
	for (let i = 0; i < list.length; i += 2) {
		const value = list[i + 1] as string;
		const lower = (list[i] as string).toLowerCase();
		const name = names.get(lower);
		if (name === undefined) {
			names.set(lower, list[i] as string);
			headers[list[i] as string] = value;
		} else {
			const before = headers[name] as string | string[];
			headers[name] = Array.isArray(before) ? [...before, value] : [before, value];
		}
	}
	// The framing follows what Node has parsed, never a header that could be nominated away. In lower case, because httpxy
	// looks for these names and would add a second Content-Length to a DELETE (CVE-2026-29057).
	const coding = request.headers["transfer-encoding"];
	if (coding !== undefined) {
		if (String(coding).toLowerCase() !== "chunked") {
			throw new GatewayError("BAD_REQUEST", "the request has a transfer coding other than chunked", {
				hint: "send the body with Content-Length or plain chunked coding",
			});
		}
		headers["transfer-encoding"] = "chunked";
	} else if (body) {
		headers["content-length"] = String(request.headers["content-length"]);
	}
	return headers;
}

/** Writes the answer's head, the backend's end-to-end headers after the route's rules, so that httpxy writes none. */
export function writeAnswerHead(
	res: ServerResponse,
	answer: IncomingMessage,
	options: {
		readonly rewriteAnswer?: ((raw: readonly string[]) => readonly string[]) | undefined;
		readonly responseRules?: HeaderRules | undefined;
		readonly extraResponseHeaders?: readonly string[] | undefined;
	},
): void {
	if (res.headersSent || res.destroyed) return;
	const status = answer.statusCode as number;
	const text = answer.statusMessage ?? "";
	const { rewriteAnswer } = options;
	const raw = stripHopByHop(answer.rawHeaders);
	const headers = applyHeaderRules(rewriteAnswer ? rewriteAnswer(raw) : raw, options.responseRules);
	res.writeHead(status, REASON.test(text) ? text : (STATUS_CODES[status] ?? ""), [
		...headers,
		...(options.extraResponseHeaders ?? []),
	]);
}
