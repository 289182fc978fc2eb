/** How long a dead worker's replacement waits: not at all the first time, then longer each time. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** A worker that lived so long, in ms, had no trouble with its start. */
const LONG_LIFE_MS = 60_000;

/** One for each worker's place. */
export class RestartDelay {
	#deaths = 0;

	/**
	 * Counts a death.
	 * @param lived ms from the worker's start to its end
	 * @returns ms until the next start
	 */
	next(lived: number): number {
		this.#deaths = lived >= LONG_LIFE_MS ? 1 : this.#deaths + 1;
		return this.#deaths === 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#deaths - 2));
	}
}
