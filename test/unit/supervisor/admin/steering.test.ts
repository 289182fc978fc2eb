/** What an operator changes reaches every worker, whenever it starts. */
import { expect, it } from "vitest";
import type { Gateway } from "../../../../src/gateway/gateway.ts";
import { Revocations } from "../../../../src/policy/revocations.ts";
import { GatewaySteering } from "../../../../src/supervisor/admin/steering.ts";
import { TestWorkers } from "./workers.fixtures.ts";

const NOW = 1_000_000;
const DAY = 24 * 3_600_000;

function gateway() {
	const revocations = new Revocations(() => NOW);
	const state = { override: undefined as unknown };
	const own = {
		policies: { revocations, now: () => NOW },
		snapshot: {
			upstreams: new Map([
				[
					"pool",
					{
						name: "pool",
						endpoints: [
							{ id: "a:1", state },
							{ id: "b:1", state: {} },
						],
					},
				],
			]),
		},
	} as unknown as Gateway;
	const workers = new TestWorkers();
	const steering = new GatewaySteering(own, workers, () => false);
	/** A worker whose connections have these tokens; it starts when it asks how things are. */
	const start = async (number: number, connections: number, until: number) => {
		const worker = workers.start(number);
		const told: unknown[] = [];
		worker.channel.handle("revoke", (target) => {
			told.push(target);
			return { closed: connections, until: target.until ?? until };
		});
		return { worker, told, known: await worker.channel.call("steering", undefined) };
	};
	return { steering, state, start, workers };
}

it("tells a worker that starts what is in force", async () => {
	const { steering, state, start } = gateway();
	const override = { mode: { value: "maint", written: "ready" } };
	state.override = override;
	await steering.revocations.revoke({ sub: "ada", until: NOW + 5_000 });
	const { known } = await start(1, 0, 0);
	expect(known).toEqual({
		endpoints: [{ upstream: "pool", endpoint: "a:1", override }],
		revocations: [{ sub: "ada", until: NOW + 5_000 }],
		following: false,
	});
});

it("tells a change to a worker that knows how things were but does not serve yet", async () => {
	const { steering, start } = gateway();
	const starting = await start(1, 0, 0);
	starting.worker.ready = false;
	await steering.revocations.revoke({ sub: "ada", until: NOW + 5_000 });
	expect(starting.told).toEqual([{ sub: "ada", until: NOW + 5_000 }]);
});

it("revokes until the last token of any worker's connections has expired, and adds what was closed", async () => {
	const { steering, start } = gateway();
	const one = await start(1, 2, NOW + DAY);
	const two = await start(2, 3, NOW + 9 * DAY);
	const revoked = await steering.revocations.revoke({ sub: "ada" });
	expect(revoked).toEqual({ closed: 5, until: NOW + 9 * DAY });
	expect(one.told.at(-1)).toEqual({ sub: "ada", jti: undefined, until: NOW + 9 * DAY });
	expect(two.told).toHaveLength(1);
	expect([...steering.revocations.list()]).toEqual([{ sub: "ada", until: NOW + 9 * DAY }]);
});

it("says which worker could not be told", async () => {
	const { steering, start } = gateway();
	await start(1, 2, NOW + DAY);
	const failing = await start(2, 0, 0);
	failing.worker.channel.handle("revoke", () => {
		throw new Error("busy");
	});
	expect(await steering.revocations.revoke({ sub: "ada", until: NOW + DAY })).toEqual({
		closed: 2,
		until: NOW + DAY,
		missing_workers: [2],
	});
});

it("does not miss a worker that has ended", async () => {
	const { steering, start } = gateway();
	await start(1, 2, NOW + DAY);
	(await start(2, 0, 0)).worker.kill();
	expect(await steering.revocations.revoke({ sub: "ada", until: NOW + DAY })).toEqual({ closed: 2, until: NOW + DAY });
});
