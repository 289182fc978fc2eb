/** A supervisor's shared state and workers that talk to it over pipes which the test can block and break. */
import { EventEmitter } from "node:events";
import { Channel } from "../../../../src/supervisor/channel.ts";
import type {
	SupervisorChannel,
	SupervisorContract,
	WorkerContract,
	WorkerHandle,
} from "../../../../src/supervisor/contract.ts";
import { RemoteCounters, remoteUpstreams } from "../../../../src/supervisor/shared/remote.ts";
import { SharedState } from "../../../../src/supervisor/shared/state.ts";

/** One end of a pipe. What is sent arrives in a later turn of the event loop, cloned as between processes. */
class End extends EventEmitter {
	other: End | undefined;
	/** What arrives here waits while it is set. */
	blocked = false;
	broken = false;
	#held: unknown[] = [];

	send(message: unknown, onSent?: (error: Error | null) => void): boolean {
		const copy = structuredClone(message);
		setImmediate(() => {
			onSent?.(null);
			this.other?.arrive(copy);
		});
		return true;
	}

	arrive(message: unknown): void {
		if (this.broken) return;
		if (this.blocked) this.#held.push(message);
		else this.emit("message", message);
	}

	unblock(): void {
		this.blocked = false;
		for (const message of this.#held.splice(0)) this.emit("message", message);
	}
}

export interface TestWorker {
	readonly handle: WorkerHandle;
	/** The worker's end of the channel, and the two ends of the pipe. */
	readonly channel: SupervisorChannel;
	readonly end: End;
	readonly supervisorEnd: End;
	readonly counters: RemoteCounters;
	readonly upstreams: ReturnType<typeof remoteUpstreams>;
	/** Its process is gone: it reads nothing any more; what it has sent still arrives, after the news of its end. */
	kill(): void;
}

export interface TestSupervisor {
	readonly state: SharedState;
	/** ms */
	readonly clock: { now: number };
	start(number: number): TestWorker;
}

/** @param clock the supervisor's; a real one when not given */
export function startSupervisor(clock?: { now: number }): TestSupervisor {
	const onStart: ((worker: WorkerHandle) => void)[] = [];
	const onExit: ((worker: WorkerHandle) => void)[] = [];
	const state = new SharedState(
		{ onStart: (listener) => void onStart.push(listener), onExit: (listener) => void onExit.push(listener) },
		() => clock?.now ?? performance.now(),
		Math.random,
	);
	return {
		state,
		clock: clock ?? { now: 0 },
		start: (number) => {
			const [supervisorEnd, end] = [new End(), new End()];
			supervisorEnd.other = end;
			end.other = supervisorEnd;
			const handle: WorkerHandle = {
				number,
				pid: 1_000 + number,
				channel: new Channel<WorkerContract, SupervisorContract>(supervisorEnd),
				stuck: false,
			};
			for (const listener of onStart) listener(handle);
			const channel: SupervisorChannel = new Channel<SupervisorContract, WorkerContract>(end);
			return {
				handle,
				channel,
				end,
				supervisorEnd,
				counters: new RemoteCounters(channel),
				upstreams: remoteUpstreams(channel, number),
				kill: () => {
					end.broken = true;
					for (const listener of onExit) listener(handle);
				},
			};
		},
	};
}

/** Lets everything that was sent arrive. */
export async function delivered(): Promise<void> {
	for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}
