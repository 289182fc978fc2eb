import { expect, test } from "vitest";
import { Rate } from "../../../src/hub/rate.ts";

test("a steady rate is seen after a second, and stays", () => {
	const rate = new Rate(0);
	for (let now = 0; now < 60_000; now += 100) {
		rate.count(now);
		if (now >= 1_000) expect(rate.perSecond(now)).toBeCloseTo(10, -0.7);
	}
});

test("one publication is not taken for many a second, and a rate falls to nothing when nothing comes", () => {
	const rate = new Rate(0);
	rate.count(5);
	expect(rate.perSecond(10)).toBe(1);
	for (let now = 20_000; now < 40_000; now += 50) rate.count(now);
	expect(rate.perSecond(40_000)).toBeCloseTo(20, 0);
	expect(rate.perSecond(45_000)).toBeCloseTo(10, 0);
	expect(rate.perSecond(70_000)).toBe(0);
});
