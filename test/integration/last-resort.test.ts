/** Mistakes that nobody catches: what they cost, and when the process ends. */
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { type Child, startNode } from "../harness/child.ts";
import { OPCODE } from "../harness/frames.ts";
import { dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { answered, childrenOf } from "../harness/workers.ts";

/** A gateway in which SIGUSR2 makes mistakes; the fault comes in by `--import`, not by changing its modules. */
async function faulty(workers: number, mistakes?: number): Promise<{ child: Child; port: number; adminPort: number }> {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const adminPort = await freePort();
	const files = await temporaryFiles({
		"routes.yaml": dedent(`
			workers: ${workers}
			listeners: [{ address: "127.0.0.1:${port}" }]
			admin: { address: "127.0.0.1:${adminPort}" }
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			shutdown: { drain: { timeout: 5s, spread: 0s } }
		`),
	});
	const hook = new URL("../fixtures/mistakes-on-signal.js", import.meta.url).href;
	const child = startNode(["--import", hook, "dist/main.js", "run", "-c", files["routes.yaml"]], {
		env: mistakes === undefined ? {} : { MISTAKES: String(mistakes) },
	});
	const ready = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status === 200;
	await until(() => ready().catch(() => false), { timeout: 15_000, what: "the gateway" });
	await answered(port);
	return { child, port, adminPort };
}

async function echoes(client: RawClient): Promise<boolean> {
	client.sendFrame(OPCODE.text, "still there?");
	return (await client.readFrame()).text === "still there?";
}

test("exceptions and rejections leave a line with their stack, are counted, and cost no connection", {
	timeout: 60_000,
}, async () => {
	const { child, port, adminPort } = await faulty(2);
	const clients = [await openRaw(port), await openRaw(port)];
	const supervisor = child.process.pid as number;
	const processes = [supervisor, ...childrenOf(supervisor)];
	expect(processes).toHaveLength(3);
	for (const pid of processes) process.kill(pid, "SIGUSR2");
	await until(() => child.out.of("internal.error").length === 6, { what: "two lines of each process" });
	const lines = child.out.of("internal.error");
	expect(lines.filter(({ where }) => where === "an event")).toHaveLength(3);
	expect(lines).toContainEqual(expect.objectContaining({ level: "error", message: "mistake in a promise" }));
	for (const { stack } of lines) expect(stack).toContain("mistakes-on-signal.js");
	expect(await Promise.all(clients.map(echoes))).toEqual([true, true]);
	expect(await echoes(await openRaw(port))).toBe(true);
	const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
	expect(text).toMatch(/^clawgate_internal_errors_total 6$/m);
	child.kill();
	child.kill();
	expect(await child.exit(15_000)).toEqual({ code: 0, signal: null });
	child.out.assertPaired();
	expect(child.stderr()).toBe("");
});

test("a process with far too many mistakes says so, drains, and ends with exit code 1", {
	timeout: 60_000,
}, async () => {
	const { child, port } = await faulty(1, 100);
	const client = await openRaw(port);
	child.kill("SIGUSR2");
	expect((await client.readFrame()).closeCode).toBeGreaterThan(1000);
	client.sendClose(1001);
	client.end();
	expect(await child.exit(15_000)).toEqual({ code: 1, signal: null });
	expect(child.out.of("gateway.failing")).toEqual([
		expect.objectContaining({ level: "error", message: expect.stringContaining("100 internal errors within 10 s") }),
	]);
	child.out.assertPaired();
});

test("a worker with far too many mistakes drains and is replaced, and the others take its clients", {
	timeout: 60_000,
}, async () => {
	const { child, port } = await faulty(2, 100);
	const clients = [await openRaw(port), await openRaw(port)];
	const [worker] = childrenOf(child.process.pid as number) as [number];
	process.kill(worker, "SIGUSR2");
	await child.out.waitFor("gateway.failing");
	expect(await echoes(await openRaw(port))).toBe(true);
	for (const client of clients) client.sendClose(1000);
	expect(await child.out.waitFor("worker.exit", 15_000)).toMatchObject({ pid: worker, code: 1 });
	await child.out.waitFor("worker.start", 15_000);
	expect(await echoes(await openRaw(port))).toBe(true);
});
