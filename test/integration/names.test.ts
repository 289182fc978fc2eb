/** A name server that is silent for one name: everything else goes on. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { startDnsServer } from "../unit/upstreams/discovery/dns-server.fixtures.ts";

test("clients, health checks, auth servers and key sets of silent names keep no other name waiting; the reason is told", async () => {
	const backend = await startWsBackend();
	const dead = ["one", "two", "three", "probed", "auth", "keys"].map((name) => `${name}.dead.test`);
	const dns = await startDnsServer({
		"good.test": { a: ["127.0.0.1"] },
		...Object.fromEntries(dead.map((name) => [name, { trouble: "silent" as const }])),
	});
	const to = new URL(backend.url).port;
	const gateway = await startTestGateway(
		`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams:
				named: { endpoints: ["ws://localhost:${to}"] }
				good: { endpoints: ["ws://good.test:${to}"] }
				dead: { endpoints: ["ws://one.dead.test:${to}", "ws://two.dead.test:${to}", "wss://three.dead.test:${to}"] }
				probed:
					endpoints: ["ws://probed.dead.test:${to}"]
					health_check: { type: tcp, interval: 500ms, timeout: 400ms }
			routes:
				- { match: { path: /named }, upstream: named }
				- { match: { path: /good }, upstream: good }
				- { match: { path: /dead }, upstream: dead, retries: { attempts: 1 } }
				- { match: { path: /probed }, upstream: probed }
				- { match: { path: /auth }, upstream: good, auth: { forward: { url: "http://auth.dead.test/", timeout: 2s } } }
				- { match: { path: /keys }, upstream: good, auth: { jwt: { jwks_url: "http://keys.dead.test/" } } }
		`,
		{ nameServers: { servers: [dns.address], timeout: 1_500 } },
	);
	const status = async (path: string) => (await (await connectRaw({ port: gateway.port })).handshake(path)).status;
	const waiting = [...Array<string>(12).fill("/dead"), "/auth", "/keys"].map(status);
	await until(() => dead.slice(0, 4).every((name) => dns.questions.includes(`A ${name}`)), { what: "the questions" });
	const startedAt = performance.now();
	for (const path of ["/named", "/good"]) {
		(await openRaw(gateway.port, path)).reset();
		// Plain HTTP dials by the same names: the backend has nothing there.
		expect((await fetch(`http://127.0.0.1:${gateway.port}${path}`)).status).toBe(404);
	}
	expect(performance.now() - startedAt).toBeLessThan(1_000);
	expect(new Set((await Promise.all(waiting)).slice(0, 12))).toEqual(new Set([502]));
	const told = gateway.lines.of("lookup.failed").map(({ name, reason }) => [name, reason]);
	expect(told).toContainEqual(["one.dead.test", "no name server answered"]);
	expect(await gateway.waitForLog(({ code }) => code === "CONNECT_FAILED")).toMatchObject({
		message: expect.stringContaining("the name server did not answer"),
	});
	await until(() => gateway.lines.of("endpoint.down").length === 1, { what: "the probed one to be down" });
});

test("address_cache: the last good address stays in use while the name server is silent", async () => {
	const backend = await startRawBackend(echoingFrames());
	const dns = await startDnsServer({ "chat.test": { a: ["127.0.0.1"] } });
	const gateway = await startTestGateway(
		`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { app: { endpoints: ["ws://chat.test:${backend.port}"], address_cache: 0s } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`,
		{ nameServers: { servers: [dns.address], timeout: 1_500 } },
	);
	(await openRaw(gateway.port)).reset();
	dns.zones["chat.test"] = { trouble: "silent" };
	const startedAt = performance.now();
	for (let i = 0; i < 3; i++) (await openRaw(gateway.port)).reset();
	expect(performance.now() - startedAt).toBeLessThan(3_000);
	expect(await gateway.waitForLog("lookup.failed")).toMatchObject({
		level: "warn",
		name: "chat.test",
		reason: "no name server answered",
		addresses: ["127.0.0.1"],
	});
});
