/** Headers on their way through the gateway, as raw lists in their sender's order and case: name, value, name, value … */
import { GatewayError } from "../errors.ts";
import { forwardedHeaders, isForwardingHeader } from "./forwarded.ts";
import { applyHeaderRules, type HeaderRules, isWireValue, plainName } from "./header-rules.ts";
import type { GatewayRequest } from "./request.ts";

export { forwardedHeaders } from "./forwarded.ts";
export {
	applyHeaderRules,
	compileHeaderRules,
	type HeaderRules,
	type HeaderRulesConfig,
	headerRulesOptions,
	headerText,
	isWireValue,
	plainName,
} from "./header-rules.ts";

/** Headers of one connection, not of the message (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
	"connection",
	"proxy-connection",
	"keep-alive",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"proxy-authenticate",
	"proxy-authorization",
]);

/** Written by the gateway for the backend leg; `Expect` was answered by the gateway itself. */
const OWN = new Set(["host", "content-length", "expect"]);

/** What could end a request line early, or turn into something else when written as latin1. */
const NOT_IN_TARGET = /[^\x21-\x7e\x80-\xff]/;

/**
 * A copy of a raw list without hop-by-hop headers and without those that `Connection` nominates (RFC 9110 §7.6.1).
 * @param status of the answer that it is of: a 426 has to say in Upgrade what it wants (RFC 9110 §15.5.22)
 */
export function stripHopByHop(raw: readonly string[], status?: number): string[] {
	const nominated = nominatedHeaders(raw);
	const result: string[] = [];
	for (let i = 0; i < raw.length; i += 2) {
		const plain = plainName(raw[i] as string);
		if (HOP_BY_HOP.has(plain) && !(status === 426 && plain === "upgrade")) continue;
		if (nominated?.has(plain)) continue;
		result.push(raw[i] as string, raw[i + 1] as string);
	}
	return result;
}

/** Lower-case names that `Connection` takes out of the message; undefined when there are none beyond the usual ones. */
function nominatedHeaders(raw: readonly string[]): Set<string> | undefined {
	let names: Set<string> | undefined;
	for (let i = 0; i < raw.length; i += 2) {
		const header = raw[i] as string;
		if (header.length !== 10 || header.toLowerCase() !== "connection") continue;
		for (const part of (raw[i + 1] as string).split(",")) {
			const name = plainName(part.trim());
			// The handshake's own headers were checked and stay: without them the backend would only refuse.
			if (name === "" || HOP_BY_HOP.has(name) || name.startsWith("sec-websocket-")) continue;
			names ??= new Set();
			names.add(name);
		}
	}
	return names;
}

/** Headers that carry a trace on (`traceparent` and the like). */
export interface TraceHeaders {
	/** Lower-case names of all of them: a client's are not passed on. */
	readonly names: ReadonlySet<string>;
	/** What the backend gets instead, as a raw list. */
	readonly list: readonly string[];
}

/** What a request to a backend is made of. */
export interface BackendRequest {
	readonly request: GatewayRequest;
	/** For X-Request-Id. */
	readonly connectionId: string;
	/** `request_headers` of the route; they can also change the X-Forwarded-* headers. */
	readonly rules?: HeaderRules | undefined;
	/** Write `Forwarded` (RFC 7239) even when no trusted peer sent one. */
	readonly forwarded?: boolean | undefined;
	/** Headers that checks of the route add, as a raw list of wire values; they replace the client's. */
	readonly checkHeaders?: readonly string[] | undefined;
	/** Of the gateway's own trace; without one the client's headers are passed on as they are. */
	readonly trace?: TraceHeaders | undefined;
	/** `plainName`s that only checks of the route may set: a client's are removed even when no check sets them. */
	readonly reserved?: ReadonlySet<string> | undefined;
	/** Pass on a client's headers with an underscore in their name, unless they are the twin of one that is ours. */
	readonly keepUnderscores?: boolean | undefined;
}

/** What the head of an opening handshake is made of. */
export interface BackendHandshake extends BackendRequest {
	/** The request target's bytes. */
	readonly target: string;
	/** Value of the Host header. */
	readonly host: string;
}

/**
 * The end-to-end headers of a request for the backend: the client's in its order and case, then the checks', then
 * X-Forwarded-*, with the route's rules applied to all. Host and the message framing are left to the caller.
 *
 * @throws GatewayError INTERNAL when a check's header cannot stand in a head
 */
export function backendHeaders(options: BackendRequest): readonly string[] {
	const { request, checkHeaders, reserved, trace } = options;
	const raw = request.rawHeaders;
	const nominated = nominatedHeaders(raw);
	const replaced = checkHeaders === undefined ? undefined : namesOf(checkHeaders);
	const list: string[] = [];
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		const underscore = name.includes("_");
		if (underscore && !options.keepUnderscores) continue;
		const plain = plainName(name);
		if (HOP_BY_HOP.has(plain) || OWN.has(plain) || nominated?.has(plain)) continue;
		if (isForwardingHeader(plain, request) || reserved?.has(plain) || replaced?.has(plain)) continue;
		if (trace?.names.has(plain) || (underscore && plain.startsWith("sec-websocket-"))) continue;
		list.push(name, raw[i + 1] as string);
	}
	if (checkHeaders !== undefined) {
		for (let i = 0; i < checkHeaders.length; i += 2) {
			const lower = (checkHeaders[i] as string).toLowerCase();
			if (HOP_BY_HOP.has(lower) || OWN.has(lower)) continue;
			const value = checkHeaders[i + 1] as string;
			if (!isWireValue(value)) {
				throw new GatewayError("INTERNAL", `the value that a check gives ${checkHeaders[i]} cannot stand in a header`);
			}
			list.push(checkHeaders[i] as string, value);
		}
	}
	if (trace !== undefined) list.push(...trace.list);
	list.push(...forwardedHeaders(request, options.connectionId, options.forwarded));
	return applyHeaderRules(list, options.rules);
}

function namesOf(raw: readonly string[]): Set<string> {
	const names = new Set<string>();
	for (let i = 0; i < raw.length; i += 2) names.add(plainName(raw[i] as string));
	return names;
}

/**
 * The complete head of the opening handshake for the backend (RFC 6455 §4.1), to be written as latin1.
 * Sec-WebSocket-Key, -Version, -Protocol and -Extensions are the client's.
 *
 * @throws GatewayError BAD_TARGET when target or host would break the request line; INTERNAL as {@link backendHeaders}
 */
export function backendRequestHead(options: BackendHandshake): string {
	const { target, host } = options;
	checkTarget(target, host);
	let head = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n`;
	head += lines(backendHeaders(options));
	return `${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
}

/**
 * Refuses a target or Host that would not arrive as one word.
 * @throws GatewayError BAD_TARGET
 */
export function checkTarget(target: string, host: string): void {
	if (target === "" || NOT_IN_TARGET.test(target) || NOT_IN_TARGET.test(host)) {
		throw new GatewayError(
			"BAD_TARGET",
			"after rewriting, the request target or Host holds blanks or control characters",
		);
	}
}

/**
 * The complete head of a 101 for the client, to be written as latin1: the backend's end-to-end headers after the route's
 * response rules, without a Content-Length, which has no meaning there (RFC 9110 §8.6).
 *
 * @param extra further headers as a raw list, such as Set-Cookie
 */
export function clientAnswerHead(
	status: number,
	statusText: string,
	rawHeaders: readonly string[],
	rules?: HeaderRules,
	extra: readonly string[] = [],
): string {
	const kept = withoutContentLength(stripHopByHop(rawHeaders));
	const head = `HTTP/1.1 ${status} ${statusText}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`;
	return `${head}${lines(applyHeaderRules(kept, rules))}${lines(extra)}\r\n`;
}

/** A raw list without Content-Length, for a message whose framing the gateway writes itself. */
export function withoutContentLength(raw: string[]): string[] {
	for (let i = raw.length - 2; i >= 0; i -= 2) {
		const name = raw[i] as string;
		if (name.length === 14 && name.toLowerCase() === "content-length") raw.splice(i, 2);
	}
	return raw;
}

/** Stands in a raw list for the value of a line without a colon; no header can have it. */
export const NO_COLON = "\0";

function lines(raw: readonly string[]): string {
	let text = "";
	for (let i = 0; i < raw.length; i += 2) {
		text += raw[i + 1] === NO_COLON ? `${raw[i]}\r\n` : `${raw[i]}: ${raw[i + 1]}\r\n`;
	}
	return text;
}
