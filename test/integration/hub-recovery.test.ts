/** A small size of test/soak/hub-recovery.test.ts. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { hubStorm } from "../harness/hub-storm.ts";
import { freePort } from "../harness/ports.ts";
import { seeded } from "../harness/sequences.ts";
import { startWorkerGateway } from "../harness/worker-gateway.ts";

const SMALL = { wide: "wide.a", narrow: "narrow.a", clients: 15, cuts: 4, rate: 200, duration: 2_000 };
/** In flow style, so that it can stand behind anything. */
const HUBS = `
hubs: { all: { anonymous: true, topics: [
  { match: "wide.{x}", subscribe: anyone, history: { size: 10000, ttl: 5m } },
  { match: "narrow.{x}", subscribe: anyone, history: { size: 12, ttl: 5m } } ] } }
routes: [{ name: live, match: { path: /live }, hub: all }]`;

describe("clients that are cut off again and again", () => {
	test("lose nothing and get nothing twice, or are told", { timeout: 60_000 }, async () => {
		const gateway = await startTestGateway(
			`listeners: [{ address: "127.0.0.1:0" }]\nhub_api: { address: "127.0.0.1:0" }${HUBS}`,
		);
		const result = await hubStorm({
			...SMALL,
			url: gateway.url("/live"),
			api: `http://127.0.0.1:${gateway.handle.hubApiPort}`,
			random: seeded(1),
		});
		expect(result.faults).toEqual([]);
		expect(result.recovered).toBeGreaterThan(SMALL.clients);
	});

	test("also when a worker is killed in between", { timeout: 90_000 }, async () => {
		const apiPort = await freePort();
		const gateway = await startWorkerGateway(2, `hub_api: { address: "127.0.0.1:${apiPort}" }${HUBS}`);
		const result = await hubStorm({
			...SMALL,
			url: `ws://127.0.0.1:${gateway.port}/live`,
			api: `http://127.0.0.1:${apiPort}`,
			random: seeded(2),
			halfway: async () => {
				await gateway.killWorker();
			},
		});
		expect(result.faults).toEqual([]);
		expect(result.recovered).toBeGreaterThan(SMALL.clients);
		await gateway.stop({ paired: true });
	});
});
