/** Stopping: a signal to a real process, and `stop()` in this one. */
import { describe, expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { startCli } from "../harness/child.ts";
import { OPCODE, parseFrames } from "../harness/frames.ts";
import { accepts, dedent, startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import {
	accepting,
	echoingFrames,
	readRequest,
	silent,
	startRawBackend,
	switchingProtocols,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

async function runGateway(shutdown: string) {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const files = await temporaryFiles({
		"routes.yaml": dedent(`
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			shutdown: ${shutdown}
		`),
	});
	const child = startCli(["run", "-c", files["routes.yaml"]]);
	await until(() => accepts(port) || child.process.exitCode !== null, {
		timeout: 10_000,
		what: "the gateway to listen",
	});
	return { backend, child, port };
}

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
	test("refuses new connections, tells the open ones 1001, and exits 0", { timeout: 30_000 }, async () => {
		const { child, port, backend } = await runGateway("{ drain: { timeout: 10s, spread: 300ms } }");
		const clients = await Promise.all(Array.from({ length: 5 }, () => openRaw(port)));
		for (const client of clients) {
			client.sendFrame(OPCODE.text, "hello");
			expect((await client.readFrame()).text).toBe("hello");
		}
		child.kill(signal);
		await until(async () => !(await accepts(port)), { what: "the port to be closed" });
		for (const client of clients) {
			expect(await client.readFrame()).toMatchObject({
				opcode: OPCODE.close,
				closeCode: 1001,
				text: "service restart",
			});
		}
		// Nobody has answered yet: the gateway waits for them.
		expect(child.process.exitCode).toBeNull();
		for (const client of clients) client.sendClose(1001);
		for (const client of clients) expect(await client.ended()).toBe("fin");
		for (const client of clients) client.end();
		expect(await child.exit()).toEqual({ code: 0, signal: null });
		for (const peer of backend.connections) {
			expect(parseFrames(peer.after).map(({ opcode, closeCode }) => closeCode ?? opcode)).toEqual([OPCODE.text, 1001]);
		}
		child.out.assertPaired();
		const closes = child.out.of("ws.close");
		expect(closes).toHaveLength(5);
		for (const line of closes) {
			expect(line).toMatchObject({
				close_code: 1001,
				close_initiator: "gateway",
				termination: "shutdown",
				client_close_code: 1001,
			});
		}
	});

	test("a second one ends at once", { timeout: 30_000 }, async () => {
		const { child, port } = await runGateway("{ drain: { timeout: 60s, spread: 50s } }");
		const clients = await Promise.all(Array.from({ length: 5 }, () => openRaw(port)));
		child.kill(signal);
		await until(async () => !(await accepts(port)), { what: "the port to be closed" });
		const secondAt = performance.now();
		child.kill(signal);
		const { signal: killedBy } = await child.exit(5_000);
		expect(killedBy).toBeNull();
		expect(performance.now() - secondAt).toBeLessThan(3_000);
		for (const client of clients) await client.ended();
		child.out.assertPaired();
		expect(child.out.of("ws.close")).toHaveLength(5);
	});
});

test("a bad configuration is exit 1 with file, line and column; bad arguments are exit 2", {
	timeout: 30_000,
}, async () => {
	const files = await temporaryFiles({ "bad.yaml": "listeners: [{ address: ':0' }]\nupstrems: {}\n" });
	const bad = startCli(["run", "-c", files["bad.yaml"]]);
	expect((await bad.exit()).code).toBe(1);
	expect(bad.stderr()).toMatch(/bad\.yaml:2:1: .*upstrems/);
	const wrong = startCli(["run", "--no-such-option"]);
	expect((await wrong.exit()).code).toBe(2);
	expect(wrong.stderr()).not.toBe("");
});

test("stop() closes idle gateways at once and can be called twice", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }, { address: "127.0.0.1:0", name: other, tls: { self_signed: [localhost] } }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const idle = await connectRaw({ port: gateway.port });
	const startedAt = performance.now();
	await Promise.all([gateway.handle.stop(), gateway.handle.stop()]);
	expect(performance.now() - startedAt).toBeLessThan(2_000);
	await idle.ended();
	await gateway.expectQuiet();
});

test("connections that do not answer the Close are cut off after drain.timeout", async () => {
	const backend = await startRawBackend(accepting());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { close: 30s } }]
		shutdown: { drain: { timeout: 500ms, spread: 0s, close_code: 4000, reason: "moved" } }
	`);
	const client = await openRaw(gateway.port);
	const startedAt = performance.now();
	const stopped = gateway.stop();
	expect(await client.readFrame()).toMatchObject({ closeCode: 4000, text: "moved" });
	expect(await (await backend.connection()).readFrame()).toMatchObject({ closeCode: 1001 });
	await stopped;
	expect(performance.now() - startedAt).toBeGreaterThan(400);
	expect(performance.now() - startedAt).toBeLessThan(3_000);
	await client.ended();
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.close")).toMatchObject([
		{ close_code: 4000, termination: "shutdown", close_initiator: "gateway" },
	]);
});

test("the Closes of a drain are spread over its window", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 5s, spread: 1s } }
	`);
	const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(gateway.port)));
	const startedAt = performance.now();
	const stopped = gateway.stop();
	const times = await Promise.all(
		clients.map(async (client) => {
			const { closeCode } = await client.readFrame();
			expect(closeCode).toBe(1001);
			const at = performance.now() - startedAt;
			client.sendClose(1001);
			client.end();
			return at;
		}),
	);
	await stopped;
	times.sort((a, b) => a - b);
	expect(times[0]).toBeLessThan(200);
	expect(times[10]).toBeGreaterThan(300);
	expect(times[10]).toBeLessThan(800);
	expect(times[19]).toBeGreaterThan(800);
	await gateway.expectQuiet();
});

test("a handshake under way when the stop comes is answered, not cut", async () => {
	const backend = await startRawBackend(silent);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { handshake: 600ms }, retries: { attempts: 1 } }]
		shutdown: { drain: { timeout: 5s, spread: 0s } }
	`);
	const client = await connectRaw({ port: gateway.port });
	client.write(client.handshakeHead());
	await backend.connection();
	const stopped = gateway.stop();
	const head = await client.readHead();
	expect([503, 504]).toContain(head.status);
	expect(await client.readBody(head)).toMatch(/^[A-Z_]+: .+/);
	client.end();
	await stopped;
	await gateway.expectQuiet();
});

test("a handshake that succeeds while the gateway stops is refused, or closed with 1001: it never holds the stop", async () => {
	const backend = await startRawBackend(async (peer) => {
		const request = await readRequest(peer);
		await new Promise((resolve) => setTimeout(resolve, 400));
		peer.write(switchingProtocols(request));
		peer.socket.on("end", () => peer.end());
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 5s, spread: 0s } }
	`);
	const client = await connectRaw({ port: gateway.port });
	client.write(client.handshakeHead());
	await backend.connection();
	const stopped = gateway.stop();
	const head = await client.readHead();
	if (head.status === 101) {
		expect((await client.readFrame()).closeCode).toBe(1001);
		client.sendClose(1001);
	} else {
		expect([head.status, await client.readBody(head)]).toEqual([503, expect.stringMatching(/^SHUTTING_DOWN: /)]);
	}
	client.end();
	await within(stopped, { timeout: 3_000, what: "the stop" });
	await gateway.expectQuiet();
});

test("a plain HTTP request under way when the stop comes gets its whole answer", async () => {
	const backend = await startWsBackend({
		onRequest: (_, response) => {
			response.write("first half, ");
			setTimeout(() => response.end("second half"), 400);
		},
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 5s, spread: 0s } }
	`);
	const answer = await fetch(gateway.url("/", "http"));
	const stopped = gateway.stop();
	expect(await answer.text()).toBe("first half, second half");
	await within(stopped, { timeout: 3_000, what: "the stop" });
	await gateway.expectQuiet();
});

test("a plain HTTP request that never ends does not hold the stop longer than drain.timeout", async () => {
	const backend = await startWsBackend({ onRequest: (_, response) => void response.write("x") });
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 500ms, spread: 0s } }
	`);
	const answer = await fetch(gateway.url("/", "http"));
	await within(gateway.stop(), { timeout: 3_000, what: "the stop" });
	await expect(answer.text()).rejects.toThrow();
	await gateway.expectQuiet();
});
