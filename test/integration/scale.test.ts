/** Small sizes of the scale proofs; the soak runs the large ones. */
import { expect, test } from "vitest";
import { scaleProof } from "../soak/scale.ts";

const linux = process.platform === "linux";

test.runIf(linux)(
	"after 2 500 connections have come and gone the gateway holds what it held before",
	async () => {
		const result = await scaleProof("churn", { connections: 2_500, samples: 5 }, 100_000);
		expect(result.wrong).toEqual([]);
		expect(result.lines).toMatchObject({ open: 2_500, close: 2_500 });
	},
	120_000,
);

test.runIf(linux)(
	"two workers hold 1 000 tunnels, all answer, and a drain ends each with 1001",
	async () => {
		const result = await scaleProof("hold", { tunnels: 1_000, workers: 2, hold: 1, spread: 2 }, 60_000);
		expect(result.wrong).toEqual([]);
		expect(result.lines).toMatchObject({ open: 1_000, close: 1_000 });
	},
	90_000,
);
