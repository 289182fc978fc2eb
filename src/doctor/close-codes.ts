/** What a Close frame's code says (RFC 6455 §7.4.1, the IANA registry, and codes that applications agree on). */

const MEANINGS: Readonly<Record<number, string>> = {
	1000: "normal closure",
	1001: "going away: the server stops, or the connection was idle for too long",
	1002: "protocol error",
	1003: "a kind of data that the server does not take",
	1005: "no code",
	1007: "text that is not UTF-8, or otherwise inconsistent data",
	1008: "policy violation: not authorised, a limit, or a rule of the application",
	1009: "message too big",
	1010: "an extension is missing",
	1011: "internal error of the server",
	1012: "service restart",
	1013: "try again later: overloaded",
	1014: "bad gateway: the server behind could not be reached",
	3000: "unauthorized",
	3003: "forbidden",
	3008: "timeout",
	4400: "bad request (by the convention of graphql-ws)",
	4401: "unauthorized or token expired (by the convention of graphql-ws and Clawgate)",
	4403: "forbidden (by the convention of graphql-ws)",
	4406: "subprotocol not acceptable (by the convention of graphql-ws)",
	4408: "the application's first message did not come in time (by the convention of graphql-ws)",
	4409: "the subscriber exists already (by the convention of graphql-ws)",
	4429: "too many requests (by the convention of graphql-ws)",
};

/** A code in words. */
export function closeMeaning(code: number): string {
	const known = MEANINGS[code];
	if (known !== undefined) return known;
	if (code >= 4000 && code <= 4999) return "a code of the application's own";
	if (code >= 3000 && code <= 3999) return "a code of a library or framework";
	return "not a code that may be sent";
}

/** Whether a code may stand in a Close frame (RFC 6455 §7.4). */
export function mayBeSent(code: number): boolean {
	if (code >= 3000 && code <= 4999) return true;
	return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
