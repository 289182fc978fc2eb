/** Why a TLS handshake with a client failed, in an operator's words. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** What can be wrong with a client's certificate, by OpenSSL's word for it. */
const CERTIFICATE: Readonly<Record<string, string>> = {
	CERT_HAS_EXPIRED: "has expired",
	CERT_NOT_YET_VALID: "is not valid yet",
	CERT_REVOKED: "is revoked",
	DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed; client_ca does not have it",
	SELF_SIGNED_CERT_IN_CHAIN: "comes from an authority that client_ca does not have",
	UNABLE_TO_GET_ISSUER_CERT: "comes from an authority that client_ca does not have",
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "comes from an authority that client_ca does not have",
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: "comes from an authority that client_ca does not have",
	INVALID_PURPOSE: "is not one for clients",
};

const NO_CERTIFICATE = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";

/** What is wrong with the certificate that `socket`'s client showed; undefined when nothing is, or there is none. */
export function certificateFailure(socket: TLSSocket): string | undefined {
	// Its type says Error; it is OpenSSL's code as text.
	const code = socket.authorized ? expiredSince(socket) : (socket.authorizationError as unknown);
	if (!code || !hasCertificate(socket)) return undefined;
	const words = CERTIFICATE[String(code)] ?? `cannot be verified (${String(code)})`;
	return `the TLS handshake failed: the client's certificate ${words}`;
}

/**
 * Undefined when the client just left, or never began: a load balancer's TCP probe connects and closes, a browser opens
 * connections in advance, and nothing went wrong.
 */
export function tlsFailure(error: NodeJS.ErrnoException & { reason?: string }, socket: TLSSocket): string | undefined {
	const certificate = certificateFailure(socket);
	if (certificate !== undefined) return certificate;
	if (error.code === "ECONNRESET") return undefined;
	if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT" && below(socket)?.bytesRead === 0) return undefined;
	if (error.code === NO_CERTIFICATE) {
		return "the TLS handshake failed: the client showed no certificate, and client_auth is require";
	}
	// What OpenSSL says, without its numbers and file names.
	return `the TLS handshake failed: ${error.reason ?? error.code ?? error.message}`;
}

/**
 * The socket that still knows its peer. Node closes the one with a bad certificate before anybody hears of it; the one
 * below TLS remembers, if it was asked in time. The way there is not documented: without it the log line has no address.
 */
export function knowsPeer(socket: TLSSocket): Socket {
	const parent = below(socket);
	return socket.remoteAddress === undefined && parent?.remoteAddress !== undefined ? parent : socket;
}

/** The TCP connection. */
function below(socket: TLSSocket): Socket | null | undefined {
	return (socket as TLSSocket & { _parent?: Socket | null })._parent;
}

/** A resumed session stands on a certificate that was verified when the session began, hours ago perhaps. */
function expiredSince(socket: TLSSocket): string | undefined {
	if (!socket.isSessionReused()) return undefined;
	const certificate = socket.getPeerX509Certificate();
	const expired = certificate !== undefined && Date.parse(certificate.validTo) <= Date.now();
	return expired ? "CERT_HAS_EXPIRED" : undefined;
}

function hasCertificate(socket: TLSSocket): boolean {
	// Once the connection is closed it cannot be asked any more; Node then closed it because of the certificate.
	return socket.destroyed || socket.getPeerX509Certificate() !== undefined;
}
