/** Asks a discovery source again and again, and keeps its last good answer. */
import type { EndpointConfig } from "../endpoint.ts";
import type { DiscoverySource } from "./source.ts";

/** Milliseconds that the gateway's start waits for a first answer. */
const PATIENCE = 2_000;
/** Milliseconds for a look-up: at least, and at most. */
const SHORTEST_LOOK_UP = 1_000;
const LONGEST_LOOK_UP = 5_000;
/** Milliseconds until the next look-up while there is nothing yet to serve with. */
const HURRY = 1_000;

export interface WatcherDeps {
	/** Milliseconds, monotonic. */
	readonly clock: () => number;
	/** A good answer that is not the one before, in a stable order. When it fails, so has the look-up: it is tried again. */
	readonly onChange: (endpoints: readonly EndpointConfig[]) => void | Promise<void>;
	/** The last answer stays in force; called once for each reason in a row. */
	readonly onFailed: (reason: string) => void;
	/** After {@link onFailed}: there are answers again. */
	readonly onRecovered: () => void;
}

/** One for each upstream with `discovery`. Look-ups never overlap. */
export class Watcher {
	/** Resolves with the first good answer, when the start has waited long enough, or with {@link stop}. */
	readonly ready: Promise<void>;

	readonly #source: DiscoverySource;
	readonly #interval: number;
	readonly #deps: WatcherDeps;
	/** The last good one; undefined before the first one. */
	#answer: readonly EndpointConfig[] | undefined;
	readonly #stopped = new AbortController();
	readonly #patience: NodeJS.Timeout;
	#markReady: () => void = () => undefined;
	#next: NodeJS.Timeout | undefined;
	#failure: string | undefined;

	/** @param interval milliseconds */
	constructor(source: DiscoverySource, interval: number, deps: WatcherDeps) {
		this.#source = source;
		this.#interval = interval;
		this.#deps = deps;
		this.ready = new Promise((resolve) => {
			this.#markReady = resolve;
		});
		this.#patience = setTimeout(this.#markReady, Math.min(interval, PATIENCE));
		void this.#lookUp();
	}

	/** Leaves no timer and no question behind. */
	stop(): void {
		this.#stopped.abort();
		clearTimeout(this.#next);
		this.#becomeReady();
	}

	async #lookUp(): Promise<void> {
		const { signal } = this.#stopped;
		const timeout = Math.max(SHORTEST_LOOK_UP, Math.min(this.#interval, LONGEST_LOOK_UP));
		const startedAt = this.#deps.clock();
		try {
			const answer = await this.#source.lookUp(timeout, signal);
			if (!signal.aborted) await this.#take(answer);
		} catch (error) {
			if (!signal.aborted) this.#keep(error instanceof Error ? error.message : String(error));
		}
		if (signal.aborted) return;
		const interval = this.#answer === undefined ? Math.min(this.#interval, HURRY) : this.#interval;
		const elapsed = this.#deps.clock() - startedAt;
		this.#next = setTimeout(() => void this.#lookUp(), Math.max(0, interval - elapsed));
	}

	async #take(answer: EndpointConfig[]): Promise<void> {
		const sorted = answer.toSorted((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0));
		if (JSON.stringify(sorted) !== JSON.stringify(this.#answer)) await this.#deps.onChange(sorted);
		this.#answer = sorted;
		this.#becomeReady();
		if (this.#failure !== undefined) {
			this.#failure = undefined;
			this.#deps.onRecovered();
		}
	}

	#keep(reason: string): void {
		if (reason === this.#failure) return;
		this.#failure = reason;
		this.#deps.onFailed(reason);
	}

	#becomeReady(): void {
		clearTimeout(this.#patience);
		this.#markReady();
	}
}
