/** The order in which workers are told a new configuration, when one of them hangs for a while. */
import { expect, test } from "vitest";
import type { GatewayConfig } from "../../../src/config/schema.ts";
import { Rollout } from "../../../src/supervisor/rollout.ts";
import type { NextConfig } from "../../../src/supervisor/send-config.ts";
import type { WorkerProcess } from "../../../src/supervisor/worker-process.ts";
import { until } from "../../harness/poll.ts";

/** Takes configurations over as a worker does: a later `prepare` or an `abandon` ends the one before. */
class Worker {
	stuck = false;
	/** What it runs with; the number of a configuration's port. */
	has: number | undefined;
	/** While it is set, nothing gets ready. */
	hangs = false;
	#prepared: number | undefined;
	#attempt = 0;

	readonly channel = {
		open: true,
		tell: () => this.#abandon(),
		call: async (name: string, sent: { ports: { main: number } }): Promise<unknown> => {
			if (name === "prepare") return this.#prepare(sent.ports.main);
			if (name === "commit") return this.#commit();
			return undefined;
		},
	};

	async #prepare(port: number): Promise<unknown> {
		this.#abandon();
		const attempt = this.#attempt;
		await until(() => !this.hangs, { what: "the worker to go on" });
		await new Promise((resolve) => setTimeout(resolve, 20));
		if (attempt !== this.#attempt) throw new Error("the reload was given up meanwhile");
		this.#prepared = port;
		return { connections: 0, drained: 0 };
	}

	async #commit(): Promise<unknown> {
		if (this.#prepared === undefined) throw new Error("there is nothing to commit");
		this.has = this.#prepared;
		this.#prepared = undefined;
		return { connections: 0, drained: 0 };
	}

	#abandon(): void {
		this.#attempt++;
		this.#prepared = undefined;
	}
}

function start() {
	const [steady, hanging] = [new Worker(), new Worker()];
	const workers = [steady, hanging] as unknown as WorkerProcess[];
	const failures: string[] = [];
	let holds = config(0);
	let giveUp = (): void => undefined;
	const rollout = new Rollout({
		list: () => workers.filter(({ stuck }) => !stuck),
		watchdog: {
			unlessStuck: (worker, answer) => {
				if (worker !== workers[1]) return answer;
				const givenUp = new Promise<undefined>((resolve) => {
					giveUp = () => resolve(undefined);
				});
				return Promise.race([answer, givenUp]);
			},
		},
		state: () => holds,
		failed: (_, error) => failures.push(error.message),
	});
	for (const worker of workers) rollout.begins(worker);
	return {
		rollout,
		steady,
		hanging,
		failures,
		hangs: () => {
			hanging.hangs = true;
			hanging.stuck = true;
			giveUp();
		},
		/** As the pool does when it answers again. */
		back: () => {
			hanging.hangs = false;
			hanging.stuck = false;
			return rollout.bringUp(workers[1] as WorkerProcess);
		},
		reload: async (number: number, between = (): unknown => undefined) => {
			const preparing = rollout.prepare(config(number));
			await between();
			const change = await preparing;
			return () => {
				holds = config(number);
				return change.commit();
			};
		},
	};
}

function config(port: number): NextConfig {
	const empty = { routes: [], upstreams: {} } as unknown as GatewayConfig;
	return { config: empty, contents: new Map(), ports: { main: port } };
}

test("one that hung while it was to prepare, and is back before the commit, prepares first", async () => {
	const { reload, hangs, back, steady, hanging, failures } = start();
	const commit = await reload(1, hangs);
	await back();
	await commit();
	expect(failures).toEqual([]);
	expect([steady.has, hanging.has]).toEqual([1, 1]);
});

test("one that has missed a reload, and catches up while the next one is prepared, is not disturbed", async () => {
	const { reload, hangs, back, steady, hanging, failures } = start();
	const first = await reload(1, hangs);
	await first();
	const caughtUp = back();
	const second = await reload(2);
	await Promise.all([second(), caughtUp]);
	expect(failures).toEqual([]);
	expect([steady.has, hanging.has]).toEqual([2, 2]);
});
