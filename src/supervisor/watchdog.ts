/** Notices workers that do not answer any more: stopped, in an endless loop, or swapped out. */
import type { WorkerProcess } from "./worker-process.ts";

/** A worker is stuck when it has not answered for so many beats. */
const STUCK_BEATS = 4;
/** After so many it is ended. Its peers have given it up by then: most wait no longer than that for an answer. */
const HOPELESS_BEATS = 20;

export interface WatchdogDeps {
	/** It answered, everything up to this mark of {@link mark} included. */
	readonly answered: (worker: WorkerProcess, mark: number, room: boolean) => void;
	/** It has not answered for about two seconds. */
	readonly stuck: (worker: WorkerProcess) => void;
	/** It answers again. */
	readonly back: (worker: WorkerProcess) => void;
	/** It has not answered for about ten seconds. */
	readonly hopeless: (worker: WorkerProcess) => void;
	/** What is told to a worker before now stands behind the present value. */
	readonly mark: () => number;
}

interface Watched {
	/** Beats since the question that is open; undefined = it has answered. */
	silent: number | undefined;
	/** Called when it is stuck. */
	readonly waiting: Set<() => void>;
}

/**
 * A beat is a question to each worker, and the next one is only put when that is answered. Silence is counted in beats and
 * not in time: when this process itself did not run, or the machine slept, no worker is to blame.
 */
export class Watchdog {
	readonly #deps: WatchdogDeps;
	readonly #watched = new Map<WorkerProcess, Watched>();

	constructor(deps: WatchdogDeps) {
		this.#deps = deps;
	}

	/** Watches a worker that serves, until {@link forget}. */
	watch(worker: WorkerProcess): void {
		this.#watched.set(worker, { silent: undefined, waiting: new Set() });
	}

	forget(worker: WorkerProcess): void {
		this.#watched.delete(worker);
	}

	/** The answer, or undefined as soon as the worker is stuck: then nobody waits for it. */
	async unlessStuck<T>(worker: WorkerProcess, answer: Promise<T>): Promise<T | undefined> {
		const waiting = this.#watched.get(worker)?.waiting;
		if (waiting === undefined) return answer;
		let giveUp = (): void => undefined;
		const stuck = new Promise<undefined>((resolve) => {
			giveUp = () => resolve(undefined);
		});
		waiting.add(giveUp);
		try {
			return await Promise.race([answer, stuck]);
		} finally {
			waiting.delete(giveUp);
		}
	}

	/** To be called regularly. */
	beat(): void {
		for (const [worker, watched] of [...this.#watched]) {
			if (watched.silent === undefined) this.#ask(worker, watched);
			else this.#silence(worker, watched, ++watched.silent);
		}
	}

	#ask(worker: WorkerProcess, watched: Watched): void {
		watched.silent = 0;
		const mark = this.#deps.mark();
		const answered = ({ room }: { room: boolean }): void => {
			if (this.#watched.get(worker) !== watched) return;
			watched.silent = undefined;
			this.#deps.answered(worker, mark, room);
			if (!worker.stuck) return;
			worker.stuck = false;
			this.#deps.back(worker);
		};
		// Without a limit of its own: it is this class that looks at the time. When the worker is gone nobody asks further.
		worker.channel.call("beat", undefined, LONGEST_MS).then(answered, () => undefined);
	}

	#silence(worker: WorkerProcess, watched: Watched, beats: number): void {
		if (beats === STUCK_BEATS) {
			worker.stuck = true;
			for (const giveUp of watched.waiting) giveUp();
			this.#deps.stuck(worker);
		} else if (beats === HOPELESS_BEATS) {
			this.#deps.hopeless(worker);
		}
	}
}

/** A timer of Node cannot be longer, ms. */
const LONGEST_MS = 2 ** 31 - 1;
