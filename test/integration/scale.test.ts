/** Small sizes of the scale proofs; the soak runs the large ones. */
import { expect, test } from "vitest";
import { scaleProof } from "../soak/scale.ts";

const linux = process.platform === "linux";

test.runIf(linux)(
	"after 1 500 connections have come and gone the gateway holds what it held before",
	async () => {
		const result = await scaleProof("churn", { connections: 1_500, samples: 5 }, 100_000);
		expect(result.wrong).toEqual([]);
		expect(result.lines).toMatchObject({ open: 1_500, close: 1_500 });
	},
	120_000,
);

test.runIf(linux)(
	"two workers hold 600 tunnels, all answer, and a drain ends each with 1001",
	async () => {
		const result = await scaleProof("hold", { tunnels: 600, workers: 2, hold: 1, spread: 2 }, 60_000);
		expect(result.wrong).toEqual([]);
		expect(result.lines).toMatchObject({ open: 600, close: 600 });
	},
	90_000,
);
