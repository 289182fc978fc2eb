/** `limits`: how many connections there may be of a route, an address and a user, and how fast new ones may come. */
import { expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { type Guarded, startGuarded, type UpgradeOptions } from "../harness/guarded.ts";
import { until } from "../harness/poll.ts";
import { readRequest, refusing, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import type { Head } from "../harness/raw-peer.ts";
import { expectRejection } from "../harness/rejections.ts";
import { SECRET, token } from "../harness/tokens.ts";

async function open(guarded: Guarded, options: UpgradeOptions = {}): Promise<RawClient> {
	const client = await guarded.upgrade("/", options);
	expect(client.head.status).toBe(101);
	return client;
}

async function refused(client: RawClient & { head: Head }, status: number, code: string): Promise<void> {
	await expectRejection(client, client.head, status, code);
	expect(Number(client.head.header("retry-after"))).toBeGreaterThan(0);
}

async function close(guarded: Guarded, client: RawClient): Promise<void> {
	const before = guarded.gateway.handle.connectionCount();
	client.sendClose(1000);
	await client.readFrameOf(OPCODE.close);
	client.end();
	await until(() => guarded.gateway.handle.connectionCount() < before, { what: "the connection to be over" });
}

test("connections_per_ip: the next one of that address is a 429 with Retry-After, others are not touched", async () => {
	const guarded = await startGuarded("limits: { connections_per_ip: 2 }");
	const [one] = [await open(guarded), await open(guarded)] as [RawClient, RawClient];
	await refused(await guarded.upgrade(), 429, "LIMIT_CONNECTIONS_PER_IP");
	expect((await guarded.http()).head.status).toBe(429);
	await open(guarded, { localAddress: "127.0.0.2" });
	expect((await guarded.http("/", { localAddress: "127.0.0.2" })).head.status).toBe(200);
	await close(guarded, one);
	await open(guarded);
	await refused(await guarded.upgrade(), 429, "LIMIT_CONNECTIONS_PER_IP");
	expect(await guarded.gateway.waitForLog("ws.reject")).toMatchObject({
		code: "LIMIT_CONNECTIONS_PER_IP",
		status: 429,
	});
});

test("IPv6 clients count by /64", async () => {
	const guarded = await startGuarded("limits: { connections_per_ip: 1 }", { top: "trusted_proxies: [127.0.0.1]" });
	const from = (address: string) => ({ headers: { "X-Forwarded-For": address } });
	await open(guarded, from("2001:db8:1:2::1"));
	await refused(await guarded.upgrade("/", from("2001:DB8:1:2:ffff:ffff:ffff:ffff")), 429, "LIMIT_CONNECTIONS_PER_IP");
	await refused(await guarded.upgrade("/", from("2001:0db8:0001:0002::")), 429, "LIMIT_CONNECTIONS_PER_IP");
	await open(guarded, from("2001:db8:1:3::1"));
	await open(guarded, from("203.0.113.1"));
	await open(guarded, from("203.0.113.2"));
});

test("connections: a full route is a 503, and a place that becomes free is given on", async () => {
	const guarded = await startGuarded("limits: { connections: 3 }");
	const all = await Promise.all([2, 3, 4].map((last) => open(guarded, { localAddress: `127.0.0.${last}` })));
	await refused(await guarded.upgrade(), 503, "LIMIT_CONNECTIONS");
	await close(guarded, all[0] as RawClient);
	await open(guarded);
});

test("connections_per_user: counted by the token's subject wherever it comes from", async () => {
	const guarded = await startGuarded(
		`auth: { jwt: { secret: "${SECRET}", required: false } }\nlimits: { connections_per_user: 1 }`,
	);
	const as = async (sub: string, localAddress: string) => ({
		headers: { Authorization: `Bearer ${await token({ sub })}` },
		localAddress,
	});
	const ada = await open(guarded, await as("ada", "127.0.0.2"));
	await refused(await guarded.upgrade("/", await as("ada", "127.0.0.3")), 429, "LIMIT_CONNECTIONS_PER_USER");
	await open(guarded, await as("eve", "127.0.0.2"));
	await open(guarded);
	await open(guarded);
	await close(guarded, ada);
	await open(guarded, await as("ada", "127.0.0.3"));
});

test("new_connections_per_ip: a burst, then the rate, with the time to wait in Retry-After", async () => {
	const guarded = await startGuarded("limits: { new_connections_per_ip: { rate: 6/m, burst: 3 } }");
	for (let i = 0; i < 3; i++) (await open(guarded)).reset();
	const client = await guarded.upgrade();
	await expectRejection(client, client.head, 429, "LIMIT_NEW_CONNECTIONS");
	expect(Number(client.head.header("retry-after"))).toBeGreaterThanOrEqual(9);
	expect(Number(client.head.header("retry-after"))).toBeLessThanOrEqual(10);
	await open(guarded, { localAddress: "127.0.0.2" });
	const plain = await Promise.all(Array.from({ length: 5 }, () => guarded.http("/", { localAddress: "127.0.0.3" })));
	expect(plain.map(({ head }) => head.status).sort()).toEqual([200, 200, 200, 429, 429]);
	const kept = await connectRaw({ port: guarded.gateway.port, localAddress: "127.0.0.4" });
	for (let i = 0; i < 10; i++) {
		kept.write("GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
		const head = await kept.readHead();
		await kept.readBody(head);
		expect(head.status, "one connection, however many requests").toBe(200);
	}

	const behind = await startGuarded("limits: { new_connections_per_ip: { rate: 6/m, burst: 2 } }", {
		top: "trusted_proxies: [127.0.0.1]",
	});
	const proxy = await connectRaw({ port: behind.gateway.port });
	const statuses: number[] = [];
	for (const address of ["6.6.6.1", "6.6.6.2", "6.6.6.1", "6.6.6.2", "6.6.6.2", "6.6.6.1"]) {
		proxy.write(`GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Forwarded-For: ${address}\r\n\r\n`);
		const head = await proxy.readHead();
		await proxy.readBody(head);
		statuses.push(head.status);
	}
	expect(statuses, "a proxy's connection is that of many clients").toEqual([200, 200, 200, 200, 200, 429]);

	const fast = await startGuarded("limits: { new_connections_per_ip: { rate: 20/s, burst: 1 } }");
	await open(fast);
	await until(async () => (await fast.upgrade()).head.status === 101, { what: "the rate to give a connection" });
});

test("a handshake that fails gives everything back: by a later check, by the backend, or by the client", async () => {
	const guarded = await startGuarded(
		`auth: { jwt: { secret: "${SECRET}" } }\nlimits: { connections: 1, connections_per_ip: 1 }`,
	);
	for (let i = 0; i < 5; i++) expect((await guarded.upgrade()).head.status).toBe(401);
	await open(guarded, { headers: { Authorization: `Bearer ${await token()}` } });

	const backend = await startRawBackend(async (peer, index) => {
		if (index < 5) await refusing(403)(peer, index);
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ upstream: app, limits: { connections: 1, connections_per_ip: 1 } }]
	`);
	for (let i = 0; i < 5; i++) {
		expect((await (await connectRaw({ port: gateway.port })).handshake()).status).toBe(403);
	}
	for (let i = 0; i < 5; i++) {
		const client = await connectRaw({ port: gateway.port });
		client.write(client.handshakeHead());
		await until(() => backend.connections[5 + i], { what: "the handshake to reach the backend" });
		client.reset();
		await until(() => gateway.lines.of("ws.reject").length === 6 + i, { what: "the client to be missed" });
	}
	expect(
		gateway.lines
			.of("ws.reject")
			.map(({ code }) => code)
			.slice(5),
	).toEqual(Array(5).fill("CLIENT_GONE"));
	await gateway.expectQuiet();
});

test("a plain HTTP request has a place while it runs, and gives it back however it ends", async () => {
	const backend = await startRawBackend(async (peer) => {
		const { target } = await readRequest(peer);
		if (target === "/now") peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ upstream: app, limits: { connections: 3, connections_per_ip: 2 } }]
	`);
	const ask = async (target: string, localAddress = "127.0.0.1"): Promise<RawClient> => {
		const client = await connectRaw({ port: gateway.port, localAddress });
		client.write(`GET ${target} HTTP/1.1\r\nHost: gateway.test\r\n\r\n`);
		return client;
	};
	const status = async (client: RawClient): Promise<number> => (await client.readHead()).status;
	const running = [await ask("/poll"), await ask("/poll"), await ask("/poll", "127.0.0.2")];
	await until(() => backend.connections.length === 3, { what: "the requests at the backend" });
	expect(await status(await ask("/now"))).toBe(429);
	expect(await status(await ask("/now", "127.0.0.3"))).toBe(503);
	for (const client of running) client.reset();
	await until(async () => (await status(await ask("/now"))) === 200, { what: "free places" });
	for (let i = 0; i < 10; i++) expect(await status(await ask("/now"))).toBe(200);
});

test("a hundred at once get exactly as many places as there are", async () => {
	const guarded = await startGuarded("limits: { connections: 10 }");
	const clients = await Promise.all(Array.from({ length: 100 }, () => guarded.upgrade()));
	const statuses = clients.map(({ head }) => head.status);
	expect(statuses.filter((status) => status === 101)).toHaveLength(10);
	expect(statuses.filter((status) => status === 503)).toHaveLength(90);
	for (const client of clients) client.reset();
	await until(() => guarded.gateway.handle.connectionCount() === 0, { what: "all to be over" });
	const again = await Promise.all(Array.from({ length: 10 }, () => guarded.upgrade()));
	expect(again.every(({ head }) => head.status === 101)).toBe(true);
});

test("refusals are counted by route and limit, and the size of the tables is reported", async () => {
	const guarded = await startGuarded(
		"limits: { connections_per_ip: 1, new_connections_per_ip: { rate: 1/h, burst: 3 } }",
		{ top: 'admin: { address: "127.0.0.1:0" }' },
	);
	await open(guarded);
	for (let i = 0; i < 3; i++) await guarded.upgrade();
	await open(guarded, { localAddress: "127.0.0.2" });
	const text = await (await fetch(`http://127.0.0.1:${guarded.gateway.handle.adminPort}/metrics`)).text();
	expect(text).toContain('clawgate_rate_limited_total{route="app",limit="connections_per_ip"} 2');
	expect(text).toContain('clawgate_rate_limited_total{route="app",limit="new_connections_per_ip"} 1');
	expect(text).toContain('clawgate_limiter_entries{limit="connections_per_ip"} 2');
	expect(text).toContain('clawgate_limiter_entries{limit="new_connections_per_ip"} 2');
});
