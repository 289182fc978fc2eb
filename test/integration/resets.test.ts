/** RST at every step of a connection's life, by clients and backends; the soak does the same a hundred times as often. */
import { expect, test } from "vitest";
import { CLIENT_CUTS } from "../soak/reset-clients.ts";
import { resetStorm } from "../soak/reset-storm.ts";

test.runIf(process.platform === "linux")(
	"after 1 000 cut connections the gateway holds what it held before, and each has its lines",
	async () => {
		const result = await resetStorm({ connections: 1_000, warmUp: 500 });
		expect(Object.keys(result.cuts).sort()).toEqual([...CLIENT_CUTS].sort());
		expect(result.hung).toEqual([]);
		expect(result.wrongLines).toEqual([]);
		expect(result.errors).toEqual([]);
		expect(result.active).toBe(0);
		expect(result.fdsAfter).toBe(result.fdsBefore);
		// The compiler's own tables still grow in a process that is so young.
		expect(result.heapAfter / result.heapBefore).toBeLessThan(1.3);
		expect([result.opened > 500, result.rejected > 200, result.http > 200]).toEqual([true, true, true]);
	},
	90_000,
);
