/**
 * What the upstreams of one gateway have in common when it runs as several workers: places at endpoints, ejections,
 * breakers, turns and sessions. A worker is given it; without it, all of this is the process's own.
 */
import type { Turns } from "./admission.ts";
import type { Sessions } from "./sticky/table.ts";

/** An endpoint, by the names that it has in every worker. */
export interface EndpointName {
	readonly upstream: string;
	/** The endpoint's id. */
	readonly endpoint: string;
}

/** What has to be granted before an attempt. */
export interface PermitRequest extends EndpointName {
	/** The limits of the endpoint; without either no place is taken. */
	readonly max_connections?: number | undefined;
	readonly max_pending_handshakes?: number | undefined;
	/** Whether the attempt would be the trial of a half-open breaker: there is one at a time. */
	readonly trial: boolean;
}

/** `full`: at one of the limits; `on_trial`: another worker has the trial. */
export type PermitAnswer = { readonly refused: "full" | "on_trial" } | { readonly trial: number | undefined };

/** What happened to an endpoint in a worker. */
export type EndpointNews =
	| (EndpointName & { readonly kind: "ejected"; readonly ms: number; readonly ejections: number })
	| (EndpointName & { readonly kind: "breaker"; readonly state: "open"; readonly ms: number })
	| (EndpointName & { readonly kind: "breaker"; readonly state: "closed" });

/** A wish to eject an endpoint. */
export interface EjectRequest extends EndpointName {
	readonly ms: number;
	/** How many it is in a row. */
	readonly ejections: number;
	/** How many endpoints of the upstream may be ejected at once, this one included. */
	readonly most: number;
}

/** A worker's access to what is shared. What resolves rejects with a GatewayError when nobody answers. */
export interface SharedUpstreams {
	/** How many picks a round robin is ahead when it starts, so that workers do not all begin at the same endpoint. */
	readonly firstPick: number;
	/** Takes what an attempt needs; a place is given back by {@link released}, a trial by {@link trialOver}. */
	permit(asked: PermitRequest): Promise<PermitAnswer>;
	/** A place is no longer one of a pending handshake. */
	opened(name: EndpointName): void;
	/** Gives a place back. */
	released(name: EndpointName, pending: boolean): void;
	/** The attempt that had this trial is over. */
	trialOver(name: EndpointName, trial: number): void;
	/** Whether the endpoint may be ejected: the other workers are told. Without an answer this worker decides alone. */
	eject(asked: EjectRequest): Promise<boolean>;
	/** Tells the other workers what this one's breaker decided. */
	breakerChanged(news: EndpointNews & { readonly kind: "breaker" }): void;
	/** Calls back with what other workers tell, first with what holds already. To be called once. */
	follow(listener: (news: EndpointNews) => void): void;
	/** The admission of an upstream with `max_handshakes_per_second`. */
	turns(upstream: string): Turns;
	/** The session table of an upstream with `sticky: socketio`. */
	sessions(upstream: string): Sessions;
}
