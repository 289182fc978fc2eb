/** What goes wrong around the gateway in the chaos run: processes that die or stand still, limits, files, drains, names. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { openFds } from "../harness/resources.ts";
import type { DnsServer } from "../unit/upstreams/discovery/dns-server.fixtures.ts";
import type { MadBackend } from "./chaos-backend.ts";
import { visit } from "./chaos-client.ts";
import { BAD_WRITES, type ChaosConfig } from "./chaos-config.ts";

export interface FaultContext {
	readonly random: () => number;
	readonly config: ChaosConfig;
	readonly backends: readonly MadBackend[];
	readonly names: DnsServer;
	/** What the name server knows, when it answers. */
	readonly zones: DnsServer["zones"];
	/** The supervisor, or the only process. */
	readonly pid: number;
	/** The workers that live now; none with one process. */
	workers(): number[];
	/** Whether a process has come so far that it serves. */
	serves(pid: number): boolean;
	/** Processes that this run has killed, or stopped for so long that the supervisor does. */
	readonly killed: Set<number>;
	/** Processes that something is done to at the moment. */
	readonly busy: Set<number>;
	/** Whether a process may be stopped for longer than the supervisor waits for it. */
	readonly long: boolean;
}

const pick = <T>(random: () => number, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** Descriptors above those that are open, when a process is to run out of them; and clients that see to it. */
const ROOM = 20;
const CROWD = 150;

function signal(pid: number, name: NodeJS.Signals): void {
	try {
		process.kill(pid, name);
	} catch {
		// It has ended meanwhile.
	}
}

const anyProcess = ({ random, workers, pid }: FaultContext): number => pick(random, [...workers(), pid]);

/** How many files a process may have open. */
function openFilesLimit(pid: number): string {
	try {
		return /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1] ?? "";
	} catch {
		return "";
	}
}

async function admin(config: ChaosConfig, method: string, path: string, body: unknown): Promise<void> {
	const request = { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
	const url = `http://127.0.0.1:${config.ports.admin}/api/v1${path}`;
	// What the answer says does not matter here; with a worker that stands still there may be none in time.
	await fetch(url, { ...request, signal: AbortSignal.timeout(5_000) }).then(
		(response) => response.arrayBuffer(),
		() => undefined,
	);
}

/** Each runs to its end; several run at the same time. */
export const FAULTS: Readonly<Record<string, (context: FaultContext) => Promise<void>>> = {
	"a worker is killed": async (context) => {
		const worker = pick(context.random, context.workers());
		if (worker === undefined) return;
		context.killed.add(worker);
		signal(worker, "SIGKILL");
	},
	"a process stands still": async (context) => {
		const { random, workers, killed, busy, long } = context;
		const process = anyProcess(context);
		if (busy.has(process)) return;
		busy.add(process);
		const forever = long && workers().includes(process) && random() < 0.15;
		if (forever) killed.add(process);
		signal(process, "SIGSTOP");
		// The supervisor waits for about ten seconds.
		await pause(forever ? 15_000 : random() * (long && random() < 0.3 ? 7_000 : 1_500));
		signal(process, "SIGCONT");
		busy.delete(process);
	},
	"a backend is killed and comes back": async ({ random, backends }) => {
		const backend = pick(random, backends);
		backend.child.kill("SIGKILL");
		await backend.child.exit();
		await pause(random() * 1_000);
		await backend.restart();
	},
	"a backend stands still": async ({ random, backends }) => {
		const { child } = pick(random, backends);
		const pid = child.process.pid as number;
		signal(pid, "SIGSTOP");
		await pause(random() * 4_000);
		signal(pid, "SIGCONT");
	},
	"a process runs out of descriptors": async (context) => {
		const { random, config, busy, serves } = context;
		const process = anyProcess(context);
		// Node opens more files than that at once when it loads the gateway.
		if (busy.has(process) || !serves(process)) return;
		busy.add(process);
		const before = openFilesLimit(process);
		const limit = (soft: string | number): void => {
			try {
				execFileSync("prlimit", ["--pid", String(process), `--nofile=${soft}:`], { stdio: "ignore" });
			} catch {
				// It has ended meanwhile.
			}
		};
		limit(openFds(process) + Math.floor(random() * ROOM));
		const crowd = Array.from({ length: CROWD }, () =>
			visit({
				port: config.ports.public,
				parts: random() < 0.3 ? [] : ["GET /b/silent/x HTTP/1.1\r\nHost: crowd.test\r\n\r\n"],
				impatient: 500 + random() * 2_000,
				resets: random() < 0.5,
			}),
		);
		await Promise.all(crowd);
		limit(before);
		busy.delete(process);
	},
	"the file is changed": async ({ random, config, pid }) => {
		config.whole();
		if (random() < 0.3) signal(pid, "SIGHUP");
	},
	"the file is wrong": async ({ random, config, pid }) => {
		config.bad(pick(random, BAD_WRITES));
		await pause(random() * 1_500);
		if (random() < 0.5) signal(pid, "SIGHUP");
		config.whole();
	},
	"the file comes in two halves": async ({ random, config, pid }) => {
		const written = config.halves(random(), random() * 2_000);
		if (random() < 0.3) signal(pid, "SIGHUP");
		await written;
	},
	"the file is a FIFO that nobody writes to": async ({ random, config, pid }) => {
		config.fifo();
		if (random() < 0.5) signal(pid, "SIGHUP");
		await pause(random() * 2_000);
		config.whole();
	},
	"the name server is silent for all": async ({ random, names, zones }) => {
		names.zones = Object.fromEntries(Object.keys(zones).map((name) => [name, { trouble: "silent" } as const]));
		await pause(random() * 5_000);
		names.zones = { ...zones };
	},
	"a listener moves": async ({ config }) => config.moved(),
	"a certificate is swapped": async ({ random, config }) => config.swapCertificate(random() * 800),
	"an endpoint is drained and comes back": async ({ random, config, backends }) => {
		const id = `127.0.0.1:${backends[2]?.port}`;
		await admin(config, "PATCH", `/upstreams/swinging/endpoints/${id}`, { state: "drain" });
		await pause(random() * 3_000);
		await admin(config, "PATCH", `/upstreams/swinging/endpoints/${id}`, { state: null });
	},
	"an operator ends the connections of a route": async ({ config }) => {
		await admin(config, "DELETE", "/connections?route=swinging", { close_code: 1012, reason: "chaos" });
	},
	"a route is drained": async ({ random, config }) => {
		await admin(config, "POST", "/drain", { route: pick(random, ["swinging", "mad"]), spread: "500ms" });
	},
};
