/** The supervisor's side of `limits.connections…`: one set of counters, and who of the workers holds what of it. */
import { type CounterKey, LocalCounters } from "../../policy/counters.ts";
import type { WorkerHandle } from "../contract.ts";

interface Held {
	readonly key: CounterKey;
	places: number;
}

/** The counters of all workers. */
export class SharedCounters {
	/** For metrics: their sizes are those of the whole gateway. */
	readonly counters: LocalCounters;
	readonly #channels = new Set<WorkerHandle["channel"]>();

	/** @param clock monotonic, ms */
	constructor(clock: () => number) {
		this.counters = new LocalCounters(clock);
	}

	/**
	 * Answers a worker.
	 * @returns to be called when its process is gone: gives back what it held, grants that it never read included
	 */
	serve({ channel }: WorkerHandle): () => void {
		this.#channels.add(channel);
		const held = new Map<string, Held>();
		let gone = false;
		channel.handle("acquire", ({ key, max }) => {
			// What it asked can still be read when it is gone: nobody would give it back.
			if (gone || !this.counters.acquire(key, max)) return false;
			const id = idOf(key);
			const known = held.get(id);
			if (known) known.places++;
			else held.set(id, { key, places: 1 });
			return true;
		});
		channel.handle("release", (key) => {
			const id = idOf(key);
			const known = held.get(id);
			if (known === undefined) return;
			if (--known.places === 0) held.delete(id);
			this.counters.release(key);
		});
		channel.handle("takeRate", ({ key, rate }) => {
			const wait = this.counters.take(key, rate);
			// Before the answer: who asked knows it when it goes on.
			if (key.limit === "failed_logins") this.#tell(key, this.counters.blocked(key, rate));
			return wait;
		});
		return () => {
			gone = true;
			this.#channels.delete(channel);
			for (const { key, places } of held.values()) for (let i = 0; i < places; i++) this.counters.release(key);
			held.clear();
		};
	}

	#tell(key: CounterKey, ms: number): void {
		if (ms > 0) for (const channel of this.#channels) channel.tell("rateUsedUp", { key, ms });
	}
}

function idOf({ limit, route, key }: CounterKey): string {
	return `${limit}\0${route}\0${key}`;
}
