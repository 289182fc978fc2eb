/** Long work in slices, so that messages get through in between. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** How long the event loop is kept at a time, ms. */
const SLICE_MS = 5;

/** Work that can pause at each `yield`; what lies between two of them should take well below a millisecond. */
export type Sliced<T> = Generator<undefined, T>;

/** Does it without a pause. */
export function atOnce<T>(work: Sliced<T>): T {
	for (;;) {
		const { done, value } = work.next();
		if (done) return value as T;
	}
}

/** Does it a few milliseconds at a time. */
export async function inSlices<T>(work: Sliced<T>): Promise<T> {
	for (;;) {
		const end = performance.now() + SLICE_MS;
		do {
			const { done, value } = work.next();
			if (done) return value as T;
		} while (performance.now() < end);
		await nextTurn();
	}
}
