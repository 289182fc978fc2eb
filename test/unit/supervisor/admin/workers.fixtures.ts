/** Workers without processes: their channels are joined in memory, and what they answer is up to the test. */
import { EventEmitter } from "node:events";
import { Channel, type Port } from "../../../../src/supervisor/channel.ts";
import type {
	SupervisorChannel,
	SupervisorContract,
	WorkerContract,
	WorkerHandle,
	Workers,
} from "../../../../src/supervisor/contract.ts";

class End extends EventEmitter implements Port {
	other: End | undefined;

	send(message: unknown, onSent?: (error: Error | null) => void): boolean {
		const copy = structuredClone(message);
		setImmediate(() => {
			onSent?.(null);
			this.other?.emit("message", copy);
		});
		return true;
	}
}

export interface TestWorker {
	readonly handle: WorkerHandle;
	/** The worker's end: the test puts its handlers there. */
	readonly channel: SupervisorChannel;
	/** It does not serve yet, or not any more. */
	ready: boolean;
	/** As after kill -9. */
	kill(): void;
}

export class TestWorkers implements Workers {
	readonly size = 3;
	readonly #all = new Set<TestWorker>();
	readonly #onStart: ((worker: WorkerHandle) => void)[] = [];
	readonly #onExit: ((worker: WorkerHandle) => void)[] = [];

	list(): readonly WorkerHandle[] {
		return [...this.#all].filter(({ ready }) => ready).map(({ handle }) => handle);
	}

	onStart(listener: (worker: WorkerHandle) => void): void {
		this.#onStart.push(listener);
	}

	onExit(listener: (worker: WorkerHandle) => void): void {
		this.#onExit.push(listener);
	}

	start(number: number): TestWorker {
		const [ours, theirs] = [new End(), new End()];
		ours.other = theirs;
		theirs.other = ours;
		const handle: WorkerHandle = {
			number,
			pid: 1_000 + number,
			channel: new Channel<WorkerContract, SupervisorContract>(ours),
			stuck: false,
		};
		const channel: SupervisorChannel = new Channel<SupervisorContract, WorkerContract>(theirs);
		const worker: TestWorker = {
			handle,
			channel,
			ready: true,
			kill: () => {
				this.#all.delete(worker);
				ours.other = theirs.other = undefined;
				ours.emit("disconnect");
				for (const listener of this.#onExit) listener(handle);
			},
		};
		for (const listener of this.#onStart) listener(handle);
		this.#all.add(worker);
		return worker;
	}
}
