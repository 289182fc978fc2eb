/** Closes connections politely: in random order, evenly over a window, then a deadline. */
import type { Termination } from "../tunnel/report.ts";
import type { Connection } from "./connections.ts";

export interface DrainOptions {
	/** Over how long the Closes are spread, ms. The first goes out at once. */
	readonly spread: number;
	/** After this time, ms, what is still open is cut off. */
	readonly timeout: number;
	readonly closeCode: number;
	readonly reason: string;
	readonly termination: Termination;
	/** A number in [0, 1). */
	readonly random: () => number;
}

/** A drain under way. */
export class Drain {
	/** Connections it started with. */
	readonly total: number;
	/** Resolves when every one of them has ended. */
	readonly done: Promise<void>;

	#waiting: Connection[];
	readonly #options: DrainOptions;
	readonly #startedAt = performance.now();
	#sent = 0;
	#timer: NodeJS.Timeout | undefined;
	#finish!: () => void;

	constructor(connections: Iterable<Connection>, options: DrainOptions) {
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
		return this.#waiting.reduce((open, connection) => (isOpen(connection) ? open + 1 : open), 0);
	}

	/** Gives up waiting: everything left is cut off now. */
	cut(): void {
		for (const connection of this.#waiting) connection.tunnel?.destroy(this.#options.termination);
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
		while (this.#sent < due) {
			this.#waiting[this.#sent++]?.tunnel?.close({ code: closeCode, reason, termination });
		}
		if (this.#sent === this.total && this.remaining === 0) {
			this.#end();
			return;
		}
		const untilNext = this.#sent < this.total ? (this.#sent * spread) / this.total - elapsed : 50;
		this.#timer = setTimeout(() => this.#step(), Math.max(1, Math.min(untilNext, timeout - elapsed)));
	}

	#end(): void {
		clearTimeout(this.#timer);
		for (const connection of this.#waiting) connection.draining = false;
		this.#waiting = [];
		this.#finish();
	}
}

function isOpen(connection: Connection): boolean {
	const { tunnel } = connection;
	return tunnel !== undefined && !(tunnel.client.closed && tunnel.backend.closed);
}

/** Fisher–Yates. */
function shuffle<T>(items: T[], random: () => number): T[] {
	for (let i = items.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		[items[i], items[j]] = [items[j] as T, items[i] as T];
	}
	return items;
}
