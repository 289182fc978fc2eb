/**
 * Which certificates a client gets that asks for a name (SNI, RFC 6066 §3).
 *
 * Node's `SNICallback` takes one context, and of it one certificate. Before Node 24 that is added to what the socket
 * has already, so the others of the name are put in first, and OpenSSL chooses. From Node 24 on it is the only one
 * that is left, and has to be chosen here. Both need the socket: Node calls with it as `this`, which is not documented;
 * without it everybody gets the certificate that all clients understand.
 */
import type { SecureContext, TLSSocket } from "node:tls";
import type { Certificates, Group, Served } from "./tls.ts";

type Done = (error: Error | null, context?: SecureContext) => void;

/** An `SNICallback`. */
export function chooseCertificates(certificates: () => Certificates | undefined) {
	return function choose(this: TLSSocket | undefined, serverName: string, done: Done): void {
		const group = certificates()?.groupFor(serverName);
		if (group === undefined) {
			done(null);
			return;
		}
		try {
			const chosen = choice(group, this);
			for (const one of group) if (one !== chosen) this?.setKeyCert?.(one.context);
			done(null, chosen.context);
		} catch (error) {
			done(error as Error);
		}
	};
}

/**
 * With TLS 1.3 the client's signature algorithms say all. With TLS 1.2 its ciphers, which Node does not tell, have to
 * fit too: there it is the last, the kind that all understand.
 */
function choice(group: Group, socket: TLSSocket | undefined): Served {
	const last = group.at(-1) as Served;
	if (group.length === 1 || socket?.getProtocol?.() !== "TLSv1.3") return last;
	const shared = socket.getSharedSigalgs();
	return group.find(({ signature }) => shared.some((algorithm) => algorithm.startsWith(signature))) ?? last;
}
