/** What the words and numbers of the API mean, for people. */

const CLOSE_CODES: Readonly<Record<number, string>> = {
	0: "others",
	1000: "normal",
	1001: "going away",
	1002: "protocol error",
	1003: "unsupported data",
	1005: "Close without a code",
	1006: "no Close frame",
	1007: "invalid payload",
	1008: "policy violation",
	1009: "message too big",
	1010: "extension missing",
	1011: "internal error",
	1012: "service restart",
	1013: "try again later",
	1014: "bad gateway",
	1015: "TLS failure",
	3000: "unauthorized",
	3003: "forbidden",
	3008: "timeout",
	4401: "token expired",
};

/** The registered meaning of a close code (RFC 6455 §7.4.1 and the IANA registry); "application" for others. */
export function closeCodeName(code: number): string {
	return CLOSE_CODES[code] ?? "application";
}

/** Codes an operator may want to send, the most useful first. */
export const OPERATOR_CLOSE_CODES: readonly { readonly code: number; readonly hint: string }[] = [
	{ code: 1008, hint: "policy violation: most clients stay away" },
	{ code: 1001, hint: "going away: most clients come back" },
	{ code: 1012, hint: "service restart: some clients take it for an error" },
	{ code: 1013, hint: "try again later: some clients take it for an error" },
	{ code: 1000, hint: "normal: most clients stay away" },
];

const TERMINATIONS: Readonly<Record<string, string>> = {
	normal: "Close frame from a peer",
	client_drop: "client vanished",
	backend_end: "backend closed the connection",
	backend_drop: "backend vanished",
	worker_lost: "worker process ended",
	idle_timeout: "idle too long",
	ping_timeout: "no answer to pings",
	lifetime: "lifetime over",
	drain: "drained",
	limit: "over a limit",
	auth_expired: "token expired",
	protocol_error: "broke the protocol",
	slow_consumer: "reads too slowly",
	killed: "closed by an operator",
	shutdown: "gateway stopped",
	internal_error: "mistake in the gateway",
};

export function terminationName(termination: string): string {
	return TERMINATIONS[termination] ?? termination;
}

/** @param workers numbers of worker processes that did not answer */
export function silentWorkersText(workers: readonly number[]): string {
	const [who, whose] = workers.length === 1 ? ["does", "Its"] : ["do", "Their"];
	const name = `Worker ${workers.join(", ")}`;
	return `${name} ${who} not answer. ${whose} connections are missing from what is shown, and cannot be changed here.`;
}

/** Why an endpoint gets no new clients; the API's own words are good except for its states. */
export function unavailableName(reason: string | undefined): string {
	if (reason === "drain") return "draining";
	if (reason === "maint") return "in maintenance";
	return reason ?? "not available";
}
