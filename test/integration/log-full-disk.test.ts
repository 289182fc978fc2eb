/** Several workers write to one file on a disk that is full for a while: whole lines only, and none is lost. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { ROOT } from "../harness/child.ts";
import { accepts, dedent } from "../harness/gateway.ts";
import { LogLines } from "../harness/log-lines.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { answered, childrenOf } from "../harness/workers.ts";

/** As far as a file may grow for these processes: a write beyond it is cut off there, as on a full disk. */
function limitFiles(pids: readonly number[], bytes: number | "unlimited"): void {
	for (const pid of pids) execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
}

test.each([
	["that is appended to (>>)", "a"],
	["that is written to (>)", "w"],
])("two workers leave whole lines only in a file %s", { timeout: 60_000 }, async (_, flags) => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const files = await temporaryFiles({
		"routes.yaml": dedent(`
			workers: 2
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			shutdown: { drain: { timeout: 1s, spread: 0s } }
		`),
	});
	const log = join(files.dir, "log");
	const out = openSync(log, flags);
	const child = spawn(process.execPath, [`${ROOT}dist/main.js`, "run", "-c", files["routes.yaml"]], {
		stdio: ["ignore", out, "ignore"],
	});
	closeSync(out);
	const exited = once(child, "exit");
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await exited;
	});
	await until(() => accepts(port), { timeout: 15_000, what: "the port to be open" });
	await answered(port);
	const pids = [child.pid as number, ...childrenOf(child.pid as number)];
	const comeAndGo = async (count: number): Promise<void> => {
		const clients = await Promise.all(Array.from({ length: count }, () => openRaw(port)));
		for (const client of clients) client.reset();
	};
	let opened = 0;
	// Who writes first when there is room again is chance.
	for (let outage = 0; outage < 4; outage++) {
		const full = statSync(log).size + 1_500;
		limitFiles(pids, full);
		for (let round = 0; round < 3; round++) {
			await comeAndGo(6);
			opened += 6;
		}
		await until(() => statSync(log).size > full - 1_000, { what: "the disk to be full" });
		limitFiles(pids, "unlimited");
		await until(() => statSync(log).size > full + 1_000, { what: "the log to go on" });
	}
	const lines = await until(
		() => {
			const read = new LogLines();
			read.write(readFileSync(log, "utf8"));
			return read.of("ws.close").length === opened && read;
		},
		{ timeout: 15_000, what: "every line" },
	);
	expect(lines.other).toEqual([]);
	lines.assertPaired();
	child.kill();
	expect((await exited)[0]).toBe(0);
});
