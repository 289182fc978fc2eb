/** Closes connections politely: in random order, evenly over a window, then a deadline. */
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import type { Termination } from "../tunnel/report.ts";
import type { Session } from "./session.ts";

export interface DrainOptions {
	/** Over how long the Closes are spread, ms. The first goes out at once. */
	readonly spread: number;
	/** After this time, ms, what is still open is cut off. Until then a frame that is under way may pass. */
	readonly timeout: number;
	/** As of {@link GatewayClose}. */
	readonly closeCode: number;
	readonly reason: string;
	readonly termination: Termination;
	/** A number in [0, 1). */
	readonly random: () => number;
}

/** How often a drain looks whether it is over, ms. */
const LOOK_MS = 50;

/** A drain under way. */
export class Drain {
	/** Connections it started with. */
	readonly total: number;
	/** Resolves when every one of them has ended. */
	readonly done: Promise<void>;

	#waiting: Session[];
	readonly #options: DrainOptions;
	readonly #startedAt = performance.now();
	#sent = 0;
	#timer: NodeJS.Timeout | undefined;
	#finish!: () => void;

	constructor(connections: Iterable<Session>, options: DrainOptions) {
		this.#options = options;
		this.#waiting = shuffle([...connections], options.random);
		this.total = this.#waiting.length;
		for (const connection of this.#waiting) connection.draining = true;
		this.done = new Promise((resolve) => {
			this.#finish = resolve;
		});
		this.#step();
	}

	/** Those that are still open. */
	get remaining(): number {
		return this.#waiting.reduce((open, connection) => (connection.isOpen ? open + 1 : open), 0);
	}

	/** Gives up waiting: everything left is cut off now. */
	cut(): void {
		for (const connection of this.#waiting) connection.destroy(this.#options.termination);
		this.#end();
	}

	#step(): void {
		const { spread, timeout, closeCode, reason, termination } = this.#options;
		const elapsed = performance.now() - this.#startedAt;
		if (elapsed >= timeout) {
			this.cut();
			return;
		}
		const due = spread <= 0 ? this.total : Math.min(this.total, Math.floor((elapsed / spread) * this.total) + 1);
		const told: GatewayClose = { code: closeCode, reason, termination, patience: timeout - elapsed };
		while (this.#sent < due && this.#sent < this.#waiting.length) this.#waiting[this.#sent++]?.close(told);
		// Those that left by themselves meanwhile need no turn: with the last of them gone, the drain is over early.
		while (this.#waiting.length > this.#sent && !this.#waiting.at(-1)?.isOpen) this.#release(this.#waiting.pop());
		if (this.#sent === this.#waiting.length && this.remaining === 0) {
			this.#end();
			return;
		}
		const untilNext = this.#sent < this.#waiting.length ? (this.#sent * spread) / this.total - elapsed : LOOK_MS;
		this.#timer = setTimeout(() => this.#step(), Math.max(1, Math.min(untilNext, LOOK_MS, timeout - elapsed)));
	}

	#end(): void {
		clearTimeout(this.#timer);
		for (const connection of this.#waiting) this.#release(connection);
		this.#waiting = [];
		this.#finish();
	}

	#release(connection: Session | undefined): void {
		if (connection) connection.draining = false;
	}
}

/** Fisher–Yates. */
function shuffle<T>(items: T[], random: () => number): T[] {
	for (let i = items.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		[items[i], items[j]] = [items[j] as T, items[i] as T];
	}
	return items;
}
