/** Everything goes wrong at once, for some seconds; the soak does the same for ten minutes and looks at memory. */
import { expect, test } from "vitest";
import { chaos } from "../soak/chaos.ts";

test.runIf(process.platform === "linux")(
	"hostile requests, killed and stopped processes, bad files and used-up descriptors cost no tunnel but those of a killed worker",
	async () => {
		const seed = Date.now() % 1_000_000;
		const size = { seconds: 6, tunnels: 60, clients: 16, faults: 4, rounds: 0, rest: 500 };
		const result = await chaos({ ...size, workers: 2, seed });
		expect(result.wrong, `seed ${seed}`).toEqual([]);
		expect(result.talked.sent).toBeGreaterThan(100);
	},
	120_000,
);
