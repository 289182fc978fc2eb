/** For how long a reload keeps the event loop of each process of a gateway. */
import { renameSync, writeFileSync } from "node:fs";
import { temporaryFiles } from "./certs.ts";
import { ROOT, startNode } from "./child.ts";
import { accepts } from "./gateway.ts";
import { until } from "./poll.ts";
import { freePort } from "./ports.ts";
import { echoingFrames, startRawBackend } from "./raw-backend.ts";
import { openRaw } from "./raw-client.ts";
import { answered, childrenOf } from "./workers.ts";

export interface StallOptions {
	readonly routes: number;
	readonly workers: number;
	/** Open while it reloads. */
	readonly connections: number;
}

export interface Stalls {
	/** The longest in any process while a reload changes one route, and while one changes all; ms. */
	readonly one: number;
	readonly all: number;
	/** Names of changed routes, as the log had them for the first. */
	readonly changed: unknown;
}

const RELOADED_MS = 120_000;

/** Starts a gateway with so many routes, and reloads it twice. */
export async function reloadStalls({ routes, workers, connections }: StallOptions): Promise<Stalls> {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const yaml = (value: (route: number) => string): string => {
		const upstreams = Math.ceil(routes / 10);
		const lines = [
			`workers: ${workers}`,
			`listeners: [{ address: "127.0.0.1:${port}" }]`,
			"upstreams:",
			...Array.from({ length: upstreams }, (_, index) => `  u${index}: { endpoints: ["${backend.url}"] }`),
			"routes:",
			...Array.from({ length: routes }, (_, index) => {
				const match = `{ host: h${index}.example.com, path_prefix: /p${index} }`;
				const set = `request_headers: { set: { X-Value: "${value(index)}" } }`;
				return `  - { name: r${index}, match: ${match}, upstream: u${index % upstreams}, ${set}, limits: { connections: 100 } }`;
			}),
		];
		return `${lines.join("\n")}\n`;
	};
	const files = await temporaryFiles({ "routes.yaml": yaml(() => "first") });
	const file = files["routes.yaml"];
	const child = startNode([
		"--import",
		`${ROOT}test/harness/stall-on-signal.js`,
		`${ROOT}dist/main.js`,
		"run",
		"-c",
		file,
	]);
	await until(() => child.process.exitCode !== null || accepts(port), { timeout: 60_000, what: "the port to be open" });
	await answered(port);
	for (let index = 0; index < connections; index++) {
		await openRaw(port, `/p${index % routes}/`, { host: `h${index % routes}.example.com` });
	}
	const stalls = async (): Promise<number> => {
		const pid = child.process.pid as number;
		const pids = [pid, ...childrenOf(pid)];
		const before = child.out.of("test.stall").length;
		for (const each of pids) process.kill(each, "SIGUSR2");
		await until(() => child.out.of("test.stall").length === before + pids.length, { what: "each process to answer" });
		return Math.max(
			...child.out
				.of("test.stall")
				.slice(before)
				.map(({ stall }) => Number(stall)),
		);
	};
	const reloaded = async (text: string): Promise<number> => {
		const before = child.out.of("config.reload").length;
		writeFileSync(`${file}.new`, text);
		renameSync(`${file}.new`, file);
		await until(() => child.out.of("config.reload").length > before, { timeout: RELOADED_MS, what: "the reload" });
		return stalls();
	};
	// The first reading, right after the start, finds nothing; what came before it does not count.
	await stalls();
	const one = await reloaded(yaml((index) => (index === 7 ? "second" : "first")));
	const [reload] = child.out.of("config.reload");
	const all = await reloaded(yaml(() => "third"));
	return { one, all, changed: reload?.routes_changed };
}
