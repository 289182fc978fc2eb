/** What checks have to be given back, and what they watch: the only part of an admission that an open connection keeps. */
import type { Granted, WatchedConnection } from "./check.ts";

export class Leases {
	readonly #releases: (() => void)[] = [];
	#watchers: ((connection: WatchedConnection) => () => void)[] = [];
	#released = false;

	add({ release, watch }: Granted): void {
		if (release) this.#releases.push(release);
		if (watch) this.#watchers.push(watch);
	}

	/** The tunnel is open. */
	watch(connection: WatchedConnection): void {
		// The end of watching comes before everything that was taken earlier is given back.
		for (const watcher of this.#watchers) this.#releases.push(watcher(connection));
		this.#watchers = [];
	}

	/** Gives everything back, the last first. Once, however often it is called. */
	release(): void {
		if (this.#released) return;
		this.#released = true;
		for (let i = this.#releases.length - 1; i >= 0; i--) this.#releases[i]?.();
		this.#releases.length = 0;
		this.#watchers = [];
	}
}
