/**
 * Gives accepted connections to the workers, one after the other. In turn, not by load: connections that stay for hours
 * need an even spread, and what a worker has open now says little about what it will have.
 */
import type { SocketHandle } from "../server/handed-over.ts";

/** A worker that takes connections. */
export interface Taker {
	/** Sends a connection; the worker answers each in order (see {@link Handout.took}). */
	send(listener: string, handle: SocketHandle): void;
}

/** Sent and not answered at a time: what else the worker is told waits behind them. */
const MOST_SENT = 2;
/** A worker that is so far behind is passed over. */
const MOST_WAITING = 64;
/** How long a connection waits while no worker is there, ms. */
const PATIENCE_MS = 10_000;

interface Accepted {
	readonly listener: string;
	readonly handle: SocketHandle;
}

interface Seat {
	readonly taker: Taker;
	readonly waiting: Accepted[];
	/** Sent, not yet taken, in order. */
	readonly sent: Accepted[];
	/** Taken and open, by listener. */
	readonly open: Map<string, number>;
}

export class Handout {
	/** Those that have their turn. */
	readonly #seats: Seat[] = [];
	/** Those that take no more. */
	readonly #paused = new Set<Seat>();
	#turn = 0;
	#stopped = false;
	/** No worker is there; with the time when each came (ms, monotonic). */
	#unassigned: (Accepted & { readonly since: number })[] = [];
	#impatience: NodeJS.Timeout | undefined;
	/** Connections that came to a listener before the workers have it. */
	readonly #early = new Map<string, Accepted[]>();
	/** By listener: those that workers have, and those on the way. */
	readonly #open = new Map<string, number>();

	/** Connections of a listener that are open, or on their way to a worker. */
	count(listener: string): number {
		return this.#open.get(listener) ?? 0;
	}

	/** Connections that a worker has. */
	countOf(taker: Taker): number {
		let count = 0;
		for (const open of this.#seatOf(taker)?.open.values() ?? []) count += open;
		return count;
	}

	/** From now on the worker has its turn. */
	enter(taker: Taker): void {
		this.#seats.push({ taker, waiting: [], sent: [], open: new Map() });
		for (const accepted of this.#unassigned.splice(0)) this.#assign(accepted);
		clearTimeout(this.#impatience);
	}

	/** The worker takes no more. What it has not taken goes to others; what it has stays until {@link leave}. */
	pause(taker: Taker): void {
		const index = this.#seats.findIndex((seat) => seat.taker === taker);
		const [seat] = index < 0 ? [] : this.#seats.splice(index, 1);
		if (seat === undefined) return;
		this.#paused.add(seat);
		for (const accepted of seat.waiting.splice(0)) this.#assign(accepted);
	}

	/** The worker's process is gone, and what it had with it. What it never took goes to others. */
	leave(taker: Taker): void {
		this.pause(taker);
		const seat = this.#seatOf(taker);
		if (seat === undefined) return;
		this.#paused.delete(seat);
		for (const [listener, count] of seat.open) this.#add(listener, -count);
		for (const accepted of seat.sent) this.#assign(accepted);
	}

	/** Holds what comes to a listener until {@link release} or {@link drop}: the workers do not have it yet. */
	hold(listener: string): void {
		this.#early.set(listener, []);
	}

	/** The workers have every listener now. */
	release(): void {
		const early = [...this.#early.values()].flat();
		this.#early.clear();
		for (const accepted of early) this.#assign(accepted);
	}

	/** There will be no such listener. */
	drop(listener: string): void {
		for (const { handle } of this.#early.get(listener) ?? []) {
			handle.close();
			this.#add(listener, -1);
		}
		this.#early.delete(listener);
	}

	/** Gives a connection to the next worker. */
	give(listener: string, handle: SocketHandle): void {
		if (this.#stopped) {
			handle.close();
			return;
		}
		this.#add(listener, 1);
		const accepted = { listener, handle };
		const early = this.#early.get(listener);
		if (early) early.push(accepted);
		else this.#assign(accepted);
	}

	/** The worker has taken the first that was sent to it and not answered. */
	took(taker: Taker): void {
		const seat = this.#seatOf(taker);
		const accepted = seat?.sent.shift();
		if (seat === undefined || accepted === undefined) return;
		accepted.handle.close();
		seat.open.set(accepted.listener, (seat.open.get(accepted.listener) ?? 0) + 1);
		this.#send(seat);
	}

	/** A connection of the worker has ended. */
	ended(taker: Taker, listener: string): void {
		const seat = this.#seatOf(taker);
		if (seat === undefined) return;
		seat.open.set(listener, (seat.open.get(listener) ?? 1) - 1);
		this.#add(listener, -1);
	}

	/** Closes what no worker has taken, and whatever still comes. */
	stop(): void {
		this.#stopped = true;
		clearTimeout(this.#impatience);
		const left = [...this.#unassigned.splice(0), ...[...this.#early.values()].flat()];
		for (const seat of this.#seats) left.push(...seat.waiting.splice(0));
		for (const { listener, handle } of left) {
			handle.close();
			this.#add(listener, -1);
		}
		this.#early.clear();
	}

	#assign(accepted: Accepted): void {
		const seat = this.#nextSeat();
		if (seat === undefined) {
			this.#unassigned.push({ ...accepted, since: performance.now() });
			if (this.#unassigned.length === 1) this.#impatience = setTimeout(() => this.#giveUp(), PATIENCE_MS);
			return;
		}
		seat.waiting.push(accepted);
		this.#send(seat);
	}

	/** The next in turn that keeps up; when none does, the next in turn. */
	#nextSeat(): Seat | undefined {
		const count = this.#seats.length;
		for (let i = 0; i < count; i++) {
			const seat = this.#seats[(this.#turn + i) % count] as Seat;
			if (seat.waiting.length >= MOST_WAITING && i < count - 1) continue;
			this.#turn = (this.#turn + i + 1) % count;
			return seat;
		}
		return undefined;
	}

	#send(seat: Seat): void {
		while (seat.sent.length < MOST_SENT) {
			const accepted = seat.waiting.shift();
			if (accepted === undefined) return;
			seat.sent.push(accepted);
			seat.taker.send(accepted.listener, accepted.handle);
		}
	}

	#giveUp(): void {
		const now = performance.now();
		const late = this.#unassigned.filter(({ since }) => now - since >= PATIENCE_MS - 1);
		this.#unassigned = this.#unassigned.slice(late.length);
		for (const { listener, handle } of late) {
			handle.close();
			this.#add(listener, -1);
		}
		const [first] = this.#unassigned;
		if (first) this.#impatience = setTimeout(() => this.#giveUp(), Math.max(1, first.since + PATIENCE_MS - now));
	}

	#seatOf(taker: Taker): Seat | undefined {
		for (const seat of this.#seats) if (seat.taker === taker) return seat;
		for (const seat of this.#paused) if (seat.taker === taker) return seat;
		return undefined;
	}

	#add(listener: string, change: number): void {
		const count = (this.#open.get(listener) ?? 0) + change;
		if (count > 0) this.#open.set(listener, count);
		else this.#open.delete(listener);
	}
}
