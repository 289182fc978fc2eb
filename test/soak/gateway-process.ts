/** A gateway as an operator runs it, with its log counted line by line instead of kept. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { ROOT } from "../harness/child.ts";
import type { LogRecord } from "../harness/log-lines.ts";
import { until } from "../harness/poll.ts";

/** How many lines of each kind one connection has left. */
export interface LineCount {
	open?: number;
	close?: number;
	reject?: number;
	http?: number;
}

const KINDS: Readonly<Record<string, keyof LineCount>> = {
	"ws.open": "open",
	"ws.close": "close",
	"ws.reject": "reject",
	"http.request": "http",
};

export interface GatewayProcessOptions {
	/** Loaded before the gateway, from the project's root. */
	readonly preload?: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	/** Called with each line of the log. */
	readonly onLine?: (record: LogRecord) => void;
}

export class GatewayProcess {
	readonly #child: ChildProcess;
	readonly #onLine: ((record: LogRecord) => void) | undefined;
	/** By the number in the path's second segment. */
	readonly lines = new Map<number, LineCount>();
	opened = 0;
	closed = 0;
	rejected = 0;
	http = 0;
	readonly errors: string[] = [];
	/** By process. */
	readonly #heaps = new Map<number, number>();

	private constructor(child: ChildProcess, onLine?: (record: LogRecord) => void) {
		this.#child = child;
		this.#onLine = onLine;
	}

	static start(file: string, options: GatewayProcessOptions = {}): GatewayProcess {
		const entry = `${ROOT}dist/main.js`;
		if (!existsSync(entry)) throw new Error("dist/main.js is missing: run `npm run build` first");
		const modules = ["test/harness/memory-on-signal.js", ...(options.preload ?? [])];
		const preload = ["--expose-gc", ...modules.flatMap((module) => ["--import", `${ROOT}${module}`])];
		const child = spawn(process.execPath, [...preload, entry, "run", "-c", file], {
			cwd: ROOT,
			env: { ...process.env, ...options.env },
			stdio: ["ignore", "pipe", "pipe"],
		});
		const gateway = new GatewayProcess(child, options.onLine);
		createInterface({ input: child.stdout }).on("line", (line) => gateway.#line(line));
		createInterface({ input: child.stderr }).on("line", (line) => gateway.errors.push(line));
		onTestFinished(() => void child.kill("SIGKILL"));
		return gateway;
	}

	get pid(): number {
		return this.#child.pid as number;
	}

	/** Connections with a `ws.open` and no `ws.close` line. */
	get open(): number {
		return this.opened - this.closed;
	}

	/** Bytes of heap in use after collections, in the process that was started or a worker of it. */
	async heap(pid = this.pid): Promise<number> {
		let least = Number.POSITIVE_INFINITY;
		// Weak references and finalizers need more than one collection.
		for (let i = 0; i < 4; i++) {
			this.#heaps.delete(pid);
			process.kill(pid, "SIGUSR2");
			least = Math.min(
				least,
				await until(() => this.#heaps.get(pid), { timeout: 10_000, what: "the gateway's memory" }),
			);
		}
		return least;
	}

	/** A metric's values, summed up over its labels. */
	async metric(adminPort: number, name: string): Promise<number> {
		const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
		if (!text.includes(`# TYPE ${name} `)) throw new Error(`there is no metric ${name}`);
		const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
		return values.reduce((sum, [, value]) => sum + Number(value), 0);
	}

	/**
	 * Stops it as an operator does; fails when it does not end well.
	 * @param timeout ms
	 */
	async stop(timeout = 10_000): Promise<void> {
		this.#child.kill("SIGTERM");
		await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, {
			timeout,
			what: "the gateway to exit",
		});
		if (this.#child.exitCode !== 0) {
			throw new Error(
				`the gateway exited with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.errors.join("\n")}`,
			);
		}
	}

	#line(text: string): void {
		const line = parsed(text);
		if (line === undefined) {
			this.errors.push(`not a log line: ${text}`);
			return;
		}
		if (line.event === "test.memory") this.#heaps.set(line.pid as number, line.heapUsed as number);
		this.#onLine?.(line);
		if (line.event === "internal.error") this.errors.push(text);
		const kind = KINDS[line.event];
		if (kind === undefined) return;
		if (kind === "open") this.opened++;
		else if (kind === "close") this.closed++;
		else if (kind === "reject") this.rejected++;
		else this.http++;
		const index = Number(line.path?.split("/")[2]);
		if (!Number.isInteger(index)) return;
		const count = this.lines.get(index) ?? {};
		count[kind] = (count[kind] ?? 0) + 1;
		this.lines.set(index, count);
	}
}

function parsed(text: string): LogRecord | undefined {
	try {
		return JSON.parse(text) as LogRecord;
	} catch {
		return undefined;
	}
}
