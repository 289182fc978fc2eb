/** The order of opening over all workers, in numbers that `cursor` can count in. */

/** 2025-01-01: keeps the numbers within what JavaScript counts exactly until 2059. */
const SINCE = Date.UTC(2025, 0, 1);
/** Workers that are told apart. */
const SLOTS = 512;
/** Connections of one worker in one millisecond, before its numbers run ahead of the time. */
const PER_MS = 16;

/**
 * Numbers that rise within a worker, are never those of another one, and follow the time over all of them: to the
 * millisecond, what opened later has the larger one.
 * @param worker its number, from 1
 * @param now ms since the epoch
 */
export function workerSequence(worker: number, now: () => number): () => number {
	const slot = worker % SLOTS;
	let last = 0;
	return () => {
		const time = (now() - SINCE) * PER_MS * SLOTS + slot;
		// Also when the clock was set back.
		last = Math.max(time, last + SLOTS);
		return last;
	};
}
