/** How a tunnel ended: the words of the log. */

export type Side = "client" | "backend";

export type Initiator = Side | "gateway";

export type Termination =
	| "normal"
	| "client_drop"
	| "backend_end"
	| "backend_drop"
	| "idle_timeout"
	| "ping_timeout"
	| "lifetime"
	| "drain"
	| "limit"
	| "auth_expired"
	| "protocol_error"
	| "slow_consumer"
	| "killed"
	| "internal_error"
	| "worker_lost"
	| "shutdown";

/** Stands for the end of a connection without a Close frame; it is never written into one (RFC 6455 §7.4.1). */
export const NO_CLOSE_FRAME = 1006;

/** Why a tunnel ended; set once, by whatever came first. */
export interface Outcome {
	/** The code of the first Close frame; 1005 for one without a code, 1006 without a frame (RFC 6455 §7.1.5). */
	readonly code: number;
	readonly reason: string;
	readonly initiator: Initiator;
	readonly termination: Termination;
}
