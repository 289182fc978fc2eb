/** A dead endpoint without a health check is seen: in the admin API, `clawgate endpoints` and the metric. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { metric } from "../harness/metrics.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { runCli } from "./cli.fixtures.ts";

test("an endpoint whose last attempt found nobody is failing until one is answered again", async () => {
	const alive = await startRawBackend(echoingFrames());
	const dead = await freePort();
	const gateway = await startTestGateway(`
		admin: { address: "127.0.0.1:0" }
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:${dead}", "${alive.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const admin = `http://127.0.0.1:${gateway.handle.adminPort}`;
	const seen = async () => {
		const { upstreams } = (await (await fetch(`${admin}/api/v1/upstreams`)).json()) as {
			upstreams: { endpoints: { failing: boolean; failing_reason?: string; health: string }[] }[];
		};
		const up = await metric(gateway, "endpoint_up");
		const table = (await runCli(["endpoints", "--admin", admin])).out.split("\n")[1] as string;
		const { failing, failing_reason, health } = upstreams[0]?.endpoints[0] ?? {};
		return [
			failing,
			failing_reason,
			health,
			up[`upstream="app",endpoint="127.0.0.1:${dead}"`],
			/ failing /.test(table),
		];
	};
	expect(await seen()).toEqual([false, undefined, "unknown", 1, false]);
	(await openRaw(gateway.port)).reset();
	(await openRaw(gateway.port)).reset();
	expect(await seen()).toEqual([true, "connect_failure", "unknown", 0, true]);
	const back = await startRawBackend(echoingFrames(), { port: dead });
	for (let i = 0; i < 2; i++) (await openRaw(gateway.port)).reset();
	expect(back.connections.length).toBe(1);
	expect(await seen()).toEqual([false, undefined, "unknown", 1, false]);
});
