import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSplit, splitOptions } from "../../../src/routing/split.ts";

describe("compileSplit", () => {
	it("gives each target its share", () => {
		const steps = 10_000;
		let step = 0;
		const pick = compileSplit(
			[
				{ target: "stable", weight: 95 },
				{ target: "off", weight: 0 },
				{ target: "canary", weight: 5 },
			],
			() => (step++ + 0.5) / steps,
		);
		const counts: Record<string, number> = {};
		for (let i = 0; i < steps; i++) {
			const target = pick();
			counts[target] = (counts[target] ?? 0) + 1;
		}
		expect(counts).toEqual({ stable: 9500, canary: 500 });
	});

	it("never gives a target of weight 0, at either end of the random numbers", () => {
		const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1000, noNaN: true })), {
			minLength: 1,
		});
		const random = fc.oneof(
			fc.constant(0),
			fc.constant(1 - Number.EPSILON / 2),
			fc.double({ min: 0, max: 0.999, noNaN: true }),
		);
		fc.assert(
			fc.property(weights, random, (list, number) => {
				fc.pre(list.some((weight) => weight > 0));
				const picked = compileSplit(
					list.map((weight, target) => ({ target, weight })),
					() => number,
				)();
				expect(list[picked]).toBeGreaterThan(0);
			}),
		);
	});

	it("does not ask for a random number when there is no choice", () => {
		const pick = compileSplit([{ target: "only", weight: 3 }], () => {
			throw new Error("asked");
		});
		expect(pick()).toBe("only");
	});

	it("throws when no weight is above 0", () => {
		expect(() => compileSplit([{ target: "x", weight: 0 }], Math.random)).toThrow(RangeError);
	});
});

describe("splitOptions", () => {
	it("takes upstreams and weights; the weight defaults to 1", () => {
		expect(splitOptions.parse([{ upstream: "a", weight: 95 }, { upstream: "b" }])).toEqual([
			{ upstream: "a", weight: 95 },
			{ upstream: "b", weight: 1 },
		]);
	});

	it.each([
		[[{ upstream: "a", weight: 0 }], "at least one weight must be above 0"],
		[[{ upstream: "a", weight: -1 }], ">=0"],
		[[], ">=1"],
		[[{ upstream: "a", wait: 1 }], "wait"],
		[[{ weight: 1 }], "string"],
	])("refuses %j", (split, problem) => {
		expect(splitOptions.safeParse(split).error?.issues[0]?.message).toContain(problem);
	});
});
