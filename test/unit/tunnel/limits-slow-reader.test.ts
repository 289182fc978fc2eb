import { describe, expect, it } from "vitest";
import { SlowReader } from "../../../src/tunnel/limits-slow-reader.ts";

/** A side that has to take 1000 bytes in 5000 ms. */
function watched(): { reader: SlowReader; take(bytes: number): void } {
	const side = { taken: 0 };
	return {
		reader: new SlowReader(1000, 5000, side),
		take: (bytes) => {
			side.taken += bytes;
		},
	};
}

describe("a side that is watched for slowness", () => {
	it("is not watched while nothing waits", () => {
		const { reader } = watched();
		expect(reader.deadline).toBe(Number.POSITIVE_INFINITY);
		expect(reader.tooSlow(1e9)).toBe(false);
	});

	it("is too slow when it takes nothing for the whole window, and not before", () => {
		const { reader } = watched();
		expect(reader.blocked(100)).toBe(true);
		expect(reader.deadline).toBe(5100);
		expect(reader.tooSlow(5050)).toBe(false);
		expect(reader.tooSlow(5100)).toBe(true);
	});

	it("is too slow when it takes less than the limit, also when it empties the buffer now and then", () => {
		const { reader, take } = watched();
		reader.blocked(0);
		for (let now = 1000; now < 5000; now += 1000) {
			take(200);
			reader.unblocked(now);
			expect(reader.blocked(now + 50)).toBe(false);
		}
		expect(reader.tooSlow(5000)).toBe(true);
	});

	it("gets a new window when it takes enough", () => {
		const { reader, take } = watched();
		reader.blocked(0);
		take(1000);
		expect(reader.tooSlow(5000)).toBe(false);
		expect(reader.deadline).toBe(10_000);
		expect(reader.tooSlow(10_000)).toBe(true);
	});

	it("is never too slow when it keeps up between bursts, however little comes", () => {
		const { reader, take } = watched();
		for (let now = 0; now < 60_000; now += 700) {
			reader.blocked(now);
			take(10);
			reader.unblocked(now + 20);
			expect(reader.tooSlow(now + 690), `at ${now}`).toBe(false);
		}
		reader.blocked(60_000);
		expect(reader.tooSlow(60_050)).toBe(false);
	});

	it("is found out within one window after it stops, even when it was fast before", () => {
		const { reader, take } = watched();
		reader.blocked(0);
		take(900);
		reader.unblocked(100);
		expect(reader.blocked(2000)).toBe(true);
		expect(reader.tooSlow(7000)).toBe(true);
	});

	it("is left alone when nothing waits any more at the end of the window", () => {
		const { reader } = watched();
		reader.blocked(0);
		reader.unblocked(3000);
		expect(reader.tooSlow(5000)).toBe(false);
		expect(reader.deadline).toBe(Number.POSITIVE_INFINITY);
	});
});
