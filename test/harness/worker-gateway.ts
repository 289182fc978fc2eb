/** A gateway of several workers with one listener, for tests of what its workers share. */
import { expect } from "vitest";
import type { Child } from "./child.ts";
import { dedent } from "./gateway.ts";
import type { LogLines, LogRecord } from "./log-lines.ts";
import { freePort } from "./ports.ts";
import { startWorkers } from "./workers.ts";

export interface WorkerGateway {
	readonly child: Child;
	readonly lines: LogLines;
	readonly port: number;
	/** Process ids of the workers that are there now. */
	workers(): number[];
	/** Kills a worker as a crash does, the one with most connections, and waits until the supervisor knows; gives the `worker.exit` line. */
	killWorker(pid?: number): Promise<LogRecord>;
	/** Stops it as an operator does; fails when it does not exit well, or its log lines do not come in pairs. */
	stop(options?: { paired?: boolean }): Promise<void>;
}

/**
 * Starts it; ended at the end of the test.
 * @param yaml without `workers`, `listeners` and `shutdown`
 */
export async function startWorkerGateway(count: number, yaml: string): Promise<WorkerGateway> {
	const port = await freePort();
	const top = [
		`workers: ${count}`,
		`listeners: [{ name: public, address: "127.0.0.1:${port}" }]`,
		"shutdown: { drain: { timeout: 500ms, spread: 0s } }",
	];
	const { child, pids, fds } = await startWorkers(`${top.join("\n")}\n${dedent(yaml)}`, port);
	// Of handshakes that come all at once, a worker that is slow that day may have got none.
	const busiest = () => [...fds()].toSorted(([, a], [, b]) => b - a)[0]?.[0];
	return {
		child,
		lines: child.out,
		port,
		workers: pids,
		killWorker: async (pid = busiest()) => {
			if (pid === undefined) throw new Error("there is no worker");
			process.kill(pid, "SIGKILL");
			return child.out.waitFor((record) => record.event === "worker.exit" && record.pid === pid);
		},
		stop: async ({ paired = true } = {}) => {
			child.kill("SIGTERM");
			expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
			if (paired) child.out.assertPaired();
		},
	};
}
