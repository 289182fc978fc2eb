/** Socket errors of the backend leg in an operator's words. */
import { GatewayError } from "../errors.ts";
import { type EndpointAddress, endpointId } from "./endpoint.ts";

const WORDS: Readonly<Record<string, string>> = {
	ECONNREFUSED: "connection refused; is the backend running and listening on this port?",
	ECONNRESET: "the connection was reset",
	EPIPE: "the connection was closed",
	ENOTFOUND: "host not found; check the endpoint's name",
	EAI_AGAIN: "the name server did not answer",
	EHOSTUNREACH: "no route to the host",
	ENETUNREACH: "no route to the network",
	ETIMEDOUT: "the network did not answer",
	ENOENT: "there is no such socket file",
	ENOTSOCK: "the file is not a socket",
	EACCES: "permission denied",
	EMFILE: "the gateway is out of file descriptors; raise its limit",
	ENFILE: "the system is out of file descriptors",
	EADDRNOTAVAIL: "no local port is left",
	CERT_HAS_EXPIRED: "TLS: the backend's certificate has expired",
	CERT_NOT_YET_VALID: "TLS: the backend's certificate is not valid yet",
	CERT_REVOKED: "TLS: the backend's certificate is revoked",
	DEPTH_ZERO_SELF_SIGNED_CERT: "TLS: the backend's certificate is self-signed; set tls.ca",
	SELF_SIGNED_CERT_IN_CHAIN: "TLS: the backend's certificate comes from an unknown authority; set tls.ca",
	UNABLE_TO_GET_ISSUER_CERT: "TLS: the backend's certificate comes from an unknown authority; set tls.ca",
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "TLS: the backend's certificate comes from an unknown authority; set tls.ca",
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: "TLS: the backend does not send the authority's certificate; set tls.ca",
	ERR_TLS_CERT_ALTNAME_INVALID: "TLS: the backend's certificate is for another name; set tls.server_name",
	ERR_SSL_WRONG_VERSION_NUMBER: "TLS: the backend does not speak TLS on this port; use ws:// or another port",
	ERR_SSL_PACKET_LENGTH_TOO_LONG: "TLS: the backend does not speak TLS on this port; use ws:// or another port",
};

/** What a socket error means, without addresses or internals. */
export function socketErrorWords(error: unknown): string {
	// Happy eyeballs (RFC 8305) tries several addresses; the first one's error stands for all.
	const first = error instanceof AggregateError ? error.errors[0] : error;
	const code = first instanceof Error && "code" in first ? String(first.code) : "unknown error";
	const known = WORDS[code];
	if (known !== undefined) return known;
	return isTlsCode(code) ? `TLS: the backend broke the handshake off (${code})` : code;
}

/** Whether a socket error is one of TLS and not of the connection below it. */
export function isTlsError(error: unknown): boolean {
	return error instanceof Error && "code" in error && isTlsCode(String(error.code));
}

function isTlsCode(code: string): boolean {
	return code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_");
}

/** CONNECT_FAILED for an endpoint; another one may be tried. */
export function connectFailed(address: EndpointAddress, what: string, cause?: unknown): GatewayError {
	return new GatewayError("CONNECT_FAILED", `${endpointId(address)}: ${what}`, { retry: "connect_failure", cause });
}

/** Prefixes an error about an answer with the endpoint's name. */
export function badHandshake(address: EndpointAddress, what: string, cause?: unknown): GatewayError {
	return new GatewayError("BAD_BACKEND_HANDSHAKE", `${endpointId(address)}: ${what}`, {
		retry: "bad_handshake",
		cause,
	});
}
