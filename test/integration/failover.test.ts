/** An endpoint that fails the handshake does not fail the client, as long as another one serves. */
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import {
	acceptingSlowly,
	answering,
	echoingFrames,
	endAfterHead,
	missingUpgrade,
	refusing,
	resetAfterHead,
	resetOnAccept,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
	wrongAccept,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

function start(urls: readonly string[], route = "") {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: 300ms, handshake: 500ms }
				${route}
	`);
}

async function urlOf(script: Script | "closed"): Promise<string> {
	return script === "closed" ? `ws://127.0.0.1:${await closedPort()}` : (await startRawBackend(script)).url;
}

/** A backend whose first answer never ends. */
const endlessHead: Script = answering(`HTTP/1.1 101 Switching Protocols\r\n${"X-Filler: x\r\n".repeat(10)}`);
/** A backend that sends more header than anyone should hold. */
const hugeHead: Script = answering(`HTTP/1.1 101 Switching Protocols\r\nX-Huge: ${"x".repeat(5_000_000)}`);

const failures: [string, Script | "closed", string | RegExp, number, string | RegExp][] = [
	["refuses the connection", "closed", "connect_failure", 502, "CONNECT_FAILED"],
	[
		"resets the connection at once",
		resetOnAccept,
		/^(connect_failure|bad_handshake)$/,
		502,
		/^(CONNECT_FAILED|BAD_BACKEND_HANDSHAKE)$/,
	],
	[
		"resets the connection after the request",
		resetAfterHead,
		/^(connect_failure|bad_handshake)$/,
		502,
		/^(CONNECT_FAILED|BAD_BACKEND_HANDSHAKE)$/,
	],
	[
		"closes the connection after the request",
		endAfterHead,
		/^(connect_failure|bad_handshake)$/,
		502,
		/^(CONNECT_FAILED|BAD_BACKEND_HANDSHAKE)$/,
	],
	["stays silent", silent, "handshake_timeout", 504, "HANDSHAKE_TIMEOUT"],
	["begins an answer and never ends it", endlessHead, "handshake_timeout", 504, "HANDSHAKE_TIMEOUT"],
	["answers a head without end", hugeHead, "bad_handshake", 502, "BAD_BACKEND_HANDSHAKE"],
	["answers a wrong Accept", wrongAccept, "bad_handshake", 502, "BAD_BACKEND_HANDSHAKE"],
	["answers a 101 without Upgrade", missingUpgrade, "bad_handshake", 502, "BAD_BACKEND_HANDSHAKE"],
	[
		"answers something that is not HTTP",
		answering("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
		"bad_handshake",
		502,
		"BAD_BACKEND_HANDSHAKE",
	],
	[
		"answers twice Accept",
		answering((request) => switchingProtocols(request, { headers: { "Sec-WebSocket-Accept": "x" } })),
		"bad_handshake",
		502,
		"BAD_BACKEND_HANDSHAKE",
	],
];

describe.each(failures)("a backend that %s", (_, script, outcome, status, code) => {
	test("is passed over: the second one serves and the log tells both attempts", async () => {
		const bad = await urlOf(script);
		const good = await startRawBackend(echoingFrames());
		const gateway = await start([bad, good.url]);
		// Whichever comes first in the balancer's order: of two connections one begins at the bad endpoint.
		for (let i = 0; i < 2; i++) {
			const startedAt = performance.now();
			const client = await openRaw(gateway.port, "/", { timeout: 3_000 });
			expect(performance.now() - startedAt).toBeLessThan(2_000);
			client.sendFrame(OPCODE.text, `hello ${i}`);
			expect((await client.readFrame()).text).toBe(`hello ${i}`);
			client.sendClose(1000);
			expect((await client.readFrame()).closeCode).toBe(1000);
			client.end();
			await until(() => gateway.lines.of("ws.close").length === i + 1, { what: "the ws.close line" });
		}
		const tried = gateway.lines.of("ws.open").map(({ attempts }) => attempts ?? []);
		const two = tried.find((attempts) => attempts.length === 2);
		expect(two?.map(({ endpoint }) => endpoint)).toEqual([bad.slice(5), good.id]);
		expect(two?.[0]?.outcome).toMatch(outcome);
		expect(two?.[1]?.outcome).toBe("ok");
		for (const attempts of tried) expect(attempts.at(-1)).toMatchObject({ endpoint: good.id, outcome: "ok" });
		for (const record of gateway.lines.of("ws.open")) expect(record.endpoint).toBe(good.id);
		await gateway.expectQuiet();
	});

	test("alone gives the client a whole answer that says what to do", async () => {
		const gateway = await start([await urlOf(script)]);
		const client = await connectRaw({ port: gateway.port });
		const head = await client.handshake();
		const expected = typeof code === "string" ? code : code.source.slice(1, -1);
		await expectRejection(client, head, status, expected);
		const rejected = await gateway.waitForLog("ws.reject");
		expect(rejected).toMatchObject({ status, upstream: "app" });
		expect(rejected.code).toMatch(code);
		expect(rejected.attempts).toHaveLength(1);
		expect(rejected.attempts?.[0]?.outcome).toMatch(outcome);
		client.end();
		await gateway.expectQuiet();
	});
});

test("every endpoint down: each is tried once, the client gets 502", async () => {
	const ports = [await closedPort(), await closedPort(), await closedPort()];
	const gateway = await start(ports.map((port) => `ws://127.0.0.1:${port}`));
	const client = await connectRaw({ port: gateway.port });
	await expectRejection(client, await client.handshake("/secret?token=hunter2"), 502, "CONNECT_FAILED");
	const rejected = await gateway.waitForLog("ws.reject");
	expect(rejected.attempts?.map(({ endpoint }) => endpoint).sort()).toEqual(
		ports.map((port) => `127.0.0.1:${port}`).sort(),
	);
	expect(rejected.path).toBe("/secret");
	expect(JSON.stringify(gateway.logs)).not.toContain("hunter2");
	await gateway.expectQuiet();
});

test("a busy endpoint is passed over by status; a 4xx is never tried elsewhere", async () => {
	const busy = await startRawBackend(refusing(503, { body: "busy" }));
	const strict = await startRawBackend(
		refusing(401, { body: "who are you?", headers: { "WWW-Authenticate": "Bearer", "X-Trace": "1" } }),
	);
	const good = await startRawBackend(echoingFrames());
	const viaBusy = await start([busy.url, good.url]);
	for (let i = 0; i < 2; i++) (await openRaw(viaBusy.port)).reset();
	await until(() => viaBusy.lines.of("ws.open").length === 2, { what: "two opens" });
	const outcomes = viaBusy.lines.of("ws.open").map(({ attempts }) => attempts?.map(({ outcome }) => outcome));
	expect(outcomes).toContainEqual(["503", "ok"]);
	await viaBusy.expectQuiet();

	const gateway = await start([strict.url, strict.url.replace("127.0.0.1", "localhost")]);
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake();
	expect([head.status, head.header("www-authenticate"), head.header("x-trace")]).toEqual([401, "Bearer", "1"]);
	expect(await client.readBody(head)).toBe("who are you?");
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({
		status: 401,
		code: "BACKEND_REFUSED",
		backend_status: 401,
		attempts: [{ outcome: "401" }],
	});
	expect(strict.connections).toHaveLength(1);
	await gateway.expectQuiet();
});

test("when every endpoint is busy, the last answer reaches the client with its Retry-After", async () => {
	const busy = await startRawBackend(refusing(503, { body: "come back later\n", headers: { "Retry-After": "7" } }));
	const gateway = await start([busy.url]);
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake();
	expect([head.status, head.header("retry-after")]).toEqual([503, "7"]);
	expect(await client.readBody(head)).toBe("come back later\n");
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 503, backend_status: 503 });
	await gateway.expectQuiet();
});

test("no endpoint that takes connections: 503 with Retry-After, nothing is dialled", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [{ url: "${backend.url}", state: maint }] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake();
	await expectRejection(client, head, 503, "NO_ENDPOINT");
	expect(Number(head.header("retry-after"))).toBeGreaterThan(0);
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 503, code: "NO_ENDPOINT", attempts: [] });
	expect(backend.connections).toHaveLength(0);
	await gateway.expectQuiet();
});

test("a backup endpoint serves only when the others fail", async () => {
	const primary = await startRawBackend(echoingFrames());
	const backup = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [{ url: "${backup.url}", backup: true }, "${primary.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	for (let i = 0; i < 3; i++) (await openRaw(gateway.port)).reset();
	expect([primary.connections.length, backup.connections.length]).toEqual([3, 0]);
	await primary.close();
	(await openRaw(gateway.port)).reset();
	await until(() => gateway.lines.of("ws.open").length === 4, { what: "four opens" });
	expect(
		gateway.lines
			.of("ws.open")
			.at(-1)
			?.attempts?.map(({ outcome }) => outcome),
	).toEqual(["connect_failure", "ok"]);
	await gateway.expectQuiet();
});

test("retries.attempts 1 means no second endpoint, and a condition left out of retries.on is not retried", async () => {
	const dead = `ws://127.0.0.1:${await closedPort()}`;
	const good = await startRawBackend(echoingFrames());
	for (const retries of ["retries: { attempts: 1 }", "retries: { on: [handshake_timeout] }"]) {
		const gateway = await start([dead, good.url], retries);
		const statuses: number[] = [];
		for (let i = 0; i < 2; i++) {
			const client = await connectRaw({ port: gateway.port });
			statuses.push((await client.handshake()).status);
			client.reset();
		}
		expect(statuses.sort()).toEqual([101, 502]);
		expect((await gateway.waitForLog("ws.reject")).attempts).toHaveLength(1);
		await gateway.expectQuiet();
	}
});

test("an answer that comes one byte at a time is still an answer", async () => {
	const backend = await startRawBackend(acceptingSlowly(1));
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { handshake: 10s } }]
	`);
	const client = await openRaw(gateway.port);
	client.sendFrame(OPCODE.text, "slow start");
	expect((await client.readFrame()).text).toBe("slow start");
	client.sendClose(1000);
	await client.readFrame();
	client.end();
	await gateway.expectQuiet();
});

test("a client that leaves during the dial is logged as 499 CLIENT_GONE, and its attempt does not linger", async () => {
	const backend = await startRawBackend(silent);
	const gateway = await start([backend.url], "retries: { attempts: 3 }");
	const client = await connectRaw({ port: gateway.port });
	client.write(client.handshakeHead());
	await backend.connection();
	client.reset();
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 499, code: "CLIENT_GONE" });
	await until(() => backend.openCount() === 0, { what: "the dial to be given up" });
	expect(backend.connections).toHaveLength(1);
	await gateway.expectQuiet();
});
