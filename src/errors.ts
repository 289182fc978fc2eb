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
	NO_ROUTE: {
		status: 404,
		side: "client",
		phase: "route",
		hint: "no route matches this host, path and subprotocol; check the address",
	},
	NO_ENDPOINT: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "no backend can take the connection now; try again later",
	},
	SHUTTING_DOWN: {
		status: 503,
		side: "gateway",
		phase: "admit",
		hint: "the gateway is shutting down; connect again",
	},
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

	constructor(code: ErrorCode, message?: string, options: GatewayErrorOptions = {}) {
		super(message ?? ERRORS[code].hint, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
		this.retry = options.retry;
		this.retryAfter = options.retryAfter;
		this.headers = options.headers;
		this.hint = options.hint ?? ERRORS[code].hint;
	}

	/** HTTP status of the answer. */
	get status(): number {
		return ERRORS[this.code].status;
	}
}

/** Wraps what is not ours, once, at the edge. */
export function asGatewayError(error: unknown): GatewayError {
	if (error instanceof GatewayError) return error;
	const message = error instanceof Error ? error.message : String(error);
	return new GatewayError("INTERNAL", message, { cause: error });
}
