/** Why handshakes are refused, in words: the many codes come down to a few causes, each with a place to look. */

export interface Cause {
	/** Follows on "12 handshakes refused". */
	readonly text: string;
	/** Whose doing: what is behind the gateway (or the gateway), the clients, or nobody that has to be told. */
	readonly fault: "service" | "client" | "nobody";
}

const NO_BACKEND: Cause = { text: "no backend took them", fault: "service" };
const BAD_ANSWER: Cause = { text: "the backend's answer is wrong", fault: "service" };
const AUTH_DOWN: Cause = { text: "who they are could not be checked", fault: "service" };
const OVERLOAD: Cause = { text: "there are too many for the service", fault: "service" };
const CREDENTIALS: Cause = { text: "without a valid token, key or password", fault: "client" };
const FORBIDDEN: Cause = { text: "from where they may not come", fault: "client" };
const ADDRESS: Cause = { text: "to a wrong URL", fault: "client" };
const TOO_MANY: Cause = { text: "too many from one client", fault: "client" };
const NO_HANDSHAKE: Cause = { text: "no valid WebSocket handshake", fault: "client" };

const CAUSES: Readonly<Record<string, Cause>> = {
	CONNECT_FAILED: NO_BACKEND,
	CONNECT_TIMEOUT: NO_BACKEND,
	HANDSHAKE_TIMEOUT: NO_BACKEND,
	NO_ENDPOINT: NO_BACKEND,
	BAD_BACKEND_HANDSHAKE: BAD_ANSWER,
	BAD_BACKEND_ANSWER: BAD_ANSWER,
	// Mostly a wrong password or a full room.
	BACKEND_REFUSED: { text: "by the backend itself", fault: "client" },
	JWKS_UNAVAILABLE: AUTH_DOWN,
	FORWARD_AUTH_UNAVAILABLE: AUTH_DOWN,
	AUTH_OVERLOADED: AUTH_DOWN,
	LIMITS_UNAVAILABLE: { text: "limits could not be checked", fault: "service" },
	OVERLOADED: OVERLOAD,
	LIMIT_CONNECTIONS: OVERLOAD,
	JWT_MISSING: CREDENTIALS,
	JWT_INVALID: CREDENTIALS,
	JWT_EXPIRED: CREDENTIALS,
	JWT_NOT_YET_VALID: CREDENTIALS,
	JWT_CLAIMS: CREDENTIALS,
	JWT_REVOKED: CREDENTIALS,
	API_KEY_MISSING: CREDENTIALS,
	API_KEY_INVALID: CREDENTIALS,
	BASIC_MISSING: CREDENTIALS,
	BASIC_INVALID: CREDENTIALS,
	FORWARD_AUTH_DENIED: CREDENTIALS,
	ADDRESS_DENIED: FORBIDDEN,
	ORIGIN_DENIED: FORBIDDEN,
	NO_ROUTE: ADDRESS,
	UPGRADE_REQUIRED: ADDRESS,
	BAD_TARGET: ADDRESS,
	LIMIT_NEW_CONNECTIONS: TOO_MANY,
	LIMIT_CONNECTIONS_PER_IP: TOO_MANY,
	LIMIT_CONNECTIONS_PER_USER: TOO_MANY,
	BAD_REQUEST: NO_HANDSHAKE,
	BAD_HANDSHAKE: NO_HANDSHAKE,
	BAD_VERSION: NO_HANDSHAKE,
	METHOD_NOT_ALLOWED: NO_HANDSHAKE,
	HEADERS_TIMEOUT: NO_HANDSHAKE,
	HEADERS_TOO_LARGE: NO_HANDSHAKE,
	TLS_FAILED: { text: "the TLS handshake failed", fault: "client" },
	PROXY_HEADER_INVALID: { text: "without a PROXY protocol header", fault: "client" },
	CLIENT_GONE: { text: "the clients left before the answer", fault: "client" },
	SHUTTING_DOWN: { text: "the gateway shuts down", fault: "nobody" },
	INTERNAL: { text: "an error inside the gateway", fault: "service" },
};

/** A code that is not known here counts as a failure of the service, so that it is not overlooked. */
export function causeOf(code: string): Cause {
	return CAUSES[code] ?? { text: "for another reason", fault: "service" };
}
