/** A day's worth of connections, and as many tunnels at once as ten workers with 20 000 open files each hold. */
import { expect, test } from "vitest";
import { scaleProof } from "./scale.ts";

const linux = process.platform === "linux";

test.runIf(linux)("a million connections come and go, and the gateway holds what it held before", async () => {
	const result = await scaleProof("churn", { connections: 1_000_000 }, 25 * 60_000);
	console.log(result);
	expect(result.wrong).toEqual([]);
});

test.runIf(linux)("ten workers hold 90 000 tunnels, all answer, and a drain ends each with 1001", async () => {
	const result = await scaleProof("hold", { tunnels: 90_000, workers: 10 }, 15 * 60_000);
	console.log(result);
	expect(result.wrong).toEqual([]);
});
