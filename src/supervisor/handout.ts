/**
 * Gives accepted connections to the workers, one after the other. In turn, not by load: connections that stay for hours
 * need an even spread, and what a worker has open now says little about what it will have.
 */
import type { SocketHandle } from "../server/handed-over.ts";
import { newSeat, type Seat, type Sent, type Taker } from "./seat.ts";
import { type Accepted, WaitingRoom } from "./waiting-room.ts";

/** Sent and not answered at a time: what else the worker is told waits behind them. */
const MOST_SENT = 2;
/** A worker that is so far behind is passed over. */
const MOST_WAITING = 64;
/** A worker does not take a connection any more that was sent longer ago, ms. */
export const TAKE_WITHIN_MS = 2_000;
/**
 * A connection that was not answered for so many beats goes to another worker: together they last longer than
 * {@link TAKE_WITHIN_MS}, so that no two workers have it. Beats are counted instead of time, since what a worker said may
 * still be unread when this process itself did not run for a while.
 */
const MOST_BEATS = 6;
/** How often {@link Handout.beat} is to be called, ms. */
export const BEAT_MS = 500;

/** Why a connection is closed without having been served. */
export type Unserved = "full" | "impatient";

export interface HandoutDeps {
	/** A connection is about to be closed because no worker can take it. */
	readonly unserved?: (listener: string, handle: SocketHandle, why: Unserved) => void;
	/** Whether a worker has room has changed. */
	readonly room?: (taker: Taker, full: boolean) => void;
}

export class Handout {
	/** Those that have their turn. */
	readonly #seats: Seat[] = [];
	/** Those that take no more. */
	readonly #paused = new Set<Seat>();
	#turn = 0;
	#stopped = false;
	/** No worker is there. */
	readonly #unassigned = new WaitingRoom((accepted) => this.#close(accepted, "impatient"));
	/** Connections that came to a listener before the workers have it. */
	readonly #early = new Map<string, Accepted[]>();
	/** By listener: those that workers have, and those on the way. */
	readonly #open = new Map<string, number>();
	readonly #deps: HandoutDeps;
	#lastNumber = 0;
	#beat = 0;

	constructor(deps: HandoutDeps = {}) {
		this.#deps = deps;
	}

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
		this.#seats.push(newSeat(taker));
		this.#assignWaiting();
	}

	/** The worker does not answer: it is passed over, and what was not even sent to it goes to others. */
	passOver(taker: Taker): void {
		const seat = this.#seatOf(taker);
		if (seat === undefined) return;
		seat.stuck = true;
		for (const accepted of seat.waiting.splice(0)) this.#assign(accepted);
	}

	/** The worker that was passed over has its turn again. */
	comeBack(taker: Taker): void {
		const seat = this.#seatOf(taker);
		if (seat === undefined) return;
		seat.stuck = false;
		this.#assignWaiting();
	}

	/** The number of the connection that was sent last, to whichever worker. */
	get lastNumber(): number {
		return this.#lastNumber;
	}

	/**
	 * The worker has read everything up to the connection with this number. What it has not answered of that never
	 * arrived: it had no descriptor for it.
	 * @param room whether it has room for further ones
	 */
	answered(taker: Taker, upTo: number, room: boolean): void {
		const seat = this.#seatOf(taker);
		if (seat === undefined) return;
		const lost = [...seat.sent].filter(([number]) => number <= upTo);
		const wasFull = seat.full;
		this.#setFull(seat, !room || lost.length > 0);
		this.#takeBack(seat, lost);
		if (wasFull && !seat.full) this.#assignWaiting();
	}

	/** To be called regularly: connections that were not answered for too long go to other workers. */
	beat(): void {
		this.#beat++;
		for (const seat of [...this.#seats, ...this.#paused]) {
			this.#takeBack(
				seat,
				[...seat.sent].filter(([, { beat }]) => this.#beat - beat >= MOST_BEATS),
			);
		}
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
		this.#takeBack(seat, [...seat.sent]);
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

	/** The worker has taken a connection that was sent to it. */
	took(taker: Taker, number: number): void {
		const seat = this.#seatOf(taker);
		const accepted = seat?.sent.get(number);
		if (seat === undefined || accepted === undefined) return;
		seat.sent.delete(number);
		accepted.handle.close();
		seat.open.set(accepted.listener, (seat.open.get(accepted.listener) ?? 0) + 1);
		this.#send(seat);
	}

	/** The worker has not taken it: it came too late, or there was no room (`full`). It goes to another one. */
	refused(taker: Taker, number: number, full: boolean): void {
		const seat = this.#seatOf(taker);
		const accepted = seat?.sent.get(number);
		if (seat === undefined || accepted === undefined) return;
		if (full) this.#setFull(seat, true);
		this.#takeBack(seat, [[number, accepted]]);
		this.#send(seat);
	}

	/** A connection of the worker has ended. */
	ended(taker: Taker, listener: string): void {
		const seat = this.#seatOf(taker);
		const open = seat?.open.get(listener) ?? 0;
		if (seat === undefined || open === 0) return;
		seat.open.set(listener, open - 1);
		this.#add(listener, -1);
	}

	/** Closes what no worker has taken, and whatever still comes. */
	stop(): void {
		this.#stopped = true;
		const left: Accepted[] = [...this.#unassigned.leave(), ...[...this.#early.values()].flat()];
		for (const seat of this.#seats) left.push(...seat.waiting.splice(0));
		for (const accepted of left) this.#close(accepted);
		this.#early.clear();
	}

	#assignWaiting(): void {
		for (const waiting of this.#unassigned.leave()) this.#assign(waiting, waiting.since);
	}

	/** Closes its handle here too when it is taken by whoever gets it next. */
	#takeBack(seat: Seat, sent: readonly (readonly [number, Sent])[]): void {
		for (const [number] of sent) seat.sent.delete(number);
		for (const [, { listener, handle }] of sent) {
			if (this.#stopped) this.#close({ listener, handle });
			else this.#assign({ listener, handle });
		}
	}

	#setFull(seat: Seat, full: boolean): void {
		if (seat.full === full) return;
		seat.full = full;
		this.#deps.room?.(seat.taker, full);
		if (full) for (const accepted of seat.waiting.splice(0)) this.#assign(accepted);
	}

	#close({ listener, handle }: Accepted, why?: Unserved): void {
		if (why !== undefined) this.#deps.unserved?.(listener, handle, why);
		handle.close();
		this.#add(listener, -1);
	}

	/** @param since when it began to wait for a worker, if it did */
	#assign(accepted: Accepted, since?: number): void {
		const seat = this.#nextSeat();
		if (seat === undefined) {
			if (this.#seats.length > 0 && this.#seats.every(({ full, stuck }) => full && !stuck)) {
				this.#close(accepted, "full");
				return;
			}
			this.#unassigned.enter(accepted, since);
			return;
		}
		seat.waiting.push(accepted);
		this.#send(seat);
	}

	/** The next in turn that keeps up; when none does, the next in turn. Undefined when none can take any. */
	#nextSeat(): Seat | undefined {
		const count = this.#seats.length;
		let next: number | undefined;
		for (let i = 0; i < count; i++) {
			const index = (this.#turn + i) % count;
			const { waiting, stuck, full } = this.#seats[index] as Seat;
			if (stuck || full) continue;
			next ??= index;
			if (waiting.length >= MOST_WAITING) continue;
			next = index;
			break;
		}
		if (next === undefined) return undefined;
		this.#turn = (next + 1) % count;
		return this.#seats[next];
	}

	#send(seat: Seat): void {
		while (seat.sent.size < MOST_SENT) {
			const accepted = seat.waiting.shift();
			if (accepted === undefined) return;
			const number = ++this.#lastNumber;
			seat.sent.set(number, { ...accepted, beat: this.#beat });
			seat.taker.send(accepted.listener, accepted.handle, number);
		}
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
