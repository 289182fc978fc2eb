/** A gateway with several workers, as an operator runs it. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { temporaryFiles } from "./certs.ts";
import { type Child, startCli } from "./child.ts";
import { accepts, dedent } from "./gateway.ts";
import type { LogRecord } from "./log-lines.ts";
import { until } from "./poll.ts";
import { connectRaw } from "./raw-client.ts";
import { openFds } from "./resources.ts";

export interface WorkersGateway {
	readonly child: Child;
	/** The processes of its workers that live now. */
	pids(): number[];
	/** Writes routes.yaml; the gateway notices by itself. */
	write(yaml: string): void;
	/** Writes routes.yaml and waits for the `config.reload` or `config.rejected` line about it. */
	change(yaml: string): Promise<LogRecord>;
	/** Open file descriptors of each worker: how many more connections it has shows here. */
	fds(): Map<number, number>;
}

/**
 * Starts `clawgate run` and waits until it serves on `port`.
 * @param files further ones, next to routes.yaml
 */
export async function startWorkers(
	yaml: string,
	port: number,
	files: Record<string, string> = {},
	atEnd?: (clean: () => Promise<void>) => void,
): Promise<WorkersGateway> {
	const paths = await temporaryFiles({ "routes.yaml": dedent(yaml), ...files }, atEnd);
	const file = paths["routes.yaml"] as string;
	const child = startCli(["run", "-c", file], atEnd && { atEnd });
	// Connections wait until all workers are there.
	await until(() => child.process.exitCode !== null || accepts(port), { timeout: 30_000, what: "the port to be open" });
	await answered(port).catch(async (error: Error) => {
		throw new Error(`the gateway did not start: ${error.message}\n${child.stdout()}${child.stderr()}`);
	});
	const reloads = () => child.out.records.filter(({ event }) => /^config\.re(load|jected)$/.test(event));
	// By rename, as editors do it: a file that is only half there would be rejected.
	const write = (text: string): void => {
		writeFileSync(`${file}.new`, dedent(text));
		renameSync(`${file}.new`, file);
	};
	const pids = () => childrenOf(child.process.pid as number);
	return {
		child,
		pids,
		write,
		change: async (text) => {
			const before = reloads().length;
			write(text);
			return until(() => reloads()[before], { timeout: 15_000, what: "the reload to be taken or rejected" });
		},
		fds: () => new Map(pids().map((pid) => [pid, openFds(pid)])),
	};
}

/** The processes that a process has started and that are not gone. */
export function childrenOf(pid: number): number[] {
	const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
	return text.split(" ").filter(Boolean).map(Number);
}

/** Whether a process lives. */
export function lives(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
}

/** Waits until an HTTP request gets an answer: a refusal by whichever worker, before any backend is asked. */
export async function answered(port: number): Promise<void> {
	const client = await connectRaw({ port });
	client.write("OPTIONS /.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	await client.readHead(15_000);
	await client.ended();
	client.end();
}
