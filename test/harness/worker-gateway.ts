/** A gateway of several workers with one listener, for tests of what its workers share. */
import { afterAll, expect, onTestFinished } from "vitest";
import type { Child } from "./child.ts";
import { dedent } from "./gateway.ts";
import { LogLines, type LogRecord } from "./log-lines.ts";
import { until } from "./poll.ts";
import { freePort } from "./ports.ts";
import { startWorkers, type WorkersGateway } from "./workers.ts";

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
	const { child, pids, fds } = await startWorkers(whole(count, port, yaml), port);
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

/** The configuration around a test's own part. */
function whole(count: number, port: number, yaml: string): string {
	const top = [
		`workers: ${count}`,
		`listeners: [{ name: public, address: "127.0.0.1:${port}" }]`,
		"shutdown: { drain: { timeout: 500ms, spread: 0s } }",
	];
	return `${top.join("\n")}\n${dedent(yaml)}`;
}

/** What a test sees of a gateway that others use before and after it. */
export type SharedWorkerGateway = Pick<WorkerGateway, "lines" | "port">;

/**
 * One gateway for several tests of a file, which gets the configuration of each by a reload: to start four processes takes
 * longer than most of these tests. To be called at the top of a file; its end is checked after the last test. The upstreams
 * of each test need names of their own, or they have the state of those before.
 * @returns starts it, or gives it another configuration: see {@link startWorkerGateway}
 */
export function sharedWorkerGateway(count: number): (yaml: string) => Promise<SharedWorkerGateway> {
	let started: Promise<WorkersGateway> | undefined;
	let port = 0;
	const cleaning: (() => Promise<void>)[] = [];
	afterAll(async () => {
		try {
			const child = (await started)?.child;
			child?.kill("SIGTERM");
			expect(await child?.exit(20_000)).toEqual({ code: 0, signal: null });
			child?.out.assertPaired();
		} finally {
			for (const clean of cleaning) await clean();
		}
	});
	return async (yaml) => {
		if (started === undefined) {
			port = await freePort();
			started = startWorkers(whole(count, port, yaml), port, {}, (clean) => cleaning.push(clean));
			await started;
		} else {
			const gateway = await started;
			// A reload that drains most of what is open would wait for a second look.
			const { out } = gateway.child;
			await until(() => out.of("ws.open").length === out.of("ws.close").length, { what: "every tunnel to be closed" });
			expect(await gateway.change(whole(count, port, yaml))).toMatchObject({ event: "config.reload" });
		}
		const { child } = await started;
		const lines = new LogLines();
		const follow = (text: string): void => lines.write(text);
		child.process.stdout?.on("data", follow);
		onTestFinished(() => void child.process.stdout?.off("data", follow));
		return { lines, port };
	};
}
