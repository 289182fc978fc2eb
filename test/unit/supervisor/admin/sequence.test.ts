import { expect, it } from "vitest";
import { workerSequence } from "../../../../src/supervisor/admin/sequence.ts";

const NOW = Date.UTC(2026, 5, 1);

it("gives no number twice, over all workers, also when many connections open in one millisecond", () => {
	const sequences = [1, 2, 3, 511].map((worker) => workerSequence(worker, () => NOW));
	const numbers = sequences.flatMap((next) => Array.from({ length: 1_000 }, next));
	expect(new Set(numbers).size).toBe(numbers.length);
});

it("orders by the time of opening, whichever worker it was", () => {
	let now = NOW;
	const [first, second] = [workerSequence(1, () => now), workerSequence(2, () => now)];
	const numbers: number[] = [];
	for (const next of [second, first, first, second, first]) {
		now += 1;
		numbers.push(next());
	}
	expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
});

it("rises when the clock is set back", () => {
	let now = NOW;
	const next = workerSequence(1, () => now);
	const before = next();
	now -= 3_600_000;
	expect(next()).toBeGreaterThan(before);
});

it("stays within what JavaScript counts exactly for decades", () => {
	const next = workerSequence(511, () => Date.UTC(2058, 0, 1));
	expect(Number.isSafeInteger(next())).toBe(true);
	expect(next() - next()).toBe(-512);
});
