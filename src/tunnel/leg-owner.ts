/** The tunnel as its legs see it. */
import type { Leg } from "./leg.ts";
import type { FrameLimit } from "./limits-options.ts";

/** What a leg tells its tunnel. */
export interface LegOwner {
	/** The shared coarse clock, ms. */
	readonly clock: { readonly now: number; readonly stalled: boolean };
	/** A Close frame from this leg has passed. */
	closeSeen(leg: Leg): void;
	/** A Close of ours that waited for a boundary was written to this leg. */
	closeWritten(): void;
	/** FIN: nothing more will come from this leg. */
	ended(leg: Leg): void;
	/** The socket is closed for good. */
	gone(leg: Leg): void;
	/** The peer of this leg asked to renegotiate TLS. */
	renegotiated(leg: Leg): void;
	/** Reading from this leg stopped because the other one is slow. */
	paused(leg: Leg): void;
	/** The answer to our Ping number `count` came back from this leg. */
	ponged(leg: Leg, count: number): void;
	/** A frame from this leg must not pass. Nothing more is written to the other one after this call. */
	exceeded(leg: Leg, limit: FrameLimit): void;
	/** Reading from this leg stopped because it sends too fast. */
	delayed(leg: Leg, limit: FrameLimit): void;
	/** A mistake of ours: what a leg did for an event of its socket threw. */
	failed(error: unknown): void;
}
