import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TimerWheel, type WheelEntry } from "../../../src/tunnel/wheel.ts";

class Entry implements WheelEntry {
	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;
	readonly expired: number[] = [];
	next: (now: number) => number = () => Number.POSITIVE_INFINITY;
	expire(now: number): number {
		this.expired.push(now);
		return this.next(now);
	}
	readonly failures: unknown[] = [];
	failed(error: unknown): void {
		this.failures.push(error);
	}
}

/** A wheel whose clock the test turns; 10 ms a tick, 8 slots. */
function manualWheel(): { wheel: TimerWheel; advance(to: number): void } {
	let now = 0;
	const wheel = new TimerWheel(() => now, 10, 8);
	return {
		wheel,
		advance: (to) => {
			while (now < to) {
				now = Math.min(to, now + 10);
				wheel.tick();
			}
		},
	};
}

describe("the timer wheel", () => {
	test("an entry that throws hears of it, and the others are woken all the same", () => {
		const { wheel, advance } = manualWheel();
		const entries = [new Entry(), new Entry(), new Entry()] as const;
		entries[1].next = () => {
			throw new Error("a mistake");
		};
		for (const entry of entries) wheel.schedule(entry, 20);
		advance(40);
		expect(entries.map(({ expired }) => expired)).toEqual([[20], [20], [20]]);
		expect(entries[1].failures).toEqual([new Error("a mistake")]);
		expect(wheel.size).toBe(0);
	});

	test("wakes an entry at its time, not before and at most a tick later", () => {
		const { wheel, advance } = manualWheel();
		const entry = new Entry();
		wheel.schedule(entry, 35);
		advance(30);
		expect(entry.expired).toEqual([]);
		advance(50);
		expect(entry.expired).toEqual([40]);
		expect(wheel.size).toBe(0);
	});

	test("waits more than one turn for a time beyond its slots", () => {
		const { wheel, advance } = manualWheel();
		const entry = new Entry();
		wheel.schedule(entry, 1_000);
		advance(990);
		expect(entry.expired).toEqual([]);
		advance(1_010);
		expect(entry.expired).toEqual([1_000]);
	});

	test("wakes an overdue entry at the next tick", () => {
		const { wheel, advance } = manualWheel();
		advance(500);
		const entry = new Entry();
		wheel.schedule(entry, 100);
		advance(510);
		expect(entry.expired).toHaveLength(1);
	});

	test("wakes an entry again at the time that it returns", () => {
		const { wheel, advance } = manualWheel();
		const entry = new Entry();
		entry.next = (now) => (entry.expired.length < 3 ? now + 100 : Number.POSITIVE_INFINITY);
		wheel.schedule(entry, 20);
		advance(1_000);
		expect(entry.expired).toEqual([20, 120, 220]);
	});

	test("lets an entry cancel another one that is due in the same tick", () => {
		const { wheel, advance } = manualWheel();
		const [first, second] = [new Entry(), new Entry()];
		const cancelOther = (other: Entry) => () => {
			wheel.cancel(other);
			return Number.POSITIVE_INFINITY;
		};
		first.next = cancelOther(second);
		second.next = cancelOther(first);
		wheel.schedule(first, 20);
		wheel.schedule(second, 20);
		advance(100);
		expect(first.expired.length + second.expired.length).toBe(1);
	});

	test("has the time of its last tick, and the right one when asked while nothing is scheduled", () => {
		let now = 0;
		const wheel = new TimerWheel(() => now, 10, 8);
		now = 5_000;
		expect(wheel.now).toBe(0);
		expect(wheel.refresh()).toBe(5_000);
		expect(wheel.now).toBe(5_000);
	});

	test("catches up after the process stood still", () => {
		let now = 0;
		const wheel = new TimerWheel(() => now, 10, 8);
		const entries = [15, 95, 500, 5_000].map((at) => {
			const entry = new Entry();
			wheel.schedule(entry, at);
			return entry;
		});
		now = 1_000;
		wheel.tick();
		expect(entries.map(({ expired }) => expired.length)).toEqual([1, 1, 1, 0]);
		wheel.cancel(entries[3] as Entry);
	});

	test("wakes every entry exactly once, in any order of scheduling and cancelling", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000 }), fc.boolean()), { maxLength: 60 }), (plan) => {
				const { wheel, advance } = manualWheel();
				const entries = plan.map(([at, cancelled]) => {
					const entry = new Entry();
					wheel.schedule(entry, at);
					return { entry, at, cancelled };
				});
				for (const { entry, cancelled } of entries) if (cancelled) wheel.cancel(entry);
				advance(2_100);
				for (const { entry, at, cancelled } of entries) {
					expect(entry.expired.length).toBe(cancelled ? 0 : 1);
					if (!cancelled) expect((entry.expired[0] as number) - at).toBeLessThanOrEqual(10);
				}
				expect(wheel.size).toBe(0);
			}),
		);
	});
});
