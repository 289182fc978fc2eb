/** 100 000 requests that were changed at random. */
import { expect, test } from "vitest";
import { fuzzHandshakes } from "./handshake-fuzz.ts";

test("100 000 changed requests: none hangs, none stops the process, none brings a wrong one to the backend", async () => {
	const result = await fuzzHandshakes(100_000, { warmUp: 10_000, seed: 20 });
	console.log(result);
	expect(result.breaches).toEqual([]);
	expect(result.hung).toEqual([]);
	expect(result.errors).toEqual([]);
	expect(result.open).toBe(0);
	expect(result.lines).toBeGreaterThanOrEqual(result.answers);
	expect(result.heapAfter / result.heapBefore).toBeLessThan(1.1);
});
