/** How often something happens, over the last seconds, without a timer. */

/** What a rate is taken over, ms. */
const WINDOW_MS = 10_000;
/** What happened once is not taken for a rate over less, ms. */
const LEAST_MS = 1_000;

export class Rate {
	readonly #madeAt: number;
	#windowAt: number;
	#current = 0;
	#previous = 0;

	/** @param now ms, on the clock of the other methods */
	constructor(now: number) {
		this.#madeAt = now;
		this.#windowAt = now;
	}

	/** It has happened once more. */
	count(now: number): void {
		this.#move(now);
		this.#current++;
	}

	perSecond(now: number): number {
		this.#move(now);
		const age = now - this.#madeAt;
		if (age < WINDOW_MS) return (this.#current * 1000) / Math.max(LEAST_MS, age);
		const left = 1 - (now - this.#windowAt) / WINDOW_MS;
		return ((this.#current + this.#previous * left) * 1000) / WINDOW_MS;
	}

	#move(now: number): void {
		const age = now - this.#windowAt;
		if (age < WINDOW_MS) return;
		this.#previous = age < 2 * WINDOW_MS ? this.#current : 0;
		this.#current = 0;
		this.#windowAt = age < 2 * WINDOW_MS ? this.#windowAt + WINDOW_MS : now;
	}
}
