/** One worker's process, from its start to its end. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SocketHandle } from "../server/handed-over.ts";
import { Channel } from "./channel.ts";
import type { SupervisorContract, WorkerContract, WorkerHandle } from "./contract.ts";
import { TAKE_WITHIN_MS } from "./handout.ts";
import type { Taker } from "./seat.ts";
import { machineClock } from "./shared/clock.ts";

/** The file is TypeScript before the build and JavaScript after it. */
const ENTRY = new URL(`./worker-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
/** How long a process may take until it says hello, ms. */
const HELLO_MS = 30_000;

export interface WorkerExit {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

/** A connection on its way; the handle goes with it. */
export interface ConnectionMessage {
	/** The listener's key. */
	readonly connection: string;
	readonly number: number;
	/** Until when it may be taken: {@link machineClock}. After that somebody else has it. */
	readonly until: number;
}

export class WorkerProcess implements WorkerHandle, Taker {
	readonly number: number;
	readonly channel: Channel<WorkerContract, SupervisorContract>;
	/** When it was started; ms, monotonic. */
	readonly startedAt = performance.now();
	/** Resolves when it runs and can be told what to do; rejects when it does not come so far. */
	readonly ready: Promise<void>;
	/** Resolves when it is gone and everything that it had said is read. */
	readonly ended: Promise<WorkerExit>;
	/** Resolves when it can be told nothing any more. */
	readonly unreachable: Promise<void>;
	readonly #child: ChildProcess;
	#reachable = true;
	/** See {@link WorkerHandle}. */
	stuck = false;

	constructor(number: number) {
		this.number = number;
		this.#child = fork(fileURLToPath(ENTRY), [], {
			serialization: "advanced",
			stdio: ["ignore", "inherit", "inherit", "ipc"],
			// A debugger's port can be had once.
			execArgv: process.execArgv.filter((argument) => !argument.startsWith("--inspect")),
		});
		const child = this.#child;
		this.channel = new Channel(child);
		let onHello = (): void => undefined;
		const hello = new Promise<void>((resolve) => {
			onHello = resolve;
		});
		this.channel.handle("hello", () => onHello());
		this.unreachable = new Promise((resolve) => {
			const gone = (): void => {
				this.#reachable = false;
				resolve();
			};
			child.once("disconnect", gone);
			child.once("exit", gone);
		});
		this.ended = new Promise((resolve) => {
			let exit: WorkerExit | undefined;
			const done = (): void => {
				if (exit && !child.connected) resolve(exit);
			};
			child.once("disconnect", done);
			child.once("exit", (code, signal) => {
				exit = { code, signal };
				done();
			});
			// It could not be started at all.
			child.on("error", (error) => {
				if (child.pid !== undefined) return;
				process.emitWarning(`worker ${number}: ${error.message}`);
				resolve({ code: null, signal: null });
			});
		});
		// Node keeps `disconnect` back while a handle is not acknowledged: a killed process never does that.
		void this.ended.then(() => this.channel.close());
		this.ready = this.#readiness(hello);
	}

	get pid(): number {
		return this.#child.pid ?? 0;
	}

	/** False from the moment in which {@link unreachable} resolves; an answer of it may still be read after that. */
	get reachable(): boolean {
		return this.#reachable;
	}

	/** {@link Taker} */
	send(listener: string, handle: SocketHandle, number: number): void {
		const message: ConnectionMessage = { connection: listener, number, until: machineClock() + TAKE_WITHIN_MS };
		// What could not be sent is not answered, and then given to another one.
		this.#child.send(message, handle as never, () => undefined);
	}

	/** Ends it now, whatever it does. */
	kill(): void {
		this.#child.kill("SIGKILL");
	}

	async #readiness(hello: Promise<void>): Promise<void> {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<string>((resolve) => {
			timer = setTimeout(() => resolve(`did not start within ${HELLO_MS / 1000} s`), HELLO_MS);
		});
		const gone = this.ended.then(({ code, signal }) => `ended while it started (${signal ?? `exit code ${code}`})`);
		const trouble = await Promise.race([hello, late, gone]);
		clearTimeout(timer);
		if (trouble !== undefined) throw new Error(`worker ${this.number} ${trouble}`);
	}
}
