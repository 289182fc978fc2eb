/**
 * Ten minutes of everything at once, with two workers. `CHAOS_SECONDS`, `CHAOS_WORKERS` and `CHAOS_SEED` change it.
 */
import { expect, test } from "vitest";
import { chaos } from "./chaos.ts";
import { heldMore } from "./chaos-judgement.ts";

const seconds = Number(process.env.CHAOS_SECONDS ?? 600);
const workers = Number(process.env.CHAOS_WORKERS ?? 2);
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);

test.runIf(process.platform === "linux")(
	`after ${seconds} s of chaos (seed ${seed}) with ${workers} workers no tunnel is lost but with its worker, and the gateway holds what it held before`,
	async () => {
		console.log(`CHAOS_SEED=${seed} CHAOS_WORKERS=${workers} CHAOS_SECONDS=${seconds}`);
		const result = await chaos({
			seconds,
			workers,
			seed,
			tunnels: 500,
			clients: 32,
			faults: 3,
			rounds: 4,
			rest: 6_000,
		});
		console.dir(result, { depth: null });
		expect(result.wrong).toEqual([]);
		expect(heldMore(result)).toEqual([]);
		expect(result.talked.opened).toBeGreaterThanOrEqual(500);
	},
);
