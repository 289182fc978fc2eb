/** What a worker can be asked by the supervisor, and the supervisor by a worker. Everything is structured-cloneable. */
import type { Channel } from "./channel.ts";

/** Asked of a worker. */
export type WorkerContract = {
	/** Stops as after SIGTERM; answered when it has begun. The process ends by itself. */
	stop(how: { readonly immediately: boolean }): void;
};

/** Asked of the supervisor. */
export type SupervisorContract = {
	/** The worker's process runs and its handlers are there: it may be told what to do. */
	hello(facts: { readonly pid: number }): void;
};

/** A running worker, as the supervisor's parts see it. */
export interface WorkerHandle {
	/** From 1; a replacement has the number of the one that it replaces. */
	readonly number: number;
	readonly pid: number;
	readonly channel: Channel<WorkerContract, SupervisorContract>;
}

/** The workers, for parts of the supervisor that ask all of them or follow each. */
export interface Workers {
	/** Those that are ready: started, with the running configuration. */
	list(): readonly WorkerHandle[];
	/** Called for each worker before it is started (also a replacement), to put handlers on its channel. */
	onStart(listener: (worker: WorkerHandle) => void): void;
	/** Called when a worker's process is gone: what it held is given back. */
	onExit(listener: (worker: WorkerHandle) => void): void;
}

/** The worker's end of the channel. */
export type SupervisorChannel = Channel<SupervisorContract, WorkerContract>;
