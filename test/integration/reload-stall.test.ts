import { expect, test } from "vitest";
import { reloadStalls } from "../harness/reload-stall.ts";

// Larger in test/soak.
test.each([1, 2])(
	"a reload of 1 000 routes keeps no process with messages from them for 50 ms (workers: %i)",
	{ timeout: 120_000 },
	async (workers) => {
		const { one, all, changed } = await reloadStalls({ routes: 1_000, workers, connections: 50 });
		expect(changed).toEqual(["r7"]);
		expect(one).toBeLessThan(50);
		expect(all).toBeLessThan(50);
	},
);
