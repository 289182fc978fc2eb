/** X-Forwarded-*, X-Real-IP, X-Request-Id, X-Client-* and Forwarded (RFC 7239): who the client is, told to the backend. */
import { isIPv6 } from "node:net";
import { headerText } from "./header-rules.ts";
import { type GatewayRequest, headerValue } from "./request.ts";

/** What {@link forwardedHeaders} reads. */
export type ForwardedFacts = Pick<
	GatewayRequest,
	| "headers"
	| "clientIp"
	| "peerIp"
	| "secure"
	| "port"
	| "authority"
	| "trustedPeer"
	| "clientIpHeader"
	| "clientCertificate"
>;

const REWRITTEN = new Set([
	"x-forwarded-for",
	"x-forwarded-proto",
	"x-forwarded-host",
	"x-forwarded-port",
	"x-real-ip",
	"x-request-id",
	"forwarded",
	// Of a client's certificate: a trusted peer's are replaced too, since it may have passed on what a client wrote.
	"x-client-verified",
	"x-client-cert-subject",
	"x-client-cert-fingerprint",
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Whether a client's header is not passed on because the gateway writes it, or because nobody vouches for it: a
 * stranger's X-Forwarded-Prefix and the like go too, and the header that only proxies name the client in.
 *
 * @param name as `plainName` gives it
 */
export function isForwardingHeader(name: string, request: ForwardedFacts): boolean {
	if (REWRITTEN.has(name)) return true;
	if (name.startsWith("x-forwarded-")) return !isBelieved(name, request);
	return !request.trustedPeer && name === request.clientIpHeader;
}

/** Whether the peer's word in a header counts: proxies that write `Forwarded` pass on whatever X-Forwarded-* they get. */
function isBelieved(name: string, { trustedPeer, clientIpHeader = "x-forwarded-for" }: ForwardedFacts): boolean {
	if (!trustedPeer) return false;
	if (name === "x-forwarded-for" || name === "forwarded") return name === clientIpHeader;
	return clientIpHeader !== "forwarded" || !name.startsWith("x-forwarded-");
}

/** What a trusted peer said in a header that only such a peer may write; undefined when nobody did. */
export function toldByPeer(request: ForwardedFacts, name: string): string | undefined {
	return isBelieved(name, request) ? headerValue(request, name) || undefined : undefined;
}

/**
 * The forwarding headers for a backend, as a raw list. What a trusted peer said is kept or added to; a stranger's values
 * are replaced. X-Forwarded-Proto is `http` or `https`, for WebSocket too.
 *
 * @param forwarded also write `Forwarded`; it is written anyway when a trusted peer sent one
 */
export function forwardedHeaders(request: ForwardedFacts, connectionId: string, forwarded = false): string[] {
	const told = (name: string) => toldByPeer(request, name);
	const list: string[] = [];
	const clients = forwardedFor(request, told("x-forwarded-for"));
	if (clients !== "") list.push("X-Forwarded-For", clients);
	list.push("X-Forwarded-Proto", request.secure ? "https" : "http");
	const host = told("x-forwarded-host") ?? request.authority;
	if (host !== "") list.push("X-Forwarded-Host", host);
	if (request.port !== 0) list.push("X-Forwarded-Port", String(request.port));
	if (request.clientIp !== "") list.push("X-Real-IP", request.clientIp);
	list.push("X-Request-Id", told("x-request-id") ?? connectionId);
	const { clientCertificate } = request;
	if (clientCertificate) {
		list.push("X-Client-Verified", "SUCCESS", "X-Client-Cert-Subject", headerText(clientCertificate.subject));
		list.push("X-Client-Cert-Fingerprint", clientCertificate.fingerprint);
	}
	const earlier = told("forwarded");
	if (earlier !== undefined) list.push("Forwarded", `${earlier}, ${element(request, request.peerIp)}`);
	else if (forwarded) list.push("Forwarded", element(request, request.clientIp));
	return list;
}

function forwardedFor(request: ForwardedFacts, told: string | undefined): string {
	const { clientIp, peerIp } = request;
	if (!request.trustedPeer) return clientIp;
	// The peer may have named the client in another header.
	const earlier = told ?? (clientIp === peerIp ? "" : clientIp);
	if (earlier === "" || peerIp === "") return earlier + peerIp;
	return `${earlier}, ${peerIp}`;
}

/** One forwarded-element (RFC 7239 §4); `unknown` stands for a peer without an address (§6.2). */
function element(request: ForwardedFacts, ip: string): string {
	const node = ip === "" ? "unknown" : isIPv6(ip) ? `"[${ip}]"` : ip;
	const parts = [`for=${node}`];
	if (request.authority !== "") parts.push(`host=${quoted(request.authority)}`);
	parts.push(`proto=${request.secure ? "https" : "http"}`);
	return parts.join(";");
}

/** A token as it is, anything else as a quoted-string (RFC 9110 §5.6.4). */
function quoted(value: string): string {
	return TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
