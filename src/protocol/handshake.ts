/** The client's opening handshake, checked as a server must (RFC 6455 §4.2.1). */
import type { IncomingHttpHeaders } from "node:http";
import { GatewayError } from "../errors.ts";

/** What the checks read of a request. */
export interface HandshakeHead {
	readonly method?: string | undefined;
	readonly httpVersion: string;
	readonly headers: IncomingHttpHeaders;
	/** Name, value, name, value … as received. */
	readonly rawHeaders: readonly string[];
}

/** A checked handshake. */
export interface Handshake {
	/** Sec-WebSocket-Key as sent. */
	readonly key: string;
	/** Offered subprotocols in the client's order. */
	readonly subprotocols: readonly string[];
	/** It is of a draft of the protocol, {@link DRAFT_VERSION}. */
	readonly draft: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** 16 bytes in base64: 22 characters and two of padding. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** The drafts of 2011 before RFC 6455 (hybi-08 to hybi-12): the same frames, spoken by some old clients and servers. */
const DRAFT_VERSION = "8";

/** Whether a comma-separated header holds a token, without regard to case. */
export function hasToken(header: string | undefined, token: string): boolean {
	if (header === undefined) return false;
	if (header.toLowerCase() === token) return true;
	return header.split(",").some((part) => part.trim().toLowerCase() === token);
}

/** Whether the request asks for the WebSocket protocol (RFC 6455 §4.2.1 item 3), rightly or not. */
export function wantsWebSocket(headers: IncomingHttpHeaders): boolean {
	return hasToken(headers.upgrade, "websocket");
}

/**
 * Checks an upgrade request that {@link wantsWebSocket}.
 *
 * @param drafts whether the version before RFC 6455 may be possible; only some upstreams take it
 * @throws GatewayError METHOD_NOT_ALLOWED, BAD_VERSION or BAD_HANDSHAKE
 */
export function checkHandshake(head: HandshakeHead, drafts = false): Handshake {
	const { headers } = head;
	if (head.method !== "GET") {
		throw new GatewayError("METHOD_NOT_ALLOWED", undefined, { headers: { Allow: "GET" } });
	}
	if (head.httpVersion !== "1.1") throw bad("the handshake must be HTTP/1.1");
	if (countHeader(head.rawHeaders, "host") !== 1) throw bad("exactly one Host header is required");
	if (!hasToken(headers.connection, "upgrade")) {
		throw bad("Connection: Upgrade is missing; a proxy in front of the gateway may have removed it");
	}
	if (headers["transfer-encoding"] !== undefined || hasBody(headers["content-length"])) {
		throw bad("an opening handshake must not have a body");
	}
	const version = headers["sec-websocket-version"];
	const draft = drafts && version === DRAFT_VERSION;
	if (!isVersion13(version) && !draft) throw badVersion();
	const key = headers["sec-websocket-key"];
	if (key === undefined || countHeader(head.rawHeaders, "sec-websocket-key") !== 1 || !KEY.test(key)) {
		throw bad("exactly one Sec-WebSocket-Key with 16 bytes in base64 is required");
	}
	return { key, subprotocols: offeredSubprotocols(headers["sec-websocket-protocol"]), draft };
}

/** Another version than 13 (RFC 6455 §4.2.2 item 4). */
export function badVersion(): GatewayError {
	return new GatewayError("BAD_VERSION", undefined, { headers: { "Sec-WebSocket-Version": "13" } });
}

/** Whether Sec-WebSocket-Version is 13; some clients, and proxies in front of them, send it twice. */
function isVersion13(value: string | undefined): boolean {
	return value === "13" || value?.split(", ").every((each) => each === "13") === true;
}

/**
 * The tokens of Sec-WebSocket-Protocol (RFC 6455 §11.3.4). Empty elements of a list are passed over (RFC 9110 §5.6.1.2).
 * @throws GatewayError BAD_HANDSHAKE for something that is not a token
 */
export function offeredSubprotocols(header: string | undefined): readonly string[] {
	if (header === undefined) return [];
	const tokens: string[] = [];
	for (const part of header.split(",")) {
		const token = part.trim();
		if (token === "") continue;
		if (!TOKEN.test(token)) throw bad("Sec-WebSocket-Protocol must be a list of tokens");
		tokens.push(token);
	}
	return tokens;
}

function hasBody(contentLength: string | undefined): boolean {
	return contentLength !== undefined && !/^0+$/.test(contentLength);
}

/** How many headers of a raw list have this lower-case name. */
export function countHeader(rawHeaders: readonly string[], name: string): number {
	let found = 0;
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const each = rawHeaders[i] as string;
		if (each.length === name.length && each.toLowerCase() === name) found++;
	}
	return found;
}

function bad(hint: string): GatewayError {
	return new GatewayError("BAD_HANDSHAKE", hint, { hint });
}
