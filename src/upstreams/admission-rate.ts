/** The two measures of admission: a token bucket, and a limit for any stretch of time. */

/** Tokens that come evenly, `rate` a second, and are kept up to a number. Times in ms. */
export class TokenBucket {
	#tokens = 0;
	#rate = 1;
	#refilledAt = Number.NaN;

	/** Begins with `tokens`, or goes on with those it has when that is less. */
	configure(rate: number, tokens: number, now: number): void {
		if (Number.isNaN(this.#refilledAt)) this.#tokens = tokens;
		else this.refill(now, tokens);
		this.#rate = rate;
		this.#refilledAt = now;
	}

	/** Adds what has come since the last time; keeps no more than `most`. */
	refill(now: number, most: number): void {
		this.#tokens = Math.min(most, this.#tokens + ((now - this.#refilledAt) * this.#rate) / 1000);
		this.#refilledAt = now;
	}

	get tokens(): number {
		return this.#tokens;
	}

	take(): void {
		this.#tokens--;
	}

	/** Time from the last refill until there are so many tokens; not above 0 when there are. */
	until(tokens: number): number {
		return ((tokens - this.#tokens) * 1000) / this.#rate;
	}
}

const MOST = 1.1;
/** Longer than the second that is promised by what handshakes may be late at the backend, and shorter than `MOST`. */
const STRETCH_SECONDS = 1.08;
const CATCH_UP = 1.25;
const AT_ONCE_SECONDS = 1 / 50;

/**
 * When the next handshake may be written. Never more than rate × 1.1 in any 1.08 seconds: what arrives late at the
 * backend, or is seen late by it, can be some hundredths of a second off without making it more than that in one second, and
 * over time it is still more than the rate, so that this limit costs no throughput. And evenly: what has been held up is
 * made up for at 1.25 of the rate, not all at once.
 */
export class WriteLimit {
	readonly #spacing = new TokenBucket();
	#atOnce = 1;
	/** When handshakes were written last; the n-th of all at n % length. */
	#ring = new Float64Array(0);
	/** How many were written. */
	#count = 0;
	/** What the ring covers, in ms. */
	#stretch = 0;

	/** Takes over a rate; what was written under the last one goes on counting. */
	configure(rate: number, now: number): void {
		const before = this.#ring;
		const size = Math.max(1, Math.floor(rate * MOST));
		// Below ten a second it is the rate itself, in one second.
		this.#stretch = Math.min(STRETCH_SECONDS, size / rate) * 1000;
		this.#ring = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
		for (let nth = Math.max(0, this.#count - Math.min(size, before.length)); nth < this.#count; nth++) {
			this.#ring[nth % size] = before[nth % before.length] as number;
		}
		this.#atOnce = Math.max(1, Math.floor(rate * AT_ONCE_SECONDS));
		this.#spacing.configure(rate * CATCH_UP, this.#atOnce, now);
	}

	/** Time until the next one may be written; not above 0 when it may. */
	wait(now: number): number {
		this.#spacing.refill(now, this.#atOnce);
		return Math.max(
			this.#spacing.until(1),
			(this.#ring[this.#count % this.#ring.length] as number) + this.#stretch - now,
		);
	}

	/** One is written. @returns the how many-th of all it is, from 0 */
	written(now: number): number {
		this.#spacing.take();
		this.#ring[this.#count % this.#ring.length] = now;
		return this.#count++;
	}

	/** The n-th was written at another time; Infinity: it has not been written yet, and nobody knows when. */
	correct(nth: number, at: number): void {
		if (nth >= this.#count - this.#ring.length) this.#ring[nth % this.#ring.length] = at;
	}
}
