import { expect, it } from "vitest";
import { RestartDelay } from "../../../src/supervisor/restart-delay.ts";

it("a worker is replaced at once, then after longer and longer waits, up to 30 s", () => {
	const delay = new RestartDelay();
	const waits = Array.from({ length: 9 }, () => delay.next(1_000));
	expect(waits).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

it("a minute of life begins anew", () => {
	const delay = new RestartDelay();
	for (let i = 0; i < 5; i++) delay.next(1_000);
	expect(delay.next(60_000)).toBe(0);
	expect(delay.next(59_999)).toBe(500);
});
