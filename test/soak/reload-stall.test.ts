import { expect, test } from "vitest";
import { reloadStalls } from "../harness/reload-stall.ts";

test.each([1, 2])(
	"a reload of 10 000 routes under 2 000 connections keeps no process with messages from them for 50 ms (workers: %i)",
	async (workers) => {
		const result = await reloadStalls({ routes: 10_000, workers, connections: 2_000 });
		console.log(JSON.stringify({ workers, ...result }));
		expect(result.one).toBeLessThan(50);
		expect(result.all).toBeLessThan(50);
	},
);
