/** What a client asked for: the facts that routing, balancing, checks and forwarding read. Built once per request. */

import type { Claims } from "./claims.ts";

/** A client's TLS certificate, verified by the listener. */
export interface ClientCertificate {
	/** The distinguished name (RFC 4514): `CN=svc,O=Acme`. */
	readonly subject: string;
	readonly commonName: string | undefined;
	/** SHA-256 of the certificate in lower-case hex. */
	readonly fingerprint: string;
}

export interface GatewayRequest {
	readonly method: string;
	/** "1.1", "1.0" */
	readonly httpVersion: string;
	/** The request target's path as received, without the query. These bytes are forwarded. */
	readonly path: string;
	/** The path for matching, see `Target`. Never forwarded. */
	readonly matchPath: string;
	/** Other ways in which servers may read the path; all of them have to lead to the same route. */
	readonly otherReadings?: readonly string[] | undefined;
	/** The query as received, without `?`; undefined when there is none. */
	readonly query: string | undefined;
	/** The raw header list in the client's order and case: name, value, name, value … */
	readonly rawHeaders: readonly string[];
	/** Header values by lower-case name, repeated ones joined as Node does. */
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	/** The Host header as received (may have a port), "" when absent. */
	readonly authority: string;
	/** Host in lower case, without port and without a trailing dot. */
	readonly host: string;
	/** Subprotocol tokens that the client offers (RFC 6455 §11.3.4), in its order. */
	readonly subprotocols: readonly string[];
	/** The client's address, after trusted proxies were believed. */
	readonly clientIp: string;
	/** The address of who speaks HTTP: the TCP peer, or whom its PROXY header named; "" for a unix socket. */
	readonly peerIp: string;
	/** Whether the client's connection is encrypted, after trusted proxies were believed. */
	readonly secure: boolean;
	/** The port the client used, after trusted proxies were believed; 0 for a unix socket. */
	readonly port: number;
	/** Whether the TCP peer is one of `trusted_proxies`. */
	readonly trustedPeer: boolean;
	/** The header, in lower case, that a trusted peer names the client in; undefined: x-forwarded-for. */
	readonly clientIpHeader?: string | undefined;
	/** `secure` and `port` of the peer's own connection. */
	readonly peerSecure?: boolean | undefined;
	readonly peerPort?: number | undefined;
	/** Only with `tls.client_auth` of the listener, and when the client showed one. */
	readonly clientCertificate?: ClientCertificate | undefined;
	/** The token that came in the first message of an open connection to a hub, or in a later one. */
	readonly firstMessage?: string | undefined;
	/** Of a verified token; only behind the check that verified it. */
	readonly claims?: Claims | undefined;
	/** Name of the listener. */
	readonly listener: string;
	/** A WebSocket opening handshake; false for plain HTTP. */
	readonly websocket: boolean;
	/** Not the first request of its client on its connection for its route. */
	readonly keptAlive?: boolean | undefined;
}

/** The first value of a header by lower-case name. */
export function headerValue(request: Pick<GatewayRequest, "headers">, name: string): string | undefined {
	const value = request.headers[name];
	return Array.isArray(value) ? value[0] : value;
}

/** A query parameter's first value, percent-decoded; undefined when absent. */
export function queryValue(request: Pick<GatewayRequest, "query">, name: string): string | undefined {
	if (request.query === undefined) return undefined;
	return new URLSearchParams(request.query).get(name) ?? undefined;
}

/** A cookie's value as sent (RFC 6265 §5.4), without surrounding quotes; undefined when absent. */
export function cookieValue(request: Pick<GatewayRequest, "headers">, name: string): string | undefined {
	const header = request.headers.cookie;
	if (typeof header !== "string") return undefined;
	let start = 0;
	while (start < header.length) {
		let end = header.indexOf(";", start);
		if (end < 0) end = header.length;
		const equals = header.indexOf("=", start);
		if (equals > 0 && equals < end && header.slice(start, equals).trim() === name) {
			const value = header.slice(equals + 1, end).trim();
			return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
		}
		start = end + 1;
	}
	return undefined;
}
