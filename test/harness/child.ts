/** Child processes: a gateway as an operator runs it, and backends that can be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { LogLines } from "./log-lines.ts";
import { within } from "./poll.ts";

/** The project's root folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Exit {
	code: number | null;
	signal: NodeJS.Signals | null;
}

export interface ChildOptions {
	readonly env?: Record<string, string>;
	readonly cwd?: string;
	/** Who ends it; by default the end of the test. */
	readonly atEnd?: (clean: () => Promise<void>) => void;
}

export interface Child {
	readonly process: ChildProcess;
	/** Standard output, parsed where it is JSON. */
	readonly out: LogLines;
	/** Standard output as text. */
	stdout(): string;
	stderr(): string;
	kill(signal?: NodeJS.Signals): void;
	/** How it ended. */
	exit(timeout?: number): Promise<Exit>;
}

/** Starts `node`, or another `executable`, with these arguments in the project's root; killed at the end of the test. */
export function startNode(args: readonly string[], options: ChildOptions & { executable?: string } = {}): Child {
	const { atEnd = onTestFinished } = options;
	const child = spawn(options.executable ?? process.execPath, args, {
		cwd: options.cwd ?? ROOT,
		env: { ...process.env, ...options.env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	const out = new LogLines();
	let stdout = "";
	let stderr = "";
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		stdout += text;
		out.write(text);
	});
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		stderr += text;
	});
	const ended = new Promise<Exit>((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
	atEnd(async () => {
		if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
		await ended;
	});
	return {
		process: child,
		out,
		stdout: () => stdout,
		stderr: () => stderr,
		kill: (signal = "SIGTERM") => void child.kill(signal),
		exit: (timeout = 10_000) => within(ended, { timeout, what: `the child to exit; it said:\n${stdout}\n${stderr}` }),
	};
}

/** Starts the built command line: `clawgate ARGS`. */
export function startCli(args: readonly string[], options: ChildOptions = {}): Child {
	const entry = `${ROOT}dist/main.js`;
	if (!existsSync(entry)) throw new Error("dist/main.js is missing: run `npm run build` first");
	return startNode([entry, ...args], options);
}
