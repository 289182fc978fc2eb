/**
 * Who is behind a connection that a load balancer has opened: what its PROXY header said. The listener notes it on the
 * socket before the first request is read; requests and log lines ask for it here.
 */
import type { Socket } from "node:net";
import { isIPv6 } from "node:net";
import { normaliseIp } from "../options.ts";
import type { ProxiedAddress } from "../protocol/proxy-protocol.ts";
import { type ProxyVersion, proxyHeader } from "../protocol/proxy-protocol-header.ts";

const PROXIED = Symbol("clawgate.proxied");
type NotedSocket = Socket & { [PROXIED]?: ProxiedAddress };

/** Notes what a PROXY header said about the connection of `socket` (for TLS: the TLS socket). */
export function setProxied(socket: Socket, address: ProxiedAddress): void {
	(socket as NotedSocket)[PROXIED] = address;
}

/** What {@link setProxied} noted; undefined when the socket's own addresses count. */
export function proxied(socket: Socket): ProxiedAddress | undefined {
	return (socket as NotedSocket)[PROXIED];
}

/** The PROXY header for a backend (`upstreams.*.proxy_protocol`); undefined when it gets none. */
export function preambleFor(version: ProxyVersion | undefined, socket: Socket, clientIp: string): Buffer | undefined {
	if (version === undefined) return undefined;
	const told = proxied(socket);
	const peerIp = told?.sourceIp ?? normaliseIp(socket.remoteAddress ?? "");
	const peerPort = told?.sourcePort ?? socket.remotePort ?? 0;
	return proxyHeader(version, {
		sourceIp: clientIp,
		// Of a client that is known from X-Forwarded-For only, nobody knows the port.
		sourcePort: clientIp === peerIp ? peerPort : 0,
		destinationIp: told?.destinationIp ?? (normaliseIp(socket.localAddress ?? "") || unspecified(clientIp)),
		destinationPort: told?.destinationPort ?? socket.localPort ?? 0,
	});
}

/** Stands for a unix socket, which has no address. */
function unspecified(clientIp: string): string {
	return isIPv6(clientIp) ? "::" : "0.0.0.0";
}
