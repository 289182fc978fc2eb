/** Several worker processes: an even spread, a crash, stopping. */
import { describe, expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { startCli, startNode } from "../harness/child.ts";
import { OPCODE } from "../harness/frames.ts";
import { accepts, dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { lives, startWorkers } from "../harness/workers.ts";

async function gatewayOf(workers: number, shutdown = "{ drain: { timeout: 10s, spread: 300ms } }") {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const gateway = await startWorkers(
		`
			workers: ${workers}
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			shutdown: ${shutdown}
		`,
		port,
	);
	return { ...gateway, backend, port };
}

function openMany(port: number, count: number): Promise<RawClient[]> {
	return Promise.all(Array.from({ length: count }, () => openRaw(port)));
}

async function echoes(client: RawClient): Promise<boolean> {
	client.sendFrame(OPCODE.text, "still there?");
	return (await client.readFrame()).text === "still there?";
}

test("400 connections that stay are spread over 4 workers, 100 on each", { timeout: 60_000 }, async () => {
	const { port, fds, child } = await gatewayOf(4);
	const before = fds();
	expect(before.size).toBe(4);
	const clients: RawClient[] = [];
	for (let i = 0; i < 8; i++) clients.push(...(await openMany(port, 50)));
	// A tunnel is two sockets.
	const shares = [...fds()].map(([pid, count]) => (count - (before.get(pid) as number)) / 2);
	for (const share of shares) {
		expect(share).toBeGreaterThanOrEqual(95);
		expect(share).toBeLessThanOrEqual(105);
	}
	expect(await Promise.all(clients.map(echoes))).not.toContain(false);
	child.kill();
	child.kill();
	expect(await child.exit()).toEqual({ code: 0, signal: null });
	child.out.assertPaired();
	expect(child.out.of("ws.close")).toHaveLength(400);
});

describe("a worker that dies", () => {
	test("costs its own connections and nobody else's, and is replaced at once", { timeout: 60_000 }, async () => {
		const { port, pids, child } = await gatewayOf(3);
		const clients = await openMany(port, 30);
		const [victim, ...others] = pids() as [number, ...number[]];
		process.kill(victim, "SIGKILL");
		const exit = await child.out.waitFor("worker.exit");
		expect(exit).toMatchObject({ level: "error", pid: victim, signal: "SIGKILL", connections: 10, restart_in_ms: 0 });
		expect(exit.worker).toBeTypeOf("number");
		await until(() => clients.filter(({ ending }) => ending !== "open").length === 10, {
			what: "its connections to end",
		});
		const left = clients.filter(({ ending }) => ending === "open");
		expect(await Promise.all(left.map(echoes))).not.toContain(false);
		// The others take new ones meanwhile.
		expect(await echoes(await openRaw(port))).toBe(true);
		const start = await child.out.waitFor("worker.start", 15_000);
		expect(start).toMatchObject({ level: "info", worker: exit.worker });
		expect(pids().toSorted()).toEqual([...others, start.pid].toSorted());
		expect(clients.filter(({ ending }) => ending === "open")).toHaveLength(20);
	});

	test("is replaced later each time, and connections are taken as soon as it is there", {
		timeout: 60_000,
	}, async () => {
		const { port, pids, child } = await gatewayOf(2);
		const [first, other] = pids() as [number, number];
		process.kill(first, "SIGKILL");
		const second = await until(() => pids().find((pid) => pid !== first && pid !== other), { what: "the replacement" });
		process.kill(second, "SIGKILL");
		await until(() => child.out.of("worker.exit").length === 2, { what: "the second death" });
		const delays = child.out.of("worker.exit").map(({ restart_in_ms }) => restart_in_ms);
		expect(delays).toEqual([0, 500]);
		await until(() => pids().length === 2, { timeout: 15_000, what: "the replacement" });
		expect(await echoes(await openRaw(port))).toBe(true);
	});

	test("connections wait when no worker is left, and are served by the replacements", { timeout: 60_000 }, async () => {
		const { port, pids, child } = await gatewayOf(2);
		for (const pid of pids()) process.kill(pid, "SIGKILL");
		await until(() => child.out.of("worker.exit").length === 2, { what: "both to be gone" });
		const client = await openRaw(port, "/", { timeout: 15_000 });
		expect(await echoes(client)).toBe(true);
	});
});

describe("stopping", () => {
	test("drains every worker's connections over one window, and exits 0", { timeout: 60_000 }, async () => {
		const { port, child, pids } = await gatewayOf(2);
		const workers = pids();
		const clients = await openMany(port, 6);
		child.kill();
		await until(async () => !(await accepts(port)), { what: "the port to be closed" });
		for (const client of clients) {
			expect(await client.readFrame()).toMatchObject({ closeCode: 1001, text: "service restart" });
		}
		expect(child.process.exitCode).toBeNull();
		for (const client of clients) {
			client.sendClose(1001);
			expect(await client.ended()).toBe("fin");
			client.end();
		}
		expect(await child.exit()).toEqual({ code: 0, signal: null });
		expect(workers.filter(lives)).toEqual([]);
		child.out.assertPaired();
		expect(child.out.of("ws.close").map(({ termination }) => termination)).toEqual(Array(6).fill("shutdown"));
		expect(child.stderr()).toBe("");
	});

	test("a second signal ends at once", { timeout: 60_000 }, async () => {
		const { port, child, pids } = await gatewayOf(2, "{ drain: { timeout: 60s, spread: 50s } }");
		const workers = pids();
		const clients = await openMany(port, 6);
		child.kill();
		await until(async () => !(await accepts(port)), { what: "the port to be closed" });
		const secondAt = performance.now();
		child.kill();
		expect(await child.exit()).toEqual({ code: 0, signal: null });
		expect(performance.now() - secondAt).toBeLessThan(3_000);
		for (const client of clients) await client.ended();
		expect(workers.filter(lives)).toEqual([]);
		expect(child.out.of("ws.close")).toHaveLength(6);
	});

	test("during shutdown.delay new connections are still taken", { timeout: 60_000 }, async () => {
		const { port, child } = await gatewayOf(2, "{ delay: 1s, drain: { timeout: 5s, spread: 0s } }");
		child.kill();
		const client = await openRaw(port);
		expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
		client.sendClose(1001);
		client.end();
		expect(await child.exit()).toEqual({ code: 0, signal: null });
	});

	test.each([
		["10 s after the drain's time", false],
		["3 s after the second signal", true],
	])("a worker that hangs is killed %s", { timeout: 60_000 }, async (_, twice) => {
		const { port, child, pids } = await gatewayOf(2, `{ drain: { timeout: ${twice ? "60s" : "100ms"}, spread: 0s } }`);
		await openRaw(port);
		const [stuck] = pids() as [number];
		process.kill(stuck, "SIGSTOP");
		child.kill();
		await until(async () => !(await accepts(port)), { what: "the port to be closed" });
		if (twice) child.kill();
		expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
		expect(lives(stuck)).toBe(false);
		expect(child.out.of("worker.exit")).toContainEqual(
			expect.objectContaining({ level: "error", pid: stuck, signal: "SIGKILL" }),
		);
	});

	test("SIGINT to the whole process group drains as one to the supervisor", { timeout: 60_000 }, async () => {
		const { port, child, pids } = await gatewayOf(2);
		const clients = await openMany(port, 4);
		// As a terminal does it, to each process of the group.
		for (const pid of [...pids(), child.process.pid as number]) process.kill(pid, "SIGINT");
		for (const client of clients) {
			expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
			client.sendClose(1001);
			client.end();
		}
		expect(await child.exit()).toEqual({ code: 0, signal: null });
		child.out.assertPaired();
		expect(child.out.of("worker.exit").filter(({ level }) => level === "error")).toEqual([]);
	});

	test("without their supervisor workers drain, say why, and end", { timeout: 60_000 }, async () => {
		const { port, child, pids } = await gatewayOf(2);
		const workers = pids();
		const clients = await openMany(port, 4);
		child.kill("SIGKILL");
		for (const client of clients) {
			expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
			client.sendClose(1001);
			client.end();
		}
		await until(() => workers.every((pid) => !lives(pid)), { what: "the workers to end" });
		const lines = await until(() => child.out.of("worker.orphaned").length === 2 && child.out.of("worker.orphaned"), {
			what: "both workers to say why",
		});
		for (const line of lines) {
			expect(line).toMatchObject({ level: "error", connections: 2 });
			expect(line.message).toContain("the supervisor is gone");
		}
		child.out.assertPaired();
		expect(await accepts(port)).toBe(false);
	});
});

describe("starting", () => {
	test("an address that is taken is one line and exit 1", { timeout: 60_000 }, async () => {
		const backend = await startRawBackend(echoingFrames());
		const files = await temporaryFiles({
			"routes.yaml": dedent(`
				workers: 3
				listeners: [{ address: "127.0.0.1:${backend.port}" }]
				upstreams: { app: { endpoints: ["${backend.url}"] } }
				routes: [{ match: { path_prefix: / }, upstream: app }]
			`),
		});
		const child = startCli(["run", "-c", files["routes.yaml"]]);
		expect(await child.exit(20_000)).toEqual({ code: 1, signal: null });
		expect(child.stderr().trim().split("\n")).toEqual([
			expect.stringMatching(/^clawgate: cannot listen on 127\.0\.0\.1:\d+ .*the port is in use by another process/),
		]);
		expect(child.stdout()).toBe("");
	});

	test("a worker does nothing without a supervisor", async () => {
		const child = startNode(["dist/supervisor/worker-main.js"]);
		expect((await child.exit()).code).not.toBe(0);
		expect(child.stderr()).toContain("clawgate run");
	});
});
