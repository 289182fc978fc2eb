/**
 * Whether one side takes its bytes too slowly (`limits.max_buffered`). A side is watched in windows of
 * `timeouts.close`: it is too slow when bytes were waiting for it through (nearly) all of one and it took fewer than the
 * limit. A window begins when bytes begin to wait, and anew when they did not wait for a tenth of it, so that a side that
 * keeps up between bursts is never taken for a slow one.
 */

/** The part of a window in which nothing may have waited. */
const SLACK = 0.1;

export class SlowReader {
	readonly #limit: number;
	readonly #window: number;
	readonly #side: { readonly taken: number };
	/** Start of the window; Infinity = there is none. Times in ms of one coarse clock. */
	#since = Number.POSITIVE_INFINITY;
	#takenBefore = 0;
	/** How long nothing waited in this window, up to the last {@link blocked}. */
	#idle = 0;
	/** Since when nothing waits; Infinity while something does. */
	#idleSince = 0;

	/**
	 * @param limit bytes that have to be taken in `window` ms
	 * @param side tells how many bytes it has taken since it was opened
	 */
	constructor(limit: number, window: number, side: { readonly taken: number }) {
		this.#limit = limit;
		this.#window = window;
		this.#side = side;
	}

	/** When {@link tooSlow} has to be asked; Infinity when there is nothing to watch. */
	get deadline(): number {
		return this.#since + this.#window;
	}

	/** Bytes wait for the side. True when a new window begins. */
	blocked(now: number): boolean {
		if (this.#idleSince === Number.POSITIVE_INFINITY) return false;
		this.#idle += now - this.#idleSince;
		this.#idleSince = Number.POSITIVE_INFINITY;
		if (this.#since !== Number.POSITIVE_INFINITY && this.#idle <= this.#window * SLACK) return false;
		this.#begin(now);
		return true;
	}

	/** The side has taken everything. */
	unblocked(now: number): void {
		if (this.#idleSince === Number.POSITIVE_INFINITY) this.#idleSince = now;
	}

	/** Judges a window that is over; asked earlier it is not. */
	tooSlow(now: number): boolean {
		if (now < this.deadline) return false;
		const waits = this.#idleSince === Number.POSITIVE_INFINITY;
		const idle = this.#idle + (waits ? 0 : now - this.#idleSince);
		if (idle <= this.#window * SLACK && this.#side.taken - this.#takenBefore < this.#limit) return true;
		if (waits) this.#begin(now);
		else this.#since = Number.POSITIVE_INFINITY;
		return false;
	}

	#begin(now: number): void {
		this.#since = now;
		this.#idle = 0;
		this.#takenBefore = this.#side.taken;
	}
}
