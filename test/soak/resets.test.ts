/** 100 000 connections cut by RST at every step, by clients and backends. */
import { expect, test } from "vitest";
import { resetStorm } from "./reset-storm.ts";

test.runIf(process.platform === "linux")(
	"after 100 000 cut connections the gateway holds what it held before, and each has its lines",
	async () => {
		const result = await resetStorm({ connections: 100_000, warmUp: 10_000 });
		console.log(result);
		expect(result.hung).toEqual([]);
		expect(result.wrongLines).toEqual([]);
		expect(result.errors).toEqual([]);
		expect(result.active).toBe(0);
		expect(result.fdsAfter).toBe(result.fdsBefore);
		expect(result.heapAfter / result.heapBefore).toBeLessThan(1.1);
	},
);
