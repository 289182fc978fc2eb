/** An endpoint that comes into service gets its share of new connections little by little. */
import { expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { echoingFrames, type RawBackend, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";

function config(endpoints: readonly string[], slowStart: string): string {
	return `
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: [${endpoints.join(", ")}]
				load_balancing: { slow_start: ${slowStart} }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`;
}

/** How many of so many new connections each backend got. */
async function shares(port: number, backends: readonly RawBackend[], count: number): Promise<number[]> {
	const before = backends.map(({ connections }) => connections.length);
	for (let i = 0; i < count; i++) (await openRaw(port)).reset();
	return backends.map(({ connections }, index) => connections.length - (before[index] as number));
}

test("one that a reload adds, or takes out of maint; those there from the start have all of it at once", async () => {
	const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
	const [a, b] = backends.map(({ url }) => JSON.stringify(url)) as [string, string];
	const gateway = await startReloadable(config([a], "1h"));
	await shares(gateway.port, backends, 3);
	await gateway.change(config([a, b], "1h"));
	// 1 : 0.1
	expect(await shares(gateway.port, backends, 22)).toEqual([20, 2]);
	await gateway.change(config([`{ url: ${a}, state: maint }`, b], "1h"));
	expect(await shares(gateway.port, backends, 3)).toEqual([0, 3]);
	// Both have come into service lately.
	await gateway.change(config([a, b], "1h"));
	expect(await shares(gateway.port, backends, 10)).toEqual([5, 5]);
	await until(() => gateway.handle.connectionCount() === 0, { what: "no connection left" });

	const fresh = await startReloadable(config([a, b], "1h"));
	expect(await shares(fresh.port, backends, 10)).toEqual([5, 5]);
	await until(() => fresh.handle.connectionCount() === 0, { what: "no connection left" });
});

test("its share grows to the whole", async () => {
	const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
	const [a, b] = backends.map(({ url }) => JSON.stringify(url)) as [string, string];
	const gateway = await startReloadable(config([a], "1s"));
	await gateway.change(config([a, b], "1s"));
	const added = performance.now();
	await until(() => performance.now() - added > 1_000, { what: "the end of the slow start" });
	expect(await shares(gateway.port, backends, 20)).toEqual([10, 10]);
});
