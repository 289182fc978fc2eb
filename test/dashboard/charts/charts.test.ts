import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Interval } from "../../../dashboard/src/api/model.ts";
import { binsFor, closedIn, closeTotals, countsOf, openOf, ratesOf } from "../../../dashboard/src/charts/bins.ts";
import { axisFor, linePath, points, timeTicks } from "../../../dashboard/src/charts/scale.ts";

const interval = (start: number, opened: number, closed: number): Interval => ({
	start,
	opened,
	closed: closed === 0 ? [] : [{ close_code: 1000, initiator: "client", termination: "normal", count: closed }],
	rejected: [],
});

describe("bins", () => {
	it("are whole intervals that have ended", () => {
		expect(binsFor(1_002_345, 60_000, 5_000, 180)).toEqual({ start: 940_000, step: 5_000, count: 12 });
		const hour = binsFor(10_000_000, 3_600_000, 5_000, 180);
		expect([hour.step, hour.count]).toEqual([20_000, 180]);
	});

	it("hold rates and counts; what is outside is left out", () => {
		const bins = binsFor(100_000, 20_000, 5_000, 10);
		const intervals = [interval(0, 99, 0), interval(80_000, 10, 0), interval(95_000, 5, 2), interval(100_000, 99, 9)];
		expect(ratesOf(intervals, bins, ({ opened }) => opened)).toEqual([2, 0, 0, 1]);
		expect(countsOf(intervals, bins, (each) => closedIn(each, "client"))).toEqual([0, 0, 0, 2]);
		expect(countsOf(intervals, bins, (each) => closedIn(each, "backend"))).toEqual([0, 0, 0, 0]);
	});

	it("tell how many connections were open, from how many are open now", () => {
		fc.assert(
			fc.property(
				fc.array(fc.record({ opened: fc.nat(50), closed: fc.nat(50) }), { minLength: 1, maxLength: 30 }),
				(steps) => {
					let open = 2_000;
					const history: number[] = [];
					const intervals = steps.map(({ opened, closed }, index) => {
						open += opened - closed;
						history.push(open);
						return interval(index * 5_000, opened, closed);
					});
					// The last interval has not ended.
					const bins = binsFor((steps.length - 1) * 5_000 + 1, (steps.length - 1) * 5_000, 5_000, 100);
					expect(openOf(intervals, bins, open)).toEqual(history.slice(0, -1));
				},
			),
		);
	});

	it("sum up closes by their kinds, the most frequent first", () => {
		const other = { close_code: 1006, initiator: "backend" as const, termination: "backend_drop", count: 9 };
		const intervals = [
			interval(0, 0, 100),
			interval(10, 0, 2),
			{ ...interval(20, 0, 3), closed: [...interval(20, 0, 3).closed, other] },
		];
		expect(closeTotals(intervals, 10).map(({ close_code, count }) => [close_code, count])).toEqual([
			[1006, 9],
			[1000, 5],
		]);
	});
});

describe("axes", () => {
	it("end at round numbers that hold every value, with few ticks", () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.boolean(), (highest, whole) => {
				const { max, ticks } = axisFor(highest, whole);
				expect(max).toBeGreaterThanOrEqual(highest);
				expect(ticks.length).toBeGreaterThanOrEqual(2);
				expect(ticks.length).toBeLessThanOrEqual(6);
				expect(ticks[0]).toBe(0);
				if (whole) expect(ticks.every(Number.isInteger)).toBe(true);
			}),
		);
		expect(axisFor(2_000, true).ticks).toEqual([0, 500, 1_000, 1_500, 2_000]);
		expect(axisFor(0, true).ticks).toEqual([0, 1]);
	});

	it("have their times at whole minutes", () => {
		expect(timeTicks(30_000, 330_000, 5)).toEqual([60_000, 120_000, 180_000, 240_000, 300_000]);
		expect(timeTicks(0, 3_600_000, 4).length).toBeLessThanOrEqual(5);
	});

	it("place points from left to right and upwards", () => {
		const area = { left: 10, top: 0, width: 100, height: 50 };
		expect(points([0, 5, 10], 10, area)).toEqual([
			{ x: 10, y: 50 },
			{ x: 60, y: 25 },
			{ x: 110, y: 0 },
		]);
		expect(linePath(points([0, 10], 10, area))).toBe("M10 50L110 0");
	});
});
