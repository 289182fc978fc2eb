/** 1 000 clients of a hub, each cut off ten times while 200 publications a second go out. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { hubStorm } from "../harness/hub-storm.ts";
import { freePort } from "../harness/ports.ts";
import { seeded } from "../harness/sequences.ts";
import { startWorkerGateway } from "../harness/worker-gateway.ts";

const STORM = { wide: "wide.a", narrow: "narrow.a", clients: 1_000, cuts: 10, rate: 200, duration: 120_000 };
const HUBS = `
hubs: { all: { anonymous: true, topics: [
  { match: "wide.{x}", subscribe: anyone, history: { size: 100000, ttl: 30m } },
  { match: "narrow.{x}", subscribe: anyone, history: { size: 30, ttl: 5m } } ] } }
routes: [{ name: live, match: { path: /live }, hub: all }]`;

test("nothing is lost or doubled, or the client is told", { timeout: 900_000 }, async () => {
	const gateway = await startTestGateway(
		`listeners: [{ address: "127.0.0.1:0" }]\nhub_api: { address: "127.0.0.1:0" }${HUBS}`,
	);
	const result = await hubStorm({
		...STORM,
		url: gateway.url("/live"),
		api: `http://127.0.0.1:${gateway.handle.hubApiPort}`,
		random: seeded(1),
	});
	console.log(result);
	expect(result.faults).toEqual([]);
	expect(result.recovered).toBeGreaterThan(STORM.clients);
});

test("also with four workers, one of them killed in between", { timeout: 900_000 }, async () => {
	const apiPort = await freePort();
	const gateway = await startWorkerGateway(4, `hub_api: { address: "127.0.0.1:${apiPort}" }${HUBS}`);
	const result = await hubStorm({
		...STORM,
		url: `ws://127.0.0.1:${gateway.port}/live`,
		api: `http://127.0.0.1:${apiPort}`,
		random: seeded(2),
		halfway: async () => {
			await gateway.killWorker();
		},
	});
	console.log(result);
	expect(result.faults).toEqual([]);
	expect(result.recovered).toBeGreaterThan(STORM.clients);
	await gateway.stop();
});
