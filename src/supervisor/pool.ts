/** The worker processes: started, brought to each new configuration together, replaced when they die, stopped. */
import type { LogLevel } from "../gateway/events.ts";
import type { SelfSigned } from "../server/tls.ts";
import type { SentConfig, WorkerContract, WorkerHandle, WorkerStart, Workers } from "./contract.ts";
import { BEAT_MS, type Handout } from "./handout.ts";
import { RestartDelay } from "./restart-delay.ts";
import { type PoolChange, PREPARE_MS, Rollout } from "./rollout.ts";
import type { Taker } from "./seat.ts";
import { type NextConfig, sendConfig } from "./send-config.ts";
import { Watchdog } from "./watchdog.ts";
import { type WorkerExit, WorkerProcess } from "./worker-process.ts";

/** What a worker has, after it was told to end at once, before it is killed; ms. */
const CUT_MS = 3_000;
const TOOK_NOT = "did not take the new configuration over";

export interface PoolDeps {
	readonly handout: Handout;
	readonly notice: (level: LogLevel, event: string, fields: Record<string, unknown>) => void;
	/** What holds now. */
	readonly state: () => NextConfig & Omit<WorkerStart, "number" | keyof SentConfig>;
	readonly selfSigned: SelfSigned;
}

/** The place of a worker: one process after the other has it. */
interface Place {
	readonly number: number;
	readonly delay: RestartDelay;
	worker?: WorkerProcess;
	restart?: NodeJS.Timeout;
	/** Its process is not to be replaced. */
	closing: boolean;
	/** It was ended before it served: there is nothing to say about it. */
	unused?: boolean;
}

export class WorkerPool implements Workers {
	readonly #deps: PoolDeps;
	readonly #places = new Map<number, Place>();
	/** Those that were told to start: further news are for them. */
	readonly #told = new Set<WorkerProcess>();
	/** Those that serve. */
	readonly #ready = new Set<WorkerProcess>();
	readonly #rollout: Rollout;
	readonly #watchdog: Watchdog;
	readonly #beats: NodeJS.Timeout;
	readonly #onStart: ((worker: WorkerHandle) => void)[] = [];
	readonly #onExit: ((worker: WorkerHandle) => void)[] = [];
	#stopping = false;

	constructor(deps: PoolDeps) {
		this.#deps = deps;
		const { handout } = deps;
		this.#watchdog = new Watchdog({
			mark: () => handout.lastNumber,
			answered: (worker, mark, room) => handout.answered(worker, mark, room),
			stuck: (worker) => this.#stuck(worker),
			back: (worker) => void this.#back(worker),
			hopeless: (worker) => this.#failed(worker, "has not answered for 10 s"),
		});
		this.#rollout = new Rollout({
			list: () => this.list(),
			watchdog: this.#watchdog,
			state: deps.state,
			failed: (worker, error) => this.#failed(worker, TOOK_NOT, error),
		});
		this.#beats = setInterval(() => {
			handout.beat();
			this.#watchdog.beat();
		}, BEAT_MS).unref();
	}

	list(): readonly WorkerProcess[] {
		return [...this.#ready].filter(({ stuck }) => !stuck);
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
	 * @param open called when all have loaded, which takes the longest: clients that come from then on wait for little
	 * @throws Error when one of them cannot, or `open` fails; the others have to be stopped
	 */
	async start(count: number, open: () => Promise<void>): Promise<void> {
		const places = Array.from({ length: count }, (_, index) => this.#addPlace(index + 1));
		const loading = places.map((place) => ({ place, worker: this.#load(place) }));
		await Promise.all(loading.map(({ worker }) => worker.ready));
		await open();
		await Promise.all(loading.map(({ place, worker }) => this.#enter(place, worker)));
	}

	/** Tells all workers, also those that are about to serve. */
	tell<N extends keyof WorkerContract & string>(name: N, body: Parameters<WorkerContract[N]>[0]): void {
		for (const { channel } of this.#told) channel.tell(name, body as never);
	}

	/** First half of a reload. @throws Error when one cannot; none has changed then */
	prepare(next: NextConfig): Promise<PoolChange> {
		return this.#rollout.prepare(next);
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
		clearInterval(this.#beats);
	}

	/** Kills all workers. */
	kill(): void {
		for (const { worker } of this.#places.values()) worker?.kill();
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

	/** Starts a place's process. */
	#load(place: Place): WorkerProcess {
		const { handout, selfSigned } = this.#deps;
		const worker = new WorkerProcess(place.number);
		place.worker = worker;
		const { channel } = worker;
		channel.handle("took", (number) => handout.took(worker, number));
		channel.handle("refused", ({ number, full }) => handout.refused(worker, number, full));
		channel.handle("failing", () => this.#leave(worker));
		channel.handle("left", (listener) => handout.ended(worker, listener));
		channel.handle("selfSigned", selfSigned);
		for (const listener of this.#onStart) listener(worker);
		void worker.unreachable.then(() => {
			this.#told.delete(worker);
			this.#leave(worker);
		});
		void worker.ended.then((exit) => this.#ended(place, worker, exit));
		return worker;
	}

	/** Tells it what holds; from then on it serves. @throws Error when it cannot */
	async #enter(place: Place, worker: WorkerProcess): Promise<void> {
		const { handout, state } = this.#deps;
		await worker.ready;
		if (!worker.reachable) throw new Error(`worker ${place.number} ended while it started`);
		this.#rollout.begins(worker);
		const sent = await sendConfig(worker, state());
		// From here on it is told all news: whatever it starts with has to be what holds at this moment.
		this.#told.add(worker);
		const { discovered, health, ticketSecret } = state();
		await worker.channel.call("start", { ...sent, number: place.number, discovered, health, ticketSecret }, PREPARE_MS);
		await this.#rollout.bringUp(worker);
		if (place.closing || !worker.reachable) return;
		this.#ready.add(worker);
		this.#watchdog.watch(worker);
		handout.enter(worker);
	}

	/** It gets no further connections. What it has stays with it until its end. */
	#leave(worker: WorkerProcess): void {
		this.#ready.delete(worker);
		this.#deps.handout.pause(worker);
	}

	/** Says that a worker has no room for further connections, or has again. */
	room(taker: Taker, full: boolean): void {
		const worker = [...this.#ready].find((each) => each === taker);
		if (worker === undefined) return;
		const { number, pid } = worker;
		const facts = { worker: number, pid, connections: this.#deps.handout.countOf(worker) };
		if (full) {
			this.#deps.notice("error", "worker.full", {
				...facts,
				message: `worker ${number} is at its limit of open files (ulimit -n): new connections go to the others`,
			});
		} else this.#deps.notice("info", "worker.recovered", facts);
	}

	#stuck(worker: WorkerProcess): void {
		this.#deps.handout.passOver(worker);
		this.#deps.notice("error", "worker.stuck", {
			worker: worker.number,
			pid: worker.pid,
			connections: this.#deps.handout.countOf(worker),
			message: `worker ${worker.number} has not answered for 2 s: new connections go to the others; after 10 s it is ended and replaced`,
		});
	}

	/** It goes on where it stopped, maybe with an older configuration. */
	async #back(worker: WorkerProcess): Promise<void> {
		// It is about to end.
		if (!this.#ready.has(worker)) return;
		try {
			await this.#rollout.bringUp(worker);
			if (worker.stuck) return;
			this.#deps.handout.comeBack(worker);
			this.#deps.notice("info", "worker.recovered", { worker: worker.number, pid: worker.pid });
		} catch (error) {
			if (worker.channel.open) this.#failed(worker, TOOK_NOT, error as Error);
		}
	}

	/** Starts a worker that nobody waits for. One that cannot serve is ended, and then replaced later. */
	#relaunch(place: Place): void {
		const started = this.#enter(place, this.#load(place)).then(() => {
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

	#failed(worker: WorkerProcess, what: string, error?: Error): void {
		this.#deps.notice("error", "worker.failed", {
			worker: worker.number,
			pid: worker.pid,
			message: `worker ${worker.number} ${what}${error ? `: ${error.message}` : ""}; it is ended and replaced`,
		});
		worker.kill();
	}

	#ended(place: Place, worker: WorkerProcess, { code, signal }: WorkerExit): void {
		const { handout, notice } = this.#deps;
		this.#watchdog.forget(worker);
		this.#rollout.forget(worker);
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
			if (!place.unused) notice(code === 0 ? "info" : "error", "worker.exit", facts);
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
		this.#leave(worker);
		if (this.#told.has(worker)) worker.channel.tell("stop", { immediately: false });
		else {
			place.unused = worker.reachable;
			worker.kill();
		}
		const timer = setTimeout(() => worker.kill(), within);
		await worker.ended;
		clearTimeout(timer);
	}
}
