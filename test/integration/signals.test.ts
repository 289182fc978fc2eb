/** Signals at any time: while the gateway starts, many of them, and one after the other. */
import { readFileSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { type Child, startCli } from "../harness/child.ts";
import { accepts, dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { answered, childrenOf, lives } from "../harness/workers.ts";

/** SIGHUP is bit 0 of the mask of caught signals. */
function catchesHangup(pid: number): boolean {
	const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
	return (BigInt(`0x${mask}`) & 1n) === 1n;
}

async function starting(
	workers: number,
	more = "",
	env: Record<string, string> = {},
): Promise<{ child: Child; pid: number; port: number }> {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const files = await temporaryFiles({
		"routes.yaml": dedent(`
			workers: ${workers}
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			log: { level: debug }
			shutdown: { drain: { timeout: 2s, spread: 0s } }
			${more}
		`),
	});
	const child = startCli(["run", "-c", files["routes.yaml"]], { env });
	const pid = child.process.pid as number;
	await until(() => catchesHangup(pid), { what: "the process to look out for signals" });
	return { child, pid, port };
}

test.each([1, 2])(
	"SIGHUP before a gateway with workers: %i is ready reloads as soon as it is; 200 of them are few reloads",
	{
		timeout: 60_000,
	},
	async (workers) => {
		const { child, port } = await starting(workers);
		// Nothing of the gateway is loaded yet.
		child.kill("SIGHUP");
		expect(await accepts(port)).toBe(false);
		await child.out.waitFor("config.unchanged", 20_000);
		await answered(port);
		const before = child.out.of("config.unchanged").length;
		for (let i = 0; i < 200; i++) child.kill("SIGHUP");
		await until(() => child.out.of("config.unchanged").length > before, { what: "a reload" });
		await answered(port);
		expect(child.out.of("config.unchanged").length).toBeLessThan(before + 20);
		child.kill();
		expect(await child.exit(15_000)).toEqual({ code: 0, signal: null });
	},
);

test.each([
	["before anything is loaded", () => true],
	["while the workers start", (pid: number) => childrenOf(pid).length === 3],
])("SIGTERM %s ends the gateway with exit 0 and no worker left", { timeout: 60_000 }, async (_, when) => {
	const { child, pid, port } = await starting(3);
	await until(() => when(pid), { timeout: 15_000, what: "that moment" });
	const workers = childrenOf(pid);
	child.kill();
	expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
	await until(() => !workers.some(lives), { what: "the workers to be gone" });
	expect(await accepts(port)).toBe(false);
	expect(child.stderr()).toBe("");
});

test("a third signal ends a gateway whose worker hangs at once, with exit 1, a line, and no worker left", {
	timeout: 60_000,
}, async () => {
	const { child, pid, port } = await starting(2);
	await until(() => accepts(port), { timeout: 15_000, what: "the port to be open" });
	await answered(port);
	const workers = childrenOf(pid);
	process.kill(workers[0] as number, "SIGSTOP");
	child.kill();
	await until(async () => !(await accepts(port)), { what: "the stop to begin" });
	const since = performance.now();
	child.kill("SIGINT");
	child.kill();
	expect(await child.exit(10_000)).toEqual({ code: 1, signal: null });
	expect(performance.now() - since).toBeLessThan(2_500);
	expect(child.out.of("gateway.cut")).toEqual([
		expect.objectContaining({ level: "error", message: expect.stringContaining("third signal") }),
	]);
	await until(() => !workers.some(lives), { what: "the workers to be gone" });
});

test("no address is open before every worker has loaded: whoever gets in is served", { timeout: 60_000 }, async () => {
	const { pause: file } = await temporaryFiles({ pause: "" });
	// A worker begins to load when the file is gone.
	const hold = `
		import { existsSync } from "node:fs";
		while (process.send && existsSync(${JSON.stringify(file)})) await new Promise((resolve) => setTimeout(resolve, 50));
	`;
	const { child, pid, port } = await starting(2, "", {
		NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hold)}`,
	});
	await until(() => childrenOf(pid).length === 2, { timeout: 20_000, what: "two processes" });
	for (let i = 0; i < 10; i++) {
		await pause(100);
		expect(await accepts(port)).toBe(false);
	}
	rmSync(file as string);
	await until(() => accepts(port), { timeout: 15_000, what: "the port to be open" });
	await answered(port);
	child.kill();
	expect(await child.exit(15_000)).toEqual({ code: 0, signal: null });
});
