/** What the admin API refuses a request with. */

/** Every code of an API error, and what it means. */
export const API_ERRORS = {
	INVALID: { status: 400, hint: "the request says something that cannot be; the message names the field" },
	CROSS_SITE: { status: 403, hint: "the request comes from another site's page" },
	NOT_FOUND: { status: 404, hint: "there is no such thing" },
	TOO_LARGE: { status: 413, hint: "the body is larger than 64 KiB" },
	UNSUPPORTED_MEDIA_TYPE: { status: 415, hint: "a change has to be sent with Content-Type: application/json" },
	CONFLICT: { status: 409, hint: "not possible as things are now" },
	CONFIG_REJECTED: { status: 422, hint: "the configuration has mistakes; the running one stays" },
	NO_ANSWER: { status: 503, hint: "a worker process did not answer in time; ask again" },
	ENGINE_UNAVAILABLE: { status: 503, hint: "the engine of the hub is not available now; ask again" },
	TOO_MANY_STREAMS: { status: 503, hint: "too many event streams are open" },
} as const satisfies Record<string, { status: number; hint: string }>;

export type ApiErrorCode = keyof typeof API_ERRORS;

/** Becomes `{ error: { code, message } }` with the code's status. The message names the field and says what to do. */
export class ApiError extends Error {
	override readonly name = "ApiError";
	readonly code: ApiErrorCode;

	constructor(code: ApiErrorCode, message: string) {
		super(message);
		this.code = code;
	}

	get status(): number {
		return API_ERRORS[this.code].status;
	}
}
