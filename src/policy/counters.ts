/** Places that are taken and rates that are used up, by route and key. Behind an interface: workers share one set. */
import { LRUCache } from "lru-cache";

/** The limits whose state is here; also the values of the metric label `limit`. */
export type CounterLimit =
	| "connections"
	| "connections_per_ip"
	| "connections_per_user"
	| "new_connections_per_ip"
	| "failed_logins";

/** Who is counted: the same after a reload, so that nothing is counted anew. */
export interface CounterKey {
	readonly limit: CounterLimit;
	/** Name of the route. */
	readonly route: string;
	/** The address or user; "" for the whole route. */
	readonly key: string;
}

export interface Rate {
	readonly perSecond: number;
	/** How many may come at once. */
	readonly burst: number;
}

/** How many keys a limit has an entry for. */
export interface CounterSize {
	readonly limit: CounterLimit;
	readonly entries: number;
}

export interface Counters {
	/** Takes one of `max` places; false when all are taken. */
	acquire(key: CounterKey, max: number): boolean | Promise<boolean>;
	/** Gives a place back that {@link acquire} gave. */
	release(key: CounterKey): void;
	/** Uses a rate once: 0, or when there was nothing left, the ms until there is. */
	take(key: CounterKey, rate: Rate): number | Promise<number>;
	/** The ms until a rate that is used up has something left, else 0; nothing is used. Asks nobody, so that it costs no wait. */
	blocked(key: CounterKey, rate: Rate): number;
	/** For metrics. */
	sizes(): Iterable<CounterSize>;
}

/** Rates are kept for this many keys; who is pushed out, the longest unseen first, starts with a full burst again. */
const MAX_RATES = 100_000;

/** The counters of one process. */
export class LocalCounters implements Counters {
	/** Taken places. An entry stands for at least one open connection, so that there are never more than these. */
	readonly #places = new Map<CounterLimit, Map<string, number>>();
	/** When a key would have its whole burst again (GCRA), ms of the clock. */
	readonly #rates = new Map<CounterLimit, LRUCache<string, number>>();
	readonly #clock: () => number;
	readonly #maxRates: number;

	/** @param clock monotonic, ms */
	constructor(clock: () => number, maxRates = MAX_RATES) {
		this.#clock = clock;
		this.#maxRates = maxRates;
	}

	acquire({ limit, route, key }: CounterKey, max: number): boolean {
		let places = this.#places.get(limit);
		if (!places) {
			places = new Map();
			this.#places.set(limit, places);
		}
		const id = `${route}\0${key}`;
		const taken = places.get(id) ?? 0;
		if (taken >= max) return false;
		places.set(id, taken + 1);
		return true;
	}

	release({ limit, route, key }: CounterKey): void {
		const places = this.#places.get(limit);
		const id = `${route}\0${key}`;
		const taken = places?.get(id) ?? 0;
		if (taken > 1) places?.set(id, taken - 1);
		else places?.delete(id);
	}

	take(key: CounterKey, rate: Rate): number {
		let rates = this.#rates.get(key.limit);
		if (!rates) {
			rates = new LRUCache({ max: this.#maxRates });
			this.#rates.set(key.limit, rates);
		}
		const { full, wait } = this.#next(key, rate);
		if (wait === 0) rates.set(idOf(key), full);
		return wait;
	}

	blocked(key: CounterKey, rate: Rate): number {
		return this.#rates.has(key.limit) ? this.#next(key, rate).wait : 0;
	}

	/** What using a rate once would lead to. */
	#next(key: CounterKey, { perSecond, burst }: Rate): { full: number; wait: number } {
		const now = this.#clock();
		const interval = 1000 / perSecond;
		const full = Math.max(this.#rates.get(key.limit)?.get(idOf(key)) ?? 0, now) + interval;
		const wait = full - burst * interval - now;
		// Floating point: the last of a burst must not fail by a millionth.
		return { full, wait: wait > 1e-6 ? wait : 0 };
	}

	*sizes(): Iterable<CounterSize> {
		for (const [limit, { size }] of this.#places) yield { limit, entries: size };
		for (const [limit, { size }] of this.#rates) yield { limit, entries: size };
	}
}

function idOf({ route, key }: CounterKey): string {
	return `${route}\0${key}`;
}
