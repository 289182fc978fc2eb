import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBucket } from "../../../src/tunnel/bucket.ts";

describe("the token bucket", () => {
	it("is full at first and gives no more than its burst at once", () => {
		const bucket = new TokenBucket(10, 3, 0);
		expect([bucket.take(1), bucket.take(1), bucket.take(1), bucket.take(1)]).toEqual([true, true, true, false]);
	});

	it("fills by fractions as time passes", () => {
		const bucket = new TokenBucket(10, 1, 0);
		bucket.take(1);
		bucket.fill(50);
		expect(bucket.tokens).toBeCloseTo(0.5);
		expect(bucket.take(1)).toBe(false);
		expect(bucket.wait(1)).toBeCloseTo(50);
		bucket.fill(100);
		expect(bucket.take(1)).toBe(true);
	});

	it("keeps its burst after a long pause, not more", () => {
		const bucket = new TokenBucket(1000, 5, 0);
		bucket.fill(1e9);
		expect(bucket.tokens).toBe(5);
	});

	it("keeps what came in while something waited, up to a second's worth", () => {
		const bucket = new TokenBucket(1000, 1, 0);
		bucket.take(1);
		bucket.fill(50, true);
		expect(bucket.tokens).toBeCloseTo(50);
		bucket.fill(1e9, true);
		expect(bucket.tokens).toBeCloseTo(1001);
		bucket.fill(1e9 + 1);
		expect(bucket.tokens).toBe(1);
	});

	it("goes into debt for what has passed already and says when it is paid", () => {
		const bucket = new TokenBucket(1000, 10, 0);
		bucket.charge(110);
		expect(bucket.tokens).toBe(-100);
		expect(bucket.wait(0)).toBe(100);
	});

	it("is not moved by a clock that goes back", () => {
		const bucket = new TokenBucket(1, 1, 1000);
		bucket.take(1);
		bucket.fill(0);
		expect(bucket.tokens).toBe(0);
	});

	it("never gives more than burst plus rate times time, whenever it is asked", () => {
		const asks = fc.array(
			fc.record({ after: fc.integer({ min: 0, max: 400 }), cost: fc.integer({ min: 1, max: 7 }) }),
			{
				maxLength: 200,
			},
		);
		fc.assert(
			fc.property(
				fc.double({ min: 0.1, max: 500, noNaN: true }),
				fc.integer({ min: 1, max: 20 }),
				asks,
				(rate, burst, list) => {
					const bucket = new TokenBucket(rate, burst, 0);
					let now = 0;
					let given = 0;
					for (const { after, cost } of list) {
						now += after;
						bucket.fill(now);
						if (bucket.take(cost)) given += cost;
						expect(given).toBeLessThanOrEqual(burst + (rate * now) / 1000 + 1e-6);
					}
				},
			),
		);
	});
});
