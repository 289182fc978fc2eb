/** Connections that never brought a request that could be read: bad TLS, bad HTTP, a head that is late or too large. */
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import { normaliseIp } from "../options.ts";
import type { Gateway } from "./gateway.ts";
import { proxied } from "./proxied.ts";
import { reject } from "./rejection.ts";
import { refuse } from "./respond.ts";

/**
 * Answers where an answer can be read, closes, and leaves one line. Without an error the client just left.
 * With `answer` false the client is cut off: it does not expect HTTP yet.
 */
export function refuseUnread(
	gateway: Gateway,
	listener: string,
	socket: Socket,
	error: GatewayError | undefined,
	answer = true,
): void {
	const peerIp = normaliseIp(socket.remoteAddress ?? "");
	if (error === undefined) {
		socket.destroy();
		return;
	}
	const facts = {
		connection_id: randomUUID(),
		client_ip: proxied(socket)?.sourceIp ?? peerIp,
		peer_ip: peerIp,
		listener,
	};
	if (!answer || error.code === "TLS_FAILED" || !socket.writable) socket.destroy();
	else refuse(socket, error);
	reject(gateway, error, { facts });
}

/** The line of a connection that was closed as soon as it came, for want of room. */
export function refuseDropped(gateway: Gateway, listener: string, address: string | undefined, why: string): void {
	const peerIp = normaliseIp(address ?? "");
	const facts = { connection_id: randomUUID(), client_ip: peerIp, peer_ip: peerIp, listener };
	reject(gateway, new GatewayError("LIMIT_CONNECTIONS", why), { facts });
}
