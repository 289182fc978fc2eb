/** The worker processes: started, brought to each new configuration together, replaced when they die, stopped. */
import type { LogLevel } from "../gateway/events.ts";
import type { Changed, Forecast } from "../reload.ts";
import type { SelfSigned } from "../server/tls.ts";
import type { SentConfig, WorkerContract, WorkerHandle, WorkerStart, Workers } from "./contract.ts";
import type { Handout } from "./handout.ts";
import { RestartDelay } from "./restart-delay.ts";
import { type NextConfig, sendConfig } from "./send-config.ts";
import { type WorkerExit, WorkerProcess } from "./worker-process.ts";

/** How long a worker may take to compile a configuration and to read its files, ms. */
const PREPARE_MS = 30_000;
/** What a worker has, after it was told to end at once, before it is killed; ms. */
const CUT_MS = 3_000;

export interface PoolDeps {
	readonly handout: Handout;
	readonly notice: (level: LogLevel, event: string, fields: Record<string, unknown>) => void;
	/** What holds now. */
	readonly state: () => NextConfig & Omit<WorkerStart, "number" | keyof SentConfig>;
	readonly selfSigned: SelfSigned;
}

/** A reload that every worker has prepared. */
export interface PoolChange {
	/** Of all of them. */
	readonly forecast: Forecast;
	/** Resolves with the sums of what the workers say. */
	commit(): Promise<Pick<Changed, "connections" | "drained">>;
	abandon(): void;
}

/** The place of a worker: one process after the other has it. */
interface Place {
	readonly number: number;
	readonly delay: RestartDelay;
	worker?: WorkerProcess;
	restart?: NodeJS.Timeout;
	/** Its process is not to be replaced. */
	closing: boolean;
}

export class WorkerPool implements Workers {
	readonly #deps: PoolDeps;
	readonly #places = new Map<number, Place>();
	/** Those that were told to start: further news are for them. */
	readonly #told = new Set<WorkerProcess>();
	readonly #ready = new Set<WorkerProcess>();
	readonly #onStart: ((worker: WorkerHandle) => void)[] = [];
	readonly #onExit: ((worker: WorkerHandle) => void)[] = [];
	/** Counts the configurations that were committed. */
	#version = 0;
	#stopping = false;

	constructor(deps: PoolDeps) {
		this.#deps = deps;
	}

	list(): readonly WorkerProcess[] {
		return [...this.#ready];
	}

	onStart(listener: (worker: WorkerHandle) => void): void {
		this.#onStart.push(listener);
	}

	onExit(listener: (worker: WorkerHandle) => void): void {
		this.#onExit.push(listener);
	}

	/** How many there are to be. */
	get size(): number {
		return this.#places.size;
	}

	/**
	 * Starts the first ones; resolves when all serve.
	 * @throws Error when one of them cannot; the others have to be stopped
	 */
	async start(count: number): Promise<void> {
		const places = Array.from({ length: count }, (_, index) => this.#addPlace(index + 1));
		await Promise.all(places.map((place) => this.#launch(place)));
	}

	/** Tells all workers, also those that are about to serve. */
	tell<N extends keyof WorkerContract & string>(name: N, body: Parameters<WorkerContract[N]>[0]): void {
		for (const { channel } of this.#told) channel.tell(name, body as never);
	}

	/** First half of a reload. @throws Error when one cannot; none has changed then */
	async prepare(next: NextConfig): Promise<PoolChange> {
		const asked = this.list();
		const answers = await Promise.allSettled(
			asked.map(async (worker) => worker.channel.call("prepare", await sendConfig(worker, next), PREPARE_MS)),
		);
		const abandon = (): void => {
			for (const { channel } of asked) channel.tell("abandon", undefined);
		};
		// One that died meanwhile has no say: its replacement is told what holds then.
		for (const [index, answer] of answers.entries()) {
			const worker = asked[index];
			if (answer.status === "fulfilled" || !worker?.channel.open) continue;
			abandon();
			throw new Error(`worker ${worker.number}: ${(answer.reason as Error).message}`);
		}
		const forecast = { connections: 0, drained: 0 };
		for (const answer of answers) {
			if (answer.status !== "fulfilled") continue;
			forecast.connections += answer.value.connections;
			forecast.drained += answer.value.drained;
		}
		return { forecast, abandon, commit: () => this.#commit(asked) };
	}

	/** Starts further workers, or stops surplus ones within so many ms. */
	resize(count: number, stopWithin: number): void {
		if (this.#stopping) return;
		for (let number = 1; number <= count; number++) {
			if (!this.#places.has(number)) this.#relaunch(this.#addPlace(number));
		}
		for (const place of [...this.#places.values()].filter(({ number }) => number > count)) {
			this.#places.delete(place.number);
			void this.#stopOne(place, stopWithin);
		}
	}

	/** Ends all workers after they have drained; resolves when they are gone. What is not within so many ms is killed. */
	async stop(within: number): Promise<void> {
		this.#stopping = true;
		await Promise.all([...this.#places.values()].map((place) => this.#stopOne(place, within)));
	}

	/** Ends all workers now. */
	cut(): void {
		for (const { worker } of this.#places.values()) {
			if (!worker) continue;
			worker.channel.tell("stop", { immediately: true });
			const timer = setTimeout(() => worker.kill(), CUT_MS);
			void worker.ended.then(() => clearTimeout(timer));
		}
	}

	#addPlace(number: number): Place {
		const place: Place = { number, delay: new RestartDelay(), closing: false };
		this.#places.set(number, place);
		return place;
	}

	/** @throws Error when it cannot serve */
	async #launch(place: Place): Promise<void> {
		const { handout, state, selfSigned } = this.#deps;
		const worker = new WorkerProcess(place.number);
		place.worker = worker;
		const { channel } = worker;
		channel.handle("took", () => handout.took(worker));
		channel.handle("left", (listener) => handout.ended(worker, listener));
		channel.handle("selfSigned", selfSigned);
		for (const listener of this.#onStart) listener(worker);
		void worker.unreachable.then(() => {
			this.#told.delete(worker);
			this.#ready.delete(worker);
			handout.pause(worker);
		});
		void worker.ended.then((exit) => this.#ended(place, worker, exit));
		await worker.ready;
		if (!worker.reachable) throw new Error(`worker ${place.number} ended while it started`);
		let version = this.#version;
		const sent = await sendConfig(worker, state());
		// From here on it is told all news: whatever it starts with has to be what holds at this moment.
		this.#told.add(worker);
		const { discovered, health, ticketSecret } = state();
		await channel.call("start", { ...sent, number: place.number, discovered, health, ticketSecret }, PREPARE_MS);
		while (version !== this.#version) {
			version = this.#version;
			await this.#bringUp(worker);
		}
		if (place.closing || !worker.reachable) return;
		this.#ready.add(worker);
		handout.enter(worker);
	}

	/** Starts a worker that nobody waits for. One that cannot serve is ended, and then replaced later. */
	#relaunch(place: Place): void {
		const started = this.#launch(place).then(() => {
			const { worker } = place;
			if (worker === undefined || !this.#ready.has(worker)) return;
			this.#deps.notice("info", "worker.start", { worker: place.number, pid: worker.pid });
		});
		started.catch((error: Error) => {
			const { worker } = place;
			if (!worker?.channel.open) return;
			this.#failed(worker, "cannot start", error);
		});
	}

	async #commit(prepared: readonly WorkerProcess[]): Promise<Pick<Changed, "connections" | "drained">> {
		this.#version++;
		const sum = { connections: 0, drained: 0 };
		const late = this.list().filter((worker) => !prepared.includes(worker));
		await Promise.all([
			...prepared.map(async (worker) => {
				try {
					const { connections, drained } = await worker.channel.call("commit", undefined, PREPARE_MS);
					sum.connections += connections;
					sum.drained += drained;
				} catch (error) {
					if (worker.channel.open) this.#failed(worker, "did not take the new configuration over", error as Error);
				}
			}),
			...late.map((worker) =>
				this.#bringUp(worker).catch((error: Error) => {
					if (worker.channel.open) this.#failed(worker, "did not take the new configuration over", error);
				}),
			),
		]);
		return sum;
	}

	/** To the configuration that holds now. */
	async #bringUp(worker: WorkerProcess): Promise<void> {
		const { channel } = worker;
		await channel.call("prepare", await sendConfig(worker, this.#deps.state()), PREPARE_MS);
		await channel.call("commit", undefined, PREPARE_MS);
	}

	#failed(worker: WorkerProcess, what: string, error: Error): void {
		this.#deps.notice("error", "worker.failed", {
			worker: worker.number,
			pid: worker.pid,
			message: `worker ${worker.number} ${what}: ${error.message}; it is ended and replaced`,
		});
		worker.kill();
	}

	#ended(place: Place, worker: WorkerProcess, { code, signal }: WorkerExit): void {
		const { handout, notice } = this.#deps;
		const connections = handout.countOf(worker);
		handout.leave(worker);
		for (const listener of this.#onExit) listener(worker);
		const facts = {
			worker: place.number,
			pid: worker.pid,
			code: code ?? undefined,
			signal: signal ?? undefined,
			connections,
		};
		if (place.closing) {
			// It did what it was told, or it had to be killed.
			notice(code === 0 ? "info" : "error", "worker.exit", facts);
			return;
		}
		const delay = place.delay.next(performance.now() - worker.startedAt);
		notice("error", "worker.exit", { ...facts, restart_in_ms: delay });
		place.restart = setTimeout(() => this.#relaunch(place), delay);
	}

	async #stopOne(place: Place, within: number): Promise<void> {
		const { worker } = place;
		place.closing = true;
		clearTimeout(place.restart);
		if (!worker) return;
		this.#ready.delete(worker);
		this.#deps.handout.pause(worker);
		if (this.#told.has(worker)) worker.channel.tell("stop", { immediately: false });
		else worker.kill();
		const timer = setTimeout(() => worker.kill(), within);
		await worker.ended;
		clearTimeout(timer);
	}
}
