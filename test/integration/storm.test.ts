/** A reconnect storm is passed on at the rate that the backends can take, and is over as soon as that allows. */
import { expect, onTestFinished, test } from "vitest";
import { lateness } from "../harness/clock.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { echoingFrames, silent, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { aheadOf, type Manners, StormClient, startStormBackend } from "../harness/storm.ts";

const RATE = 100;

test.each<[Manners, number]>([
	["honours Retry-After", 500],
	["retries after a second", 500],
])(
	"each client %s: %i come at once, and the backend never sees more than 1.1 × 100 a second allow",
	async (manners, count) => {
		const backend = await startStormBackend();
		const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app: { endpoints: ["ws://127.0.0.1:${backend.port}"], max_handshakes_per_second: ${RATE} }
		routes: [{ match: { path_prefix: / }, upstream: app, drain: { spread: 0s } }]
	`);
		const refusals: Record<string, number> = {};
		const since = Date.now();
		const clients = Array.from({ length: count }, () => new StormClient(gateway.port, manners, refusals));
		onTestFinished(() => {
			for (const client of clients) client.stop();
		});
		const late = await lateness(() =>
			until(() => clients.every(({ inSince }) => inSince !== undefined), {
				timeout: 40_000,
				what: "every client to be in",
			}),
		);
		const seconds = (Date.now() - since) / 1_000;
		const { times, open } = await backend.seen();
		expect([times.length, open]).toEqual([count, count]);
		expect(aheadOf(RATE, times, since)).toBeLessThanOrEqual(RATE * 0.1 + 1);
		// The least possible time + 20 %, and what a machine that does other things needs to take the clients in.
		expect(seconds).toBeLessThanOrEqual((count / RATE) * 1.2 + 3 + 4 * late);
		// None on a machine so busy that they do not come all at once.
		expect(Object.keys(refusals).filter((status) => status !== "503")).toEqual([]);
		for (const reject of gateway.lines.of("ws.reject")) {
			expect(reject).toMatchObject({ status: 503, code: "OVERLOADED", upstream: "app", attempts: [] });
		}
		for (const client of clients) client.stop();
		await gateway.expectQuiet();
	},
	60_000,
);

function limited(urls: readonly string[], rate: number, route = "") {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}]
				max_handshakes_per_second: ${rate}
		routes:
			- match: { path_prefix: / }
				upstream: app
				${route}
	`);
}

test("handshakes above the rate wait for their turn, in order; when the queue is full they get 503 with Retry-After", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await limited([backend.url], 2);
	(await openRaw(gateway.port)).reset();
	const waiting = [];
	for (let i = 0; i < 4; i++) {
		const client = await connectRaw({ port: gateway.port });
		client.write(client.handshakeHead(`/${i}`));
		waiting.push(client);
	}
	const shed = await connectRaw({ port: gateway.port });
	const head = await shed.handshake();
	await expectRejection(shed, head, 503, "OVERLOADED");
	expect(head.header("retry-after")).toMatch(/^[1-9]\d*$/);
	for (const client of waiting) expect((await client.readHead()).status).toBe(101);
	expect(backend.connections.map(({ request }) => request?.target)).toEqual(["/", "/0", "/1", "/2", "/3"]);
	for (const client of waiting) client.reset();
	await gateway.expectQuiet();
});

test("a client that leaves the queue is never dialled for", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await limited([backend.url], 1);
	(await openRaw(gateway.port)).reset();
	const leaving = await connectRaw({ port: gateway.port });
	leaving.write(leaving.handshakeHead("/leaving"));
	const staying = await connectRaw({ port: gateway.port });
	staying.write(staying.handshakeHead("/staying"));
	leaving.reset();
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 499, code: "CLIENT_GONE", attempts: [] });
	expect((await staying.readHead()).status).toBe(101);
	expect(backend.connections.map(({ request }) => request?.target)).toEqual(["/", "/staying"]);
	staying.reset();
	await gateway.expectQuiet();
});

test("nobody waits longer than the route's handshake timeout", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await limited([backend.url], 1, "timeouts: { connect: 200ms, handshake: 500ms }");
	(await openRaw(gateway.port)).reset();
	const client = await connectRaw({ port: gateway.port });
	await expectRejection(client, await client.handshake(), 503, "OVERLOADED");
	await gateway.expectQuiet();
});

test("without an endpoint nobody waits, and further attempts of a handshake take their turn too", async () => {
	const nobody = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [{ url: "ws://127.0.0.1:1", state: maint }], max_handshakes_per_second: 1 } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	for (let i = 0; i < 5; i++) {
		const client = await connectRaw({ port: nobody.port });
		await expectRejection(client, await client.handshake(), 503, "NO_ENDPOINT");
	}
	await nobody.expectQuiet();

	const dead = `ws://127.0.0.1:${await closedPort()}`;
	const backend = await startRawBackend(echoingFrames());
	const gateway = await limited([dead, backend.url], 4);
	const startedAt = performance.now();
	for (let i = 0; i < 4; i++) (await openRaw(gateway.port)).reset();
	// Two of the four went to the dead one first: six attempts, five of them a quarter of a second after the one before.
	expect(performance.now() - startedAt).toBeGreaterThan(5 * 250 - 50);
	await gateway.expectQuiet();
});

test("plain HTTP does not go through it", async () => {
	const backend = await startRawBackend(silent);
	const gateway = await limited([backend.url], 1);
	const leaving = new AbortController();
	const requests = Array.from({ length: 10 }, () =>
		fetch(`http://127.0.0.1:${gateway.port}/`, { signal: leaving.signal }).catch(() => undefined),
	);
	await until(() => backend.connections.length === 10, { what: "ten requests at the backend", timeout: 1_000 });
	leaving.abort();
	await Promise.all(requests);
});
