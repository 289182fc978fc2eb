/**
 * What a service manager sends to `clawgate run`. The handlers have to be there before anything else is loaded: until then
 * a SIGHUP would end the process. So this file imports nothing, and what comes early is kept.
 */

export class RunSignals {
	/** Aborted by the first SIGTERM or SIGINT. */
	readonly stop: AbortSignal;
	/** By the second one. */
	readonly stopNow: AbortSignal;
	/** By the third one. */
	readonly abandon: AbortSignal;
	#reload: (() => Promise<unknown>) | undefined;
	#reloadAsked = false;
	#reloading = false;

	/** Listens from here on, for as long as the process lives. */
	constructor() {
		const stages = [new AbortController(), new AbortController(), new AbortController()] as const;
		[this.stop, this.stopNow, this.abandon] = stages.map(({ signal }) => signal) as [
			AbortSignal,
			AbortSignal,
			AbortSignal,
		];
		let asked = 0;
		const onStop = (): void => stages[Math.min(asked++, 2)]?.abort();
		process.on("SIGTERM", onStop);
		process.on("SIGINT", onStop);
		process.on("SIGHUP", () => {
			this.#reloadAsked = true;
			void this.#work();
		});
	}

	/** From now on SIGHUP does this; one that came before is made up for. However many come meanwhile, it is done once more. */
	onReload(reload: () => Promise<unknown>): void {
		this.#reload = reload;
		void this.#work();
	}

	async #work(): Promise<void> {
		if (this.#reload === undefined || this.#reloading) return;
		this.#reloading = true;
		try {
			while (this.#reloadAsked) {
				this.#reloadAsked = false;
				await this.#reload();
			}
		} finally {
			this.#reloading = false;
		}
	}
}
