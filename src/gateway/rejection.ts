/** The line of a handshake that did not open. */
import type { GatewayError } from "../errors.ts";
import type { Attempt, ConnectionFacts } from "./events.ts";
import type { Gateway } from "./gateway.ts";
import { round } from "./session.ts";

export interface Rejection {
	readonly facts: ConnectionFacts;
	/** Of the gateway's clock, when the request came; default: now. */
	readonly startedAt?: number;
	readonly attempts?: readonly Attempt[];
	/** What the client was told, when that is not the error's own. */
	readonly backendStatus?: number | undefined;
}

/** Reports it. To be called once for each handshake that does not open. */
export function reject(gateway: Gateway, error: GatewayError, rejection: Rejection): void {
	const { facts, startedAt = gateway.clock(), attempts = [], backendStatus } = rejection;
	gateway.events.reject(facts, {
		status: backendStatus ?? error.status,
		code: error.code,
		backend_status: backendStatus,
		attempts,
		handshake_ms: round(gateway.clock() - startedAt),
		message: error.message,
	});
}
