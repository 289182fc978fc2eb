/** The one table of errors: what a client is told, what the log says, and whether another endpoint may be tried. */

/** Conditions of `retries.on`; also the words for an attempt's outcome in the log. */
export type RetryCondition = "connect_failure" | "handshake_timeout" | "bad_handshake" | `${number}`;

/** One row of the table. `hint` is written for the person who reads the client's answer. */
export interface ErrorSpec {
	/** HTTP status of the answer before the 101 (RFC 9110 §15); 499 is never sent, the client was gone. */
	readonly status: number;
	/** Whose doing it is. */
	readonly side: "client" | "backend" | "gateway";
	/** Where in the life of a connection it happens. */
	readonly phase: "accept" | "route" | "admit" | "dial";
	readonly hint: string;
}

/** Every code that a `ws.reject` or `http.request` line, or an answer's body, can carry. */
export const ERRORS = {
	BAD_REQUEST: { status: 400, side: "client", phase: "accept", hint: "the request is not valid HTTP/1.1" },
	BAD_TARGET: {
		status: 400,
		side: "client",
		phase: "accept",
		hint: "the request target must be a plain path without dot segments or control characters",
	},
	BAD_HANDSHAKE: {
		status: 400,
		side: "client",
		phase: "accept",
		hint: "the WebSocket opening handshake is not valid (RFC 6455 section 4.2.1)",
	},
	HEADERS_TIMEOUT: {
		status: 408,
		side: "client",
		phase: "accept",
		hint: "the request head did not arrive in time; send it at once",
	},
	HEADERS_TOO_LARGE: {
		status: 431,
		side: "client",
		phase: "accept",
		hint: "the request head is larger than max_header_size; send fewer or shorter headers and cookies",
	},
	METHOD_NOT_ALLOWED: {
		status: 405,
		side: "client",
		phase: "accept",
		hint: "a WebSocket opening handshake must use GET",
	},
	UPGRADE_REQUIRED: {
		status: 426,
		side: "client",
		phase: "route",
		hint: "this route speaks WebSocket only; connect with a WebSocket client",
	},
	BAD_VERSION: {
		status: 426,
		side: "client",
		phase: "accept",
		hint: "only WebSocket version 13 is supported; send Sec-WebSocket-Version: 13",
	},
	TLS_FAILED: {
		status: 400,
		side: "client",
		phase: "accept",
		hint: "the TLS handshake failed; nothing could be answered",
	},
	PROXY_HEADER_INVALID: {
		status: 400,
		side: "client",
		phase: "accept",
		hint: "connections from your address have to begin with a PROXY protocol header (version 1 or 2); see proxy_protocol of the listener",
	},
	NO_ROUTE: {
		status: 404,
		side: "client",
		phase: "route",
		hint: "no route matches this host, path and subprotocol; check the address",
	},
	ADDRESS_DENIED: {
		status: 403,
		side: "client",
		phase: "admit",
		hint: "connections from this address are not allowed here; the operator can change allow and deny of the route",
	},
	ORIGIN_DENIED: {
		status: 403,
		side: "client",
		phase: "admit",
		hint: "pages of this origin may not connect; the operator can add the origin to allowed_origins of the route",
	},
	CLIENT_CERTIFICATE_MISSING: { status: 403, side: "client", phase: "admit", hint: "a client certificate is required" },
	CLIENT_CERTIFICATE_DENIED: { status: 403, side: "client", phase: "admit", hint: "this certificate may not connect" },
	LOGIN_LOCKED: { status: 429, side: "client", phase: "admit", hint: "too many failed logins; wait, then try again" },
	JWT_MISSING: { status: 401, side: "client", phase: "admit", hint: "a token is required; sign in and send it along" },
	JWT_INVALID: { status: 401, side: "client", phase: "admit", hint: "the token is not valid; sign in again" },
	JWT_EXPIRED: {
		status: 401,
		side: "client",
		phase: "admit",
		hint: "the token has expired; get a new one and connect again",
	},
	JWT_NOT_YET_VALID: {
		status: 401,
		side: "client",
		phase: "admit",
		hint: "the token is not valid yet; check the clocks, or wait and connect again",
	},
	JWT_CLAIMS: {
		status: 401,
		side: "client",
		phase: "admit",
		hint: "the token is for somebody or something else; get one for this service",
	},
	JWT_REVOKED: { status: 401, side: "client", phase: "admit", hint: "the token was revoked; sign in again" },
	JWKS_UNAVAILABLE: {
		status: 401,
		side: "gateway",
		phase: "admit",
		hint: "tokens cannot be checked now, because the issuer's keys cannot be had; try again later",
	},
	API_KEY_MISSING: { status: 401, side: "client", phase: "admit", hint: "an API key is required" },
	API_KEY_INVALID: {
		status: 401,
		side: "client",
		phase: "admit",
		hint: "there is no such API key; check it, or ask for a new one",
	},
	BASIC_MISSING: { status: 401, side: "client", phase: "admit", hint: "a user name and password are required" },
	BASIC_INVALID: { status: 401, side: "client", phase: "admit", hint: "the user name or the password is wrong" },
	AUTH_OVERLOADED: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "too many passwords are being checked at once; try again later",
	},
	FORWARD_AUTH_DENIED: {
		status: 403,
		side: "client",
		phase: "admit",
		hint: "the authentication server refused; its own answer was passed on",
	},
	FORWARD_AUTH_UNAVAILABLE: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "the authentication server does not answer; try again later",
	},
	LIMIT_NEW_CONNECTIONS: {
		status: 429,
		side: "client",
		phase: "admit",
		hint: "this address opens connections too fast; wait before the next one",
	},
	LIMIT_CONNECTIONS_PER_IP: {
		status: 429,
		side: "client",
		phase: "admit",
		hint: "this address has too many connections; close some first",
	},
	LIMIT_CONNECTIONS_PER_USER: {
		status: 429,
		side: "client",
		phase: "admit",
		hint: "this user has too many connections; close some first",
	},
	LIMIT_CONNECTIONS: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "there are as many connections as this service takes; try again later",
	},
	LIMITS_UNAVAILABLE: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "the gateway cannot check its limits now; connect again",
	},
	NO_ENDPOINT: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "no backend can take the connection now; try again later",
	},
	OVERLOADED: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "the backends take no more connections right now; wait for the seconds in Retry-After, then try again",
	},
	SHUTTING_DOWN: { status: 503, side: "gateway", phase: "admit", hint: "the gateway is shutting down; connect again" },
	CONNECT_FAILED: {
		status: 502,
		side: "backend",
		phase: "dial",
		hint: "the backend could not be reached; try again later",
	},
	CONNECT_TIMEOUT: {
		status: 504,
		side: "backend",
		phase: "dial",
		hint: "the backend did not accept a connection in time; try again later",
	},
	BAD_BACKEND_HANDSHAKE: {
		status: 502,
		side: "backend",
		phase: "dial",
		hint: "the backend's answer to the opening handshake was not valid",
	},
	BAD_BACKEND_ANSWER: {
		status: 502,
		side: "backend",
		phase: "dial",
		hint: "the backend's answer was not valid HTTP; try again later",
	},
	HANDSHAKE_TIMEOUT: {
		status: 504,
		side: "backend",
		phase: "dial",
		hint: "the backend did not answer the opening handshake in time; try again later",
	},
	BACKEND_REFUSED: {
		status: 502,
		side: "backend",
		phase: "dial",
		hint: "the backend refused the opening handshake; its own answer was passed on",
	},
	CLIENT_GONE: {
		status: 499,
		side: "client",
		phase: "dial",
		hint: "the client left before the handshake was finished",
	},
	INTERNAL: {
		status: 500,
		side: "gateway",
		phase: "accept",
		hint: "an error inside the gateway; its log has the details",
	},
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** The answer of another server, to be sent as it is. */
export interface RelayedAnswer {
	readonly status: number;
	readonly statusText: string;
	/** End-to-end headers as a raw list, with a Content-Length that fits the body. */
	readonly rawHeaders: readonly string[];
	readonly body: Buffer;
}

/** What can be added to a {@link GatewayError}. */
export interface GatewayErrorOptions {
	/** Under which word of `retries.on` another endpoint may be tried; absent = never. */
	retry?: RetryCondition;
	/** Seconds for `Retry-After`. */
	retryAfter?: number;
	/** Further headers of the answer. */
	headers?: Record<string, string>;
	/** Replaces the table's hint in the answer, where more can be said. Never holds anything a client sent. */
	hint?: string;
	/** Sent instead of an answer of our own. */
	answer?: RelayedAnswer;
	cause?: unknown;
}

/** A failure with a row in {@link ERRORS}. Its message is for the log; the client reads only the hint. */
export class GatewayError extends Error {
	override readonly name = "GatewayError";
	readonly code: ErrorCode;
	readonly retry: RetryCondition | undefined;
	readonly retryAfter: number | undefined;
	readonly headers: Record<string, string> | undefined;
	readonly hint: string;
	readonly answer: RelayedAnswer | undefined;

	constructor(code: ErrorCode, message?: string, options: GatewayErrorOptions = {}) {
		super(message ?? ERRORS[code].hint, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
		this.retry = options.retry;
		this.retryAfter = options.retryAfter;
		this.headers = options.headers;
		this.hint = options.hint ?? ERRORS[code].hint;
		this.answer = options.answer;
	}

	/** HTTP status of the answer. */
	get status(): number {
		return this.answer?.status ?? ERRORS[this.code].status;
	}
}

/** Wraps what is not ours, once, at the edge. */
export function asGatewayError(error: unknown): GatewayError {
	if (error instanceof GatewayError) return error;
	const message = error instanceof Error ? error.message : String(error);
	return new GatewayError("INTERNAL", message, { cause: error });
}
