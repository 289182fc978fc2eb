/** The heads and trailers of a plain HTTP exchange: the request's for the backend, the answer's for the client. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { GatewayError } from "../errors.ts";
import {
	applyHeaderRules,
	type BackendRequest,
	backendHeaders,
	type HeaderRules,
	stripHopByHop,
	withoutContentLength,
} from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { isFinalStatus } from "../protocol/status.ts";

/** RFC 9110 §9.2.2 */
const IDEMPOTENT_METHODS = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
/** Methods for whose missing body a server may want to be told (RFC 9110 §8.6). */
const WITH_CONTENT = new Set(["POST", "PUT", "PATCH", "DELETE"]);
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What happens to the answer's headers. */
export interface AnswerRules {
	/** `rewrite.location` of the route: changes the answer's raw headers before the rules. */
	readonly rewriteAnswer?: ((raw: readonly string[]) => readonly string[]) | undefined;
	/** `response_headers` of the route. */
	readonly responseRules?: HeaderRules | undefined;
	/** Further headers of the answer as a raw list, such as Set-Cookie. */
	readonly extraResponseHeaders?: readonly string[] | undefined;
}

/** Whether a request may be sent a second time without asking anyone, if it has no body. */
export function isIdempotent(method: string): boolean {
	return IDEMPOTENT_METHODS.has(method);
}

/** Whether a body follows the head (RFC 9112 §6.3). */
export function hasBody({ headers }: GatewayRequest): boolean {
	return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * The headers for the backend as a raw list. The framing follows what Node has parsed, never a header that could be
 * nominated away, and stands last: Node changes the bytes of a Content-Disposition that comes after a Content-Length.
 *
 * @throws GatewayError BAD_REQUEST for a transfer coding other than chunked
 */
export function outgoingHeaders(options: BackendRequest & { readonly host: string }, body: boolean): string[] {
	const { headers, method } = options.request;
	const list = ["Host", options.host, ...backendHeaders(options)];
	const coding = headers["transfer-encoding"];
	if (coding !== undefined) {
		if (String(coding).toLowerCase() !== "chunked") {
			throw new GatewayError("BAD_REQUEST", "the request has a transfer coding other than chunked", {
				hint: "send the body with Content-Length or plain chunked coding",
			});
		}
		list.push("Transfer-Encoding", "chunked");
	} else if (body || headers["content-length"] !== undefined || WITH_CONTENT.has(method)) {
		list.push("Content-Length", String(headers["content-length"] ?? 0));
	}
	return list;
}

/**
 * Writes the answer's head: the backend's end-to-end headers after the route's rules.
 * @throws GatewayError BAD_BACKEND_ANSWER when it cannot be written; nothing was then
 */
export function writeAnswerHead(res: ServerResponse, answer: IncomingMessage, rules: AnswerRules): void {
	const status = answer.statusCode as number;
	if (!isFinalStatus(status)) throw badAnswer(`the backend answered with status ${status}`);
	const coding = answer.headers["transfer-encoding"];
	if (coding !== undefined && coding.toLowerCase() !== "chunked") {
		throw badAnswer("the backend's answer has a transfer coding other than chunked");
	}
	const headers = answerHeaders(answer.rawHeaders, status, rules);
	if (status === 426 && answer.headers.upgrade !== undefined)
		headers.push("Connection", res.shouldKeepAlive ? "Upgrade" : "Upgrade, close");
	// What a Trailer header announces can follow a chunked answer only.
	if (coding !== undefined && res.req.httpVersion === "1.1" && res.req.method !== "HEAD") {
		headers.push(...fieldsOf(answer.rawHeaders, "trailer"));
	}
	try {
		res.writeHead(status, reasonOf(answer.statusMessage, status), headers);
	} catch (error) {
		throw badAnswer(`the head of the backend's answer cannot be passed on: ${(error as Error).message}`, error);
	}
}

/** Passes an interim answer on, such as 103 (RFC 9110 §15.2), to a client that knows them. */
export function writeInterim(
	res: ServerResponse,
	{
		statusCode,
		statusMessage,
		rawHeaders,
	}: { statusCode: number; statusMessage: string; rawHeaders: readonly string[] },
	{ responseRules }: AnswerRules,
): void {
	if (res.req.httpVersion !== "1.1" || res.headersSent || res.destroyed) return;
	const headers = answerHeaders(rawHeaders, statusCode, { responseRules });
	let head = `HTTP/1.1 ${statusCode} ${reasonOf(statusMessage, statusCode)}\r\n`;
	for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
	// One answer at a time is under way on a connection, and nothing of this one was written.
	res.socket?.write(`${head}\r\n`, "latin1");
}

/** What came after the answer's body, as Node takes it. Headers that the route removes are removed here too. */
export function answerTrailers(raw: readonly string[], { responseRules }: AnswerRules): [string, string][] {
	const kept = withoutContentLength(stripHopByHop(raw));
	const trailers: [string, string][] = [];
	for (let i = 0; i < kept.length; i += 2) {
		const name = kept[i] as string;
		const lower = name.toLowerCase();
		if (responseRules?.remove.has(lower) || responseRules?.set.has(lower)) continue;
		trailers.push([name, kept[i + 1] as string]);
	}
	return trailers;
}

/** BAD_BACKEND_ANSWER, for the log in words. */
export function badAnswer(what: string, cause?: unknown): GatewayError {
	return new GatewayError("BAD_BACKEND_ANSWER", what, { cause });
}

function answerHeaders(raw: readonly string[], status: number, rules: AnswerRules): string[] {
	const passed = stripHopByHop(raw, status);
	// RFC 9110 §8.6: what has no body has no length, and must not make somebody wait for one.
	const endToEnd = status < 200 || status === 204 ? withoutContentLength(passed) : passed;
	const headers = [...applyHeaderRules(rules.rewriteAnswer?.(endToEnd) ?? endToEnd, rules.responseRules)];
	if (rules.extraResponseHeaders) headers.push(...rules.extraResponseHeaders);
	const length = headers.findIndex(isContentLength);
	if (length >= 0 && headers.findLastIndex(isContentDisposition) > length) headers.push(...headers.splice(length, 2));
	return headers;
}

/** Node changes the bytes of a Content-Disposition that comes after a Content-Length. */
function isContentDisposition(text: string, index: number): boolean {
	return index % 2 === 0 && text.toLowerCase() === "content-disposition";
}

function isContentLength(text: string, index: number): boolean {
	return index % 2 === 0 && text.toLowerCase() === "content-length";
}

/** The fields of one name, as a raw list. */
function fieldsOf(raw: readonly string[], wanted: string): string[] {
	const fields: string[] = [];
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		if (name.length === wanted.length && name.toLowerCase() === wanted) fields.push(name, raw[i + 1] as string);
	}
	return fields;
}

function reasonOf(text: string | undefined, status: number): string {
	return text !== undefined && REASON.test(text) ? text : (STATUS_CODES[status] ?? "");
}
