import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

test("a connection that opens after a time without any is not idle from the start", async () => {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { b: { endpoints: ["${backend.url}"] } }
		routes: [{ match: {}, upstream: b, timeouts: { idle: 1s, close: 100ms }, ping: off }]
	`);
	const first = await openWs(gateway.url());
	first.socket.close();
	await until(() => gateway.handle.connectionCount() === 0, { what: "the first connection to end" });
	// The shared clock stands still while no connection is open.
	const quietSince = performance.now();
	await until(() => performance.now() - quietSince > 1_500, { what: "a time without connections" });

	const openedAt = performance.now();
	const second = await openWs(gateway.url());
	await second.waitClosed();
	expect(performance.now() - openedAt).toBeGreaterThan(850);
});
