/** Circuit breaker and limits of an endpoint, over real connections. */
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { metric } from "../harness/metrics.ts";
import { until } from "../harness/poll.ts";
import { ownAddress } from "../harness/ports.ts";
import {
	type BackendPeer,
	echoingFrames,
	readRequest,
	refusing,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

function start(urls: readonly string[], breaker: string, route = ""): Promise<TestGateway> {
	return startTestGateway(`
		admin: { address: "127.0.0.1:0" }
		trusted_proxies: [127.0.0.1]
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}]
				circuit_breaker: { ${breaker} }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: 1s, handshake: 5s }
				${route}
	`);
}

/** An endpoint whose behaviour can be changed, with a breaker that needs four handshakes and resets fast. */
async function startBreaking(script: Script, options = "minimum_handshakes: 4, reset_timeout: 500ms") {
	const endpoint = { script };
	const backend = await startRawBackend((peer, index) => endpoint.script(peer, index));
	const gateway = await start([backend.url], options);
	const status = async (): Promise<number> => {
		const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		const head = await client.handshake();
		client.reset();
		return head.status;
	};
	const state = async () => (await metric(gateway, "circuit_breaker_state"))[`upstream="app",endpoint="${backend.id}"`];
	/** Lets handshakes fail until the breaker is open. */
	const open = async (): Promise<void> => {
		endpoint.script = refusing(500);
		for (let i = 0; i < 4; i++) await status();
		await gateway.waitForLog("breaker.open");
	};
	return { endpoint, backend, gateway, status, state, open };
}

async function rejection(gateway: TestGateway, code: string): Promise<RawClient> {
	const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
	const head = await client.handshake();
	await expectRejection(client, head, 503, code);
	expect(Number(head.header("retry-after"))).toBeGreaterThanOrEqual(1);
	return client;
}

describe("the breaker", () => {
	test("opens at the threshold: nothing is dialled any more, clients get 503 with Retry-After", async () => {
		const { endpoint, backend, gateway, status, state } = await startBreaking(echoingFrames(), "minimum_handshakes: 4");
		expect([await status(), await status()]).toEqual([101, 101]);
		expect(await state()).toBe(0);
		endpoint.script = refusing(500);
		expect(await status()).toBe(500);
		expect(await state()).toBe(0);
		expect(await status()).toBe(500);
		expect(await state()).toBe(2);
		expect(await gateway.waitForLog("breaker.open")).toMatchObject({
			upstream: "app",
			endpoint: backend.id,
			failure_rate: 50,
			handshakes: 4,
			reason: "50% of 4 handshakes failed, the last one: 500",
			level: "warn",
		});
		await rejection(gateway, "NO_ENDPOINT");
		expect(backend.connections).toHaveLength(4);
		await gateway.expectQuiet();
	});

	test("half-open lets one trial through, and closes when it succeeds", async () => {
		const { endpoint, backend, gateway, status, state, open } = await startBreaking(echoingFrames());
		await open();
		await gateway.waitForLog("breaker.half_open");
		expect(await state()).toBe(1);
		let accept: () => void = () => undefined;
		const allowed = new Promise<void>((resolve) => {
			accept = resolve;
		});
		endpoint.script = async (peer) => {
			const request = await readRequest(peer);
			await allowed;
			peer.write(switchingProtocols(request));
			peer.socket.on("end", () => peer.end());
		};
		const trial = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		trial.write(trial.handshakeHead());
		await until(() => backend.connections.length === 5, { what: "the trial" });
		await rejection(gateway, "NO_ENDPOINT");
		await rejection(gateway, "NO_ENDPOINT");
		expect([await state(), backend.connections.length]).toEqual([1, 5]);
		accept();
		expect((await trial.readHead()).status).toBe(101);
		await gateway.waitForLog("breaker.closed");
		expect(await state()).toBe(0);
		endpoint.script = echoingFrames();
		expect(await status()).toBe(101);
		trial.reset();
		await gateway.expectQuiet();
	});

	test("opens again when the trial fails", async () => {
		const { gateway, status, open } = await startBreaking(refusing(500));
		await open();
		await gateway.waitForLog("breaker.half_open");
		expect(await status()).toBe(500);
		expect(gateway.lines.of("breaker.open").at(-1)).toMatchObject({ reason: "the trial failed: 500" });
		await until(() => gateway.lines.of("breaker.half_open").length === 2, { what: "the next half-open" });
		await gateway.expectQuiet();
	});

	test("a client that leaves in the trial leaves it half-open; the trial goes on and decides", async () => {
		const { endpoint, backend, gateway, state, open } = await startBreaking(refusing(500));
		await open();
		await gateway.waitForLog("breaker.half_open");
		const waiting: BackendPeer[] = [];
		endpoint.script = async (peer) => {
			await readRequest(peer);
			waiting.push(peer);
		};
		const leaving = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		leaving.write(leaving.handshakeHead());
		const peer = await until(() => waiting[0], { what: "the trial" });
		leaving.reset();
		expect(await gateway.waitForLog(({ code }) => code === "CLIENT_GONE")).toMatchObject({
			status: 499,
			attempts: [{ endpoint: backend.id, outcome: "client_gone" }],
		});
		// Its own outcome is not known: no other trial begins, and the endpoint still hears from the first one.
		await rejection(gateway, "NO_ENDPOINT");
		expect([await state(), backend.connections.length, peer.ending]).toEqual([1, 5, "open"]);
		expect(gateway.lines.of("breaker.closed")).toEqual([]);

		peer.write(switchingProtocols(peer.request as NonNullable<typeof peer.request>));
		await gateway.waitForLog("breaker.closed");
		expect(await state()).toBe(0);
		// The connection that nobody wants is closed politely.
		const close = await peer.readFrame();
		expect([close.opcode, close.closeCode, close.masked]).toEqual([OPCODE.close, 1001, true]);
		await until(() => peer.ending === "fin", { what: "a FIN after the Close" });
		peer.end();
		endpoint.script = echoingFrames();
		(await openRaw(gateway.port, "/", { localAddress: ownAddress() })).reset();
		await gateway.expectQuiet();
	});

	test("a trial that fails after its client left opens the breaker again", async () => {
		const { endpoint, gateway, state, open } = await startBreaking(refusing(500));
		await open();
		await gateway.waitForLog("breaker.half_open");
		const waiting: BackendPeer[] = [];
		endpoint.script = async (peer) => {
			await readRequest(peer);
			waiting.push(peer);
		};
		const leaving = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		leaving.write(leaving.handshakeHead());
		const peer = await until(() => waiting[0], { what: "the trial" });
		leaving.reset();
		await gateway.waitForLog(({ code }) => code === "CLIENT_GONE");
		expect(await state()).toBe(1);
		peer.reset();
		await until(() => gateway.lines.of("breaker.open").length === 2, { what: "the breaker to open again" });
		await gateway.expectQuiet();
	});

	test("a stop with a trial under way that nobody waits for gives it up", async () => {
		const { endpoint, backend, gateway, open } = await startBreaking(refusing(500));
		await open();
		await gateway.waitForLog("breaker.half_open");
		endpoint.script = silent;
		const leaving = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		leaving.write(leaving.handshakeHead());
		await until(() => backend.connections.length === 5, { what: "the trial" });
		leaving.reset();
		await gateway.waitForLog(({ code }) => code === "CLIENT_GONE");
		expect(backend.openCount()).toBe(1);
		await gateway.stop();
		await until(() => backend.openCount() === 0, { what: "the trial to be given up" });
	});

	test("plain HTTP counts, and can be the trial", async () => {
		const { endpoint, gateway, state } = await startBreaking(refusing(500));
		const get = async () => {
			const response = await fetch(`http://127.0.0.1:${gateway.port}/`, {
				headers: { "X-Forwarded-For": ownAddress() },
			});
			await response.arrayBuffer();
			return response.status;
		};
		for (let i = 0; i < 4; i++) expect(await get()).toBe(500);
		await gateway.waitForLog("breaker.open");
		await gateway.waitForLog("breaker.half_open");
		endpoint.script = refusing(200);
		expect(await get()).toBe(200);
		expect(await state()).toBe(0);
	});

	test("a plain HTTP trial whose client leaves says nothing: the next request is the trial", async () => {
		const { endpoint, backend, gateway, status, state, open } = await startBreaking(refusing(500));
		await open();
		await gateway.waitForLog("breaker.half_open");
		endpoint.script = silent;
		const leaving = new AbortController();
		const left = fetch(`http://127.0.0.1:${gateway.port}/`, {
			signal: leaving.signal,
			headers: { "X-Forwarded-For": ownAddress() },
		});
		await until(() => backend.connections.length === 5, { what: "the trial" });
		expect(await status()).toBe(503);
		leaving.abort();
		await expect(left).rejects.toThrow();
		await gateway.waitForLog("http.request");
		expect(await state()).toBe(1);
		endpoint.script = echoingFrames();
		expect(await status()).toBe(101);
		expect(await state()).toBe(0);
	});
});

test("max_connections: a full endpoint is passed over; when all are full, 503 OVERLOADED; a place that is free is used", async () => {
	const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
	const gateway = await start(
		backends.map(({ url }) => url),
		"max_connections: 2",
		"retries: { attempts: 1 }",
	);
	const clients: RawClient[] = [];
	for (let i = 0; i < 4; i++) clients.push(await openRaw(gateway.port, "/", { localAddress: ownAddress() }));
	expect(backends.map(({ connections }) => connections.length)).toEqual([2, 2]);
	await rejection(gateway, "OVERLOADED");
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 503, code: "OVERLOADED", attempts: [] });
	clients[0]?.reset();
	await until(() => gateway.handle.connectionCount() === 3, { what: "a free place" });
	clients.push(await openRaw(gateway.port, "/", { localAddress: ownAddress() }));
	await rejection(gateway, "OVERLOADED");
	for (const client of clients) client.reset();
	await gateway.expectQuiet();
});

test("max_pending_handshakes: never more at once, and the places of clients that left come back", async () => {
	const slow = await startRawBackend(silent);
	const gateway = await start([slow.url], "max_pending_handshakes: 2");
	for (let round = 0; round < 3; round++) {
		const waiting: RawClient[] = [];
		for (let i = 0; i < 2; i++) {
			const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
			client.write(client.handshakeHead());
			waiting.push(client);
		}
		await until(() => slow.connections.length === 2 * round + 2, { what: "two handshakes under way" });
		await rejection(gateway, "OVERLOADED");
		for (const client of waiting) client.reset();
		await until(() => slow.openCount() === 0, { what: "the dials to be given up" });
	}
	await gateway.expectQuiet();
});
