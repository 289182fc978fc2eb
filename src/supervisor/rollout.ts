/** How the workers come to a new configuration: all of them or none, and nobody waits for one that hangs. */
import type { Changed, Forecast } from "../reload.ts";
import { type NextConfig, sendConfig } from "./send-config.ts";
import type { Watchdog } from "./watchdog.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** How long a worker may take to compile a configuration and to read its files, ms. */
export const PREPARE_MS = 30_000;

export interface RolloutDeps {
	/** Those that serve and answer. */
	readonly list: () => readonly WorkerProcess[];
	readonly watchdog: Pick<Watchdog, "unlessStuck">;
	/** The configuration that holds now. */
	readonly state: () => NextConfig;
	/** A worker did not take the configuration over: it has to be replaced. */
	readonly failed: (worker: WorkerProcess, error: Error) => void;
}

/** A reload that every worker has prepared. */
export interface PoolChange {
	/** Of all of them. */
	readonly forecast: Forecast;
	/** Resolves with the sums of what the workers say. */
	commit(): Promise<Pick<Changed, "connections" | "drained">>;
	abandon(): void;
}

export class Rollout {
	readonly #deps: RolloutDeps;
	/** Counts the configurations that were committed. */
	#version = 0;
	/** Which one each worker has. */
	readonly #versions = new Map<WorkerProcess, number>();
	/** What each worker is busy with, so that nothing else is asked of it in between. */
	readonly #steps = new Map<WorkerProcess, Promise<void>>();

	constructor(deps: RolloutDeps) {
		this.#deps = deps;
	}

	/** The worker is about to be started with the configuration that holds now. */
	begins(worker: WorkerProcess): void {
		this.#versions.set(worker, this.#version);
	}

	forget(worker: WorkerProcess): void {
		this.#versions.delete(worker);
	}

	/** First half of a reload. @throws Error when one cannot; none has changed then */
	async prepare(next: NextConfig): Promise<PoolChange> {
		// Whoever still catches up would be disturbed, and is brought to this one afterwards.
		const current = (worker: WorkerProcess): boolean => this.#versions.get(worker) === this.#version;
		const asked = this.#deps.list().filter((worker) => current(worker) && !this.#steps.has(worker));
		const answers = await Promise.allSettled(
			asked.map((worker) => this.#deps.watchdog.unlessStuck(worker, prepareOn(worker, next))),
		);
		const abandon = (): void => {
			for (const { channel } of asked) channel.tell("abandon", undefined);
		};
		// One that died or hangs has no say: it, or its replacement, is told later what holds then.
		for (const [index, answer] of answers.entries()) {
			const worker = asked[index];
			if (answer.status === "fulfilled" || !worker?.channel.open || worker.stuck) continue;
			abandon();
			throw new Error(`worker ${worker.number}: ${(answer.reason as Error).message}`);
		}
		const forecast = { connections: 0, drained: 0 };
		const prepared: WorkerProcess[] = [];
		for (const [index, answer] of answers.entries()) {
			// Nothing comes from one that hangs. When it is back by the time of the commit, it still has not prepared.
			if (answer.status !== "fulfilled" || answer.value === undefined) continue;
			forecast.connections += answer.value.connections;
			forecast.drained += answer.value.drained;
			prepared.push(asked[index] as WorkerProcess);
		}
		return { forecast, abandon, commit: () => this.#commit(prepared.filter(({ stuck }) => !stuck)) };
	}

	/**
	 * Brings a worker to the configuration that holds now.
	 * @throws Error when it cannot take it over
	 */
	async bringUp(worker: WorkerProcess): Promise<void> {
		while (this.#versions.get(worker) !== this.#version) {
			await (this.#steps.get(worker) ?? this.#step(worker, this.#catchUp(worker, this.#version)));
		}
	}

	async #catchUp(worker: WorkerProcess, version: number): Promise<void> {
		await prepareOn(worker, this.#deps.state());
		await worker.channel.call("commit", undefined, PREPARE_MS);
		this.#versions.set(worker, version);
	}

	/** Remembers what a worker is busy with. */
	#step(worker: WorkerProcess, step: Promise<void>): Promise<void> {
		const over = step.finally(() => this.#steps.delete(worker));
		this.#steps.set(worker, over);
		return over;
	}

	async #commit(prepared: readonly WorkerProcess[]): Promise<Pick<Changed, "connections" | "drained">> {
		const version = ++this.#version;
		const { list, watchdog, failed } = this.#deps;
		const sum = { connections: 0, drained: 0 };
		const late = list().filter((worker) => !prepared.includes(worker));
		const commit = async (worker: WorkerProcess): Promise<void> => {
			const changed = await worker.channel.call("commit", undefined, PREPARE_MS);
			this.#versions.set(worker, version);
			sum.connections += changed.connections;
			sum.drained += changed.drained;
		};
		const follow = async (worker: WorkerProcess, step: Promise<void>): Promise<void> => {
			try {
				await watchdog.unlessStuck(worker, step);
			} catch (error) {
				if (worker.channel.open && !worker.stuck) failed(worker, error as Error);
			}
		};
		await Promise.all([
			...prepared.map((worker) => follow(worker, this.#step(worker, commit(worker)))),
			...late.map((worker) => follow(worker, this.bringUp(worker))),
		]);
		return sum;
	}
}

async function prepareOn(worker: WorkerProcess, next: NextConfig): Promise<Forecast> {
	return await worker.channel.call("prepare", await sendConfig(worker, next), PREPARE_MS);
}
