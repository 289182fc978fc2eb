/** Health checks: who cannot serve is found out in time and gets nobody, and is back when it can. */
import { describe, expect, test } from "vitest";
import { startNode } from "../harness/child.ts";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import {
	type BackendPeer,
	echoingFrames,
	endAfterHead,
	type RawBackend,
	readRequest,
	refusing,
	resetAfterHead,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
	wrongAccept,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { runCli } from "./cli.fixtures.ts";

const INTERVAL = 200;
const TIMEOUT = 200;
const THRESHOLD = 3;
const WEBSOCKET = `{ type: websocket, interval: ${INTERVAL}ms, timeout: ${TIMEOUT}ms, unhealthy_threshold: ${THRESHOLD} }`;
/** What the machine may add when it is busy. */
const SLACK = 1_500;

function yaml(urls: readonly string[], check: string, more = ""): string {
	return `
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		upstreams:
			app:
				endpoints: [${urls.map((url) => (url.startsWith("{") ? url : JSON.stringify(url))).join(", ")}]
				health_check: ${check}
				${more}
		routes: [{ name: app, match: { path_prefix: / }, upstream: app, timeouts: { connect: 1s, handshake: 2s } }]
	`;
}

/** A backend whose behaviour can be changed, for probes and clients alike. */
async function startChangeable(first: Script = echoingFrames()) {
	let script = first;
	const backend = await startRawBackend((peer, index) => script(peer, index));
	return {
		...backend,
		behave: (next: Script) => {
			script = next;
		},
	};
}

function isProbe({ request }: BackendPeer): boolean {
	return request?.header("user-agent") === "clawgate-health-check";
}

/** The connections of clients that have sent their request. */
const clients = (backend: Pick<RawBackend, "connections">) =>
	backend.connections.filter((peer) => peer.request && !isProbe(peer));

async function up(gateway: Pick<TestGateway, "lines">, ...ids: string[]): Promise<void> {
	await until(() => ids.every((id) => gateway.lines.of("endpoint.up").some(({ endpoint }) => endpoint === id)), {
		what: `endpoint.up of ${ids.join(", ")}`,
	});
}

const down = (gateway: Pick<TestGateway, "lines">, id: string) =>
	gateway.lines.waitFor(({ event, endpoint }) => event === "endpoint.down" && endpoint === id);

async function metrics(gateway: TestGateway): Promise<string> {
	return (await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
}

const failures: [string, Script, RegExp][] = [
	["accepts and never answers", silent, /^no answer within 200ms$/],
	["resets the connection", resetAfterHead, /reset|closed/],
	["closes the connection", endAfterHead, /closed/],
	["answers 500", refusing(500), /^status 500$/],
	["answers a wrong Accept", wrongAccept, /Sec-WebSocket-Accept/],
];

describe.each(failures)("an endpoint that %s", (_, failure, reason) => {
	test("is out of rotation in time, and back after two good probes", async () => {
		const good = await startRawBackend(echoingFrames());
		const flaky = await startChangeable();
		const gateway = await startTestGateway(yaml([flaky.url, good.url], WEBSOCKET));
		await up(gateway, flaky.id, good.id);
		const kept = [await openRaw(gateway.port), await openRaw(gateway.port)];
		expect(clients(flaky)).toHaveLength(1);

		flaky.behave(failure);
		const failedAt = performance.now();
		const line = await down(gateway, flaky.id);
		expect(performance.now() - failedAt).toBeLessThan(INTERVAL * THRESHOLD + TIMEOUT + SLACK);
		expect(line).toMatchObject({ level: "warn", upstream: "app", check: "websocket", failures: THRESHOLD });
		expect(line.reason).toMatch(reason);
		expect(await metrics(gateway)).toContain(`clawgate_endpoint_up{upstream="app",endpoint="${flaky.id}"} 0`);

		const before = clients(flaky).length;
		for (let i = 0; i < 4; i++) (await openRaw(gateway.port)).reset();
		expect(clients(flaky)).toHaveLength(before);
		// Open connections are left alone: on_unhealthy is keep.
		for (const client of kept) {
			client.sendFrame(OPCODE.text, "still here");
			expect((await client.readFrame()).text).toBe("still here");
		}

		flaky.behave(echoingFrames());
		const back = await gateway.waitForLog(
			({ event, endpoint, successes }) => event === "endpoint.up" && endpoint === flaky.id && successes === 2,
		);
		expect(back).toMatchObject({ level: "info", reason: "the handshake was accepted" });
		for (let i = 0; i < 2; i++) (await openRaw(gateway.port)).reset();
		expect(clients(flaky).length).toBeGreaterThan(before);
		expect(await metrics(gateway)).toContain(`clawgate_endpoint_up{upstream="app",endpoint="${flaky.id}"} 1`);
		for (const client of kept) client.reset();
		await gateway.expectQuiet();
	});
});

describe.each(["tcp", "http", "websocket"])("type %s", (type) => {
	const check = `{ type: ${type}, path: /health, interval: 100ms, timeout: 100ms }`;

	test("finds out that a backend was killed, and that it is there again", async () => {
		const good = await startWsBackend({ onRequest: (_, response) => response.end() });
		const first = await startRawBackend(plainOrWebSocket, { autoClose: false });
		const gateway = await startTestGateway(yaml([first.url, good.url], check));
		await up(gateway, first.id, good.id);
		await first.close();
		expect((await down(gateway, first.id)).reason).toMatch(/refused|reset|closed/);
		for (let i = 0; i < 3; i++) (await openRaw(gateway.port)).reset();
		const opens = await until(
			() => (gateway.lines.of("ws.open").length === 3 ? gateway.lines.of("ws.open") : undefined),
			{
				what: "three opens",
			},
		);
		for (const { attempts } of opens) expect(attempts).toHaveLength(1);
		const again = await startRawBackend(plainOrWebSocket, { port: first.port });
		await gateway.waitForLog(({ event, successes }) => event === "endpoint.up" && successes === 2);
		await until(
			async () => {
				(await openRaw(gateway.port)).reset();
				return clients(again).length > 0;
			},
			{ what: "a client at the backend that is back" },
		);
		await gateway.expectQuiet();
	});
});

/** A WebSocket server that answers plain HTTP too, in a process of its own. */
const CHILD = `
	const server = require("node:http").createServer((_, response) => response.end());
	new (require("ws").WebSocketServer)({ server });
	server.listen(0, "127.0.0.1", () => {
		console.log(JSON.stringify({ event: "listening", port: server.address().port }));
	});
`;

const plainOrWebSocket: Script = async (peer) => {
	const request = await readRequest(peer);
	if (request.header("upgrade") === undefined) {
		peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		return peer.end();
	}
	peer.write(switchingProtocols(request));
	await peer.readFrame(60_000);
	peer.sendClose(1000);
	peer.end();
};

test.each(["http", "websocket"])("type %s finds out that a backend's process was stopped (SIGSTOP)", async (type) => {
	const check = `{ type: ${type}, interval: 100ms, timeout: 100ms }`;
	const child = startNode(["-e", CHILD]);
	const { port } = await child.out.waitFor("listening", 10_000);
	const id = `127.0.0.1:${port}`;
	const good = await startWsBackend({ onRequest: (_, response) => response.end() });
	const gateway = await startTestGateway(yaml([`ws://${id}`, good.url], check));
	await up(gateway, id, good.id);
	child.kill("SIGSTOP");
	expect((await down(gateway, id)).reason).toBe("no answer within 100ms");
	const startedAt = performance.now();
	for (let i = 0; i < 3; i++) (await openRaw(gateway.port)).reset();
	expect(performance.now() - startedAt).toBeLessThan(2_000);
	child.kill("SIGCONT");
	await gateway.waitForLog(({ event, successes }) => event === "endpoint.up" && successes === 2);
	child.kill("SIGKILL");
	await gateway.waitForLog(({ event, failures: count }) => event === "endpoint.down" && count === 3);
	await gateway.expectQuiet();
});

test("what is down when the gateway starts gets nobody after the first probe", async () => {
	const port = await closedPort();
	const good = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(yaml([`ws://127.0.0.1:${port}`, good.url], "{ type: tcp, interval: 1h }"));
	const line = await down(gateway, `127.0.0.1:${port}`);
	expect(line).toMatchObject({ check: "tcp", failures: 1 });
	expect(line.reason).toMatch(/^connection refused/);
	for (let i = 0; i < 3; i++) (await openRaw(gateway.port)).reset();
	await until(() => gateway.lines.of("ws.open").length === 3, { what: "three opens" });
	for (const { attempts } of gateway.lines.of("ws.open")) expect(attempts).toHaveLength(1);
	await gateway.expectQuiet();
});

test("nobody is refused in the first moments, when nothing is known yet", async () => {
	const backend = await startWsBackend({ onRequest: () => undefined });
	const gateway = await startTestGateway(yaml([backend.url], "{ type: http, interval: 1h, timeout: 1h }"));
	const client = await openWs(gateway.url());
	client.socket.send("hello");
	expect(await client.next()).toBe("hello");
	expect(gateway.lines.of("endpoint.up")).toEqual([]);
	client.socket.close(1000);
	await gateway.waitForLog("ws.close");
	await gateway.expectQuiet();
});

test("all down: 503 with Retry-After, and service again after one of them is back", async () => {
	const a = await startChangeable(refusing(500));
	const b = await startChangeable(refusing(500));
	const gateway = await startTestGateway(yaml([a.url, b.url], WEBSOCKET));
	await down(gateway, a.id);
	await down(gateway, b.id);
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake();
	expect(Number(head.header("retry-after"))).toBeGreaterThanOrEqual(1);
	await expectRejection(client, head, 503, "NO_ENDPOINT");
	expect((await gateway.waitForLog("ws.reject")).attempts).toEqual([]);
	expect((await fetch(`http://127.0.0.1:${gateway.port}/`)).status).toBe(503);
	b.behave(echoingFrames());
	await up(gateway, b.id);
	(await openRaw(gateway.port)).reset();
	client.end();
	await gateway.expectQuiet();
});

test("a backup takes over while the primary is down, and hands back", async () => {
	const primary = await startChangeable();
	const backup = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(yaml([primary.url, `{ url: "${backup.url}", backup: true }`], WEBSOCKET));
	await up(gateway, primary.id, backup.id);
	(await openRaw(gateway.port)).reset();
	expect(clients(backup)).toHaveLength(0);
	primary.behave(refusing(503));
	await down(gateway, primary.id);
	(await openRaw(gateway.port)).reset();
	expect(clients(backup)).toHaveLength(1);
	primary.behave(echoingFrames());
	await gateway.waitForLog(({ event, successes }) => event === "endpoint.up" && successes === 2);
	(await openRaw(gateway.port)).reset();
	expect(clients(backup)).toHaveLength(1);
	await gateway.expectQuiet();
});

test("an endpoint that is new in the file gets nobody before its first good probe", async () => {
	const old = await startRawBackend(echoingFrames());
	let answer: () => void = () => undefined;
	const warm = new Promise<void>((resolve) => {
		answer = resolve;
	});
	const fresh = await startRawBackend(async (peer) => {
		const request = await readRequest(peer);
		if (isProbe(peer)) await warm;
		peer.write(switchingProtocols(request));
	});
	const check = "{ type: websocket, interval: 1h, timeout: 1h }";
	const gateway = await startReloadable(yaml([old.url], check));
	await up(gateway, old.id);
	await gateway.change(yaml([old.url, fresh.url], check));
	await until(() => fresh.connections.some(isProbe), { what: "the probe" });
	for (let i = 0; i < 4; i++) (await openRaw(gateway.port)).reset();
	expect(clients(fresh)).toHaveLength(0);
	answer();
	await up(gateway, fresh.id);
	for (let i = 0; i < 2; i++) (await openRaw(gateway.port)).reset();
	expect(clients(fresh).length).toBeGreaterThan(0);
	// The old one was not asked again: the reload did not concern it.
	expect(old.connections.filter(isProbe)).toHaveLength(1);
});

test("the port and path of the check are its own", async () => {
	const paths: (string | undefined)[] = [];
	const health = await startWsBackend({
		onRequest: ({ url, headers }, response) => {
			paths.push(`${headers.host} ${url}`);
			response.writeHead(204).end();
		},
	});
	const backend = await startRawBackend(echoingFrames());
	const check = `{ type: http, path: /ready?deep=1, port: ${health.port}, expected_statuses: [200, 204], interval: 1h }`;
	const gateway = await startTestGateway(yaml([backend.url], check));
	expect(await gateway.waitForLog("endpoint.up")).toMatchObject({ endpoint: backend.id, reason: "status 204" });
	expect(paths[0]).toBe(`127.0.0.1:${health.port} /ready?deep=1`);
	expect(backend.connections).toHaveLength(0);
	await gateway.expectQuiet();
});

test("a backend made with ws sees every probe close with 1000 and no error", async () => {
	const codes: number[] = [];
	const errors: unknown[] = [];
	const urls: string[] = [];
	for (let i = 0; i < 5; i++) {
		const backend = await startWsBackend({
			onConnection: (socket) => {
				socket.on("error", (error) => errors.push(error));
				socket.on("close", (code) => codes.push(code));
			},
		});
		backend.server.on("clientError", (error) => errors.push(error));
		urls.push(backend.url);
	}
	// A probe is given up when the next one is due: there has to be time for it when the machine is busy.
	const gateway = await startTestGateway(yaml(urls, "{ type: websocket, interval: 300ms }"));
	await until(() => codes.length >= 20, { what: "twenty probes" });
	expect(new Set(codes)).toEqual(new Set([1000]));
	expect(errors).toEqual([]);
	await gateway.expectQuiet();
});

describe("a health check that every endpoint refuses from the beginning", () => {
	/** Serves its own host name only, as virtual hosts and Django's ALLOWED_HOSTS do. */
	const forOwnHost: Script = async (peer) => {
		const known = (await readRequest(peer)).header("host") === "app.example";
		peer.write(`HTTP/1.1 ${known ? "200 OK" : "400 Bad Request"}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		peer.end();
	};
	const check = (more = "") => `{ type: http, path: /up, interval: 100ms, timeout: 100ms${more} }`;
	const endpoints = async (gateway: Pick<TestGateway, "handle">) => {
		const answer = await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/api/v1/upstreams`);
		return ((await answer.json()) as { upstreams: [{ endpoints: Record<string, unknown>[] }] }).upstreams[0].endpoints;
	};

	test("is told to be mistaken, once, and takes nobody out; what then fails in another way is down", async () => {
		const first = await startRawBackend(forOwnHost, { autoClose: false });
		const second = await startRawBackend(forOwnHost);
		const gateway = await startTestGateway(yaml([first.url, second.url], check()));
		const line = await gateway.waitForLog("health_check.mistaken");
		expect(line).toMatchObject({ level: "warn", upstream: "app", check: "http", status: 400 });
		expect(line.message).toContain("health_check.host");
		await up(gateway, first.id, second.id);
		expect(await endpoints(gateway)).toMatchObject(
			[1, 2].map(() => ({ available: true, health: "unknown", health_reason: "probe refused: 400" })),
		);
		const { out } = await runCli(["endpoints", "--admin", `http://127.0.0.1:${gateway.handle.adminPort}`]);
		expect(out.match(/probe refused: 400/g)).toHaveLength(2);
		expect(await metrics(gateway)).toContain(`clawgate_endpoint_up{upstream="app",endpoint="${first.id}"} 1`);
		await first.close();
		expect((await down(gateway, first.id)).failures).toBe(THRESHOLD);
		expect(await metrics(gateway)).toContain(`clawgate_endpoint_up{upstream="app",endpoint="${second.id}"} 1`);
		expect(gateway.lines.of("health_check.mistaken")).toHaveLength(1);
	});

	test("is a right one with the host that the servers serve: what was refused is healthy, and 4xx is down", async () => {
		const backend = await startChangeable(forOwnHost);
		const gateway = await startReloadable(yaml([backend.url], check()));
		await gateway.lines.waitFor("health_check.mistaken");
		await gateway.change(yaml([backend.url], check(", host: app.example")));
		await until(async () => (await endpoints(gateway))[0]?.health === "healthy", { what: "a good probe" });
		backend.behave(refusing(404));
		expect((await down(gateway, backend.id)).reason).toBe("status 404");
		expect((await endpoints(gateway))[0]).toMatchObject({ available: false, health_reason: "status 404" });
	});
});
