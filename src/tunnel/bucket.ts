/** A token bucket that is filled by the clock: fractions count, and nothing ticks while nobody asks. */

export class TokenBucket {
	readonly #perMs: number;
	readonly #burst: number;
	#tokens: number;
	#filledAt: number;

	/** Full at first. `perSecond` and `burst` are above 0; `now` is a monotonic clock in ms, as in all methods. */
	constructor(perSecond: number, burst: number, now: number) {
		this.#perMs = perSecond / 1000;
		this.#burst = burst;
		this.#tokens = burst;
		this.#filledAt = now;
	}

	/** What is in it since the last {@link fill}; below 0 it is in debt. */
	get tokens(): number {
		return this.#tokens;
	}

	/**
	 * Adds what came in since the last call. With `waited` something has been waiting for tokens all the time: then up to
	 * one second's worth beyond the burst is kept, because they would have been used as they came, had the timer been exact.
	 */
	fill(now: number, waited = false): void {
		const most = waited ? this.#burst + this.#perMs * 1000 : this.#burst;
		this.#tokens = Math.min(most, this.#tokens + Math.max(0, now - this.#filledAt) * this.#perMs);
		this.#filledAt = now;
	}

	/** Takes `cost` if that much is there. */
	take(cost: number): boolean {
		// Fractions of many small additions do not add up to the last bit.
		if (this.#tokens < cost - 1e-9) return false;
		this.#tokens -= cost;
		return true;
	}

	/** Takes `cost` whatever is there; it can go into debt. */
	charge(cost: number): void {
		this.#tokens -= cost;
	}

	/** Milliseconds from the last {@link fill} until it holds `cost`; 0 when it does. */
	wait(cost: number): number {
		return Math.max(0, (cost - this.#tokens) / this.#perMs);
	}
}
