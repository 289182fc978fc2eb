/** What holds for the whole gateway although workers do the work: the supervisor keeps it and answers them. */
import type { LocalCounters } from "../../policy/counters.ts";
import type { WorkerHandle, Workers } from "../contract.ts";
import { SharedCounters } from "./counters.ts";
import { SharedOutages } from "./outages.ts";
import { SharedPermits } from "./permits.ts";
import { SharedSessions } from "./sessions.ts";
import { SharedTurns } from "./turns.ts";

/** One for each supervisor. It outlives reloads and workers. */
export class SharedState {
	readonly #counters: SharedCounters;
	readonly #turns: SharedTurns;
	readonly #sessions: SharedSessions;

	/**
	 * @param workers is followed: each worker is answered from its start, and what it held is given back at its end
	 * @param clock monotonic and above 0, ms
	 * @param random a number in [0, 1)
	 */
	constructor(workers: Pick<Workers, "onStart" | "onExit">, clock: () => number, random: () => number) {
		this.#counters = new SharedCounters(clock);
		const permits = new SharedPermits(clock);
		const outages = new SharedOutages(clock, permits);
		this.#turns = new SharedTurns(clock, random);
		this.#sessions = new SharedSessions(clock);
		const served = new Map<WorkerHandle, readonly (() => void)[]>();
		workers.onStart((worker) => {
			this.#sessions.serve(worker);
			served.set(
				worker,
				[this.#counters, permits, outages, this.#turns].map((part) => part.serve(worker)),
			);
		});
		workers.onExit((worker) => {
			for (const gone of served.get(worker) ?? []) gone();
			served.delete(worker);
		});
	}

	/** Forgets upstreams that a reload has removed. */
	retain(upstreams: ReadonlySet<string>): void {
		this.#turns.retain(upstreams);
		this.#sessions.retain(upstreams);
	}

	/** The counters of `limits`, for metrics: a worker's own are empty. */
	get counters(): LocalCounters {
		return this.#counters.counters;
	}
}
