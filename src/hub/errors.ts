/** What a client or a backend is told when a hub does not do what was asked. The numbers are those of Centrifugo's protocol. */

interface HubErrorEntry {
	/** In Centrifugo's protocol and HTTP API. */
	readonly number: number;
	readonly message: string;
	/** Worth trying again. */
	readonly temporary?: boolean;
}

export const HUB_ERRORS = {
	INTERNAL: { number: 100, message: "internal error", temporary: true },
	UNAUTHORIZED: { number: 101, message: "a token is needed" },
	UNKNOWN_TOPIC: { number: 102, message: "unknown topic" },
	PERMISSION_DENIED: { number: 103, message: "permission denied" },
	UNKNOWN_METHOD: { number: 104, message: "unknown method" },
	ALREADY_SUBSCRIBED: { number: 105, message: "already subscribed" },
	LIMIT_EXCEEDED: { number: 106, message: "limit exceeded" },
	BAD_REQUEST: { number: 107, message: "bad request" },
	NOT_AVAILABLE: { number: 108, message: "not available" },
	TOKEN_EXPIRED: { number: 109, message: "the token has expired" },
	TOO_MANY_REQUESTS: { number: 111, message: "too many requests", temporary: true },
	UNRECOVERABLE_POSITION: { number: 112, message: "the position is not in the history any more" },
	TOKEN_REVOKED: { number: 113, message: "the token was revoked" },
	ENGINE_UNAVAILABLE: { number: 100, message: "the engine is not available now", temporary: true },
} as const satisfies Record<string, HubErrorEntry>;

export type HubErrorCode = keyof typeof HUB_ERRORS;

/** A refusal of a hub. */
export class HubError extends Error {
	readonly code: HubErrorCode;
	/** In Centrifugo's protocol and HTTP API. */
	readonly number: number;
	readonly temporary: boolean;

	/** @param message for the one who asked; default: the code's own */
	constructor(code: HubErrorCode, message?: string, options?: ErrorOptions) {
		const entry: HubErrorEntry = HUB_ERRORS[code];
		super(message ?? entry.message, options);
		this.code = code;
		this.number = entry.number;
		this.temporary = entry.temporary === true;
	}
}

/** The connection has to end: a backend wants it. */
export class HubDisconnect extends Error {
	readonly code: number;

	/** @param code a close code; from 3500 to 3999 and from 4500 on the client does not come back */
	constructor(code: number, reason: string) {
		super(reason);
		this.code = code;
	}
}
