/** How what happens to an endpoint is told: an event name of the log and its fields. */
export type Notice = (
	level: "info" | "warn",
	event:
		| "subprotocol.not_offered"
		| "endpoint.ejected"
		| "endpoint.up"
		| "breaker.open"
		| "breaker.half_open"
		| "breaker.closed",
	fields: Record<string, unknown>,
) => void;
