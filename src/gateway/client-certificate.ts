/** The certificate that a client has shown and that was verified (`tls.client_auth`). */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../protocol/request.ts";

const READ = Symbol("clawgate.clientCertificate");
type ReadSocket = TLSSocket & { [READ]?: ClientCertificate };

/** Undefined when the listener asks for none, or the client showed none. Read once for each connection. */
export function clientCertificate(socket: TLSSocket): ClientCertificate | undefined {
	// Only true when the listener asked, the client answered, and the chain ends at one of its authorities.
	if (!socket.authorized) return undefined;
	const known = (socket as ReadSocket)[READ];
	if (known) return known;
	const certificate = socket.getPeerX509Certificate();
	if (!certificate) return undefined;
	const read = describe(certificate);
	(socket as ReadSocket)[READ] = read;
	return read;
}

/** OpenSSL gives a line for each part of the name, escaped as RFC 4514 asks, in the certificate's own order. */
function describe(certificate: X509Certificate): ClientCertificate {
	const parts = certificate.subject.split("\n");
	const common = parts.flatMap((part) => part.split(" + ")).find((part) => part.startsWith("CN="));
	return {
		// RFC 4514 §2.1: the last part comes first, and several in one are joined by a plus.
		subject: parts
			.map((part) => part.split(" + ").reverse().join("+"))
			.reverse()
			.join(","),
		commonName: common && unescaped(common.slice("CN=".length)),
		fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
	};
}

/** RFC 4514 §2.4 */
function unescaped(value: string): string {
	return value.replace(/\\(?:([0-9A-Fa-f]{2})|(.))/gs, (_, hex: string | undefined, character: string) =>
		hex === undefined ? character : String.fromCharCode(Number.parseInt(hex, 16)),
	);
}
