/** Which endpoint has which session, for kinds of stickiness whose sessions are named by the backend. */
import { LRUCache } from "lru-cache";

export interface StickyTableOptions {
	/** Milliseconds, monotonic and above 0. */
	readonly now: () => number;
	/** Sessions kept at most; the one unused for longest goes first. */
	readonly max?: number;
	/** Milliseconds after which a session is forgotten. */
	readonly ttl?: number;
	/** Whether use begins that time anew; the default. */
	readonly renew?: boolean;
}

/** What stickiness knows of sessions. */
export interface Sessions {
	/** How many this process knows. */
	readonly size: number;
	/** The endpoint id of a session, as far as this process knows. */
	get(session: string): string | undefined;
	learn(session: string, endpointId: string): void;
	/**
	 * Asks the other workers for a session that {@link get} does not know, and remembers the answer.
	 * @throws GatewayError LIMITS_UNAVAILABLE, as a rejection
	 */
	recall?(session: string): Promise<void>;
}

/** Session to endpoint id, bounded. It belongs to an upstream by name and outlives reloads, so it keeps ids, not endpoints. */
export class StickyTable implements Sessions {
	readonly #sessions: LRUCache<string, string>;

	constructor({ now, max = 100_000, ttl = 3_600_000, renew = true }: StickyTableOptions) {
		this.#sessions = new LRUCache({ max, ttl, updateAgeOnGet: renew, ttlResolution: 0, perf: { now } });
	}

	get size(): number {
		return this.#sessions.size;
	}

	/** The endpoint id of a session; counts as use. */
	get(session: string): string | undefined {
		return this.#sessions.get(session);
	}

	learn(session: string, endpointId: string): void {
		this.#sessions.set(session, endpointId);
	}
}
