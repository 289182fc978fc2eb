/**
 * `max_handshakes_per_second`: admission of opening handshakes before they are dialled, so that a reconnect storm does not
 * reach the backends. What is above the rate waits its turn in a short queue; what does not fit there is shed with 503.
 *
 * The rate. A token bucket of `rate` a second with a small burst (rate / 20), which may save up half a second
 * while handshakes wait, so that a pause of the process does not cost throughput. Between its turn and its first byte a
 * handshake needs a connection, and a process that pauses there lets many become ready at once. So each waits once more
 * when its connection is there, in most cases not at all: see {@link WriteLimit}.
 *
 * The queue is what makes a storm end in the shortest possible time, clients ÷ rate: it must not run empty while shed
 * clients wait to come back. They come back after whole seconds (Retry-After has no fractions, RFC 9110 §10.2.3) or, when
 * they do not read the header (browsers do not show it), after a second or so of their own. So the queue holds two
 * seconds' worth: one for that second, one for its being early or late.
 *
 * Retry-After is a time in a schedule: each shed client is given the next free place, `rate` of them a second, starting
 * where the queue will be empty. It is told to be there about a second before its time, rounded at random to a whole
 * second, so that it finds the queue shorter but not empty. That way clients that keep to it come back at the rate the backends can take
 * and, as a rule, twice only. The schedule ends ten seconds ahead: clients that come back early take the places of those
 * that wait, and the more are promised, the longer would be idle in the end. Whoever does not fit gets a random time in
 * its second half.
 */
import { z } from "zod";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import { TokenBucket, WriteLimit } from "./admission-rate.ts";

/** The option `max_handshakes_per_second` of an upstream. */
export const admissionOption = z.int().min(1).max(100_000).optional().meta({
	description:
		"Opening handshakes sent to the upstream's endpoints in a second. Up to two seconds' worth wait for their turn, further ones get 503 with Retry-After; plain HTTP and health probes are not counted. Off by default.",
});

const BURST_SECONDS = 1 / 20;
const SAVED_SECONDS = 1 / 2;
const QUEUE_SECONDS = 2;
const SCHEDULE_SECONDS = 10;

export interface AdmissionParts {
	/** Milliseconds, monotonic. */
	readonly now: () => number;
	/** A number in [0, 1). */
	readonly random: () => number;
}

export interface EnterOptions {
	readonly rate: number;
	/** Aborts when the client leaves; it then leaves the queue. */
	readonly signal: DepartureSignal;
	/** The longest wait, in ms: whoever would have to wait longer is shed. */
	readonly maxWait: number;
	/** A further attempt of a handshake that had its turn: goes before those that wait for their first. */
	readonly again: boolean;
}

/** Who gives handshakes their turns. */
export interface Turns {
	/**
	 * A handshake's turn; at once (undefined) when nobody waits and the rate allows it.
	 *
	 * @throws GatewayError OVERLOADED with `retryAfter` when it is shed, CLIENT_GONE when its client left
	 */
	enter(options: EnterOptions): Promise<void> | undefined;
	/**
	 * The turn of an admitted handshake to be written, once its connection is there; at once (undefined) unless others
	 * became ready at the same time.
	 */
	pace(): Promise<unknown> | undefined;
}

interface Waiter {
	readonly admit: () => void;
}

/** The admission of one upstream. It outlives reloads. */
export class Admission implements Turns {
	readonly #parts: AdmissionParts;
	readonly #turns = new TokenBucket();
	readonly #writes = new WriteLimit();
	#rate = 0;
	readonly #again = new Set<Waiter>();
	readonly #waiting = new Set<Waiter>();
	/** Handshakes that have their connection and wait to be written, in order. */
	readonly #connected: ((nth: number) => void)[] = [];
	/** Until when shed clients have been given their places. */
	#promisedUntil = 0;
	#timer: NodeJS.Timeout | undefined;

	constructor(parts: AdmissionParts) {
		this.#parts = parts;
	}

	/** Handshakes that wait now. */
	get queued(): number {
		return this.#again.size + this.#waiting.size;
	}

	enter(options: EnterOptions): Promise<void> | undefined {
		const { rate, signal, maxWait, again } = options;
		if (signal.aborted) throw new GatewayError("CLIENT_GONE");
		if (rate !== this.#rate) this.#configure(rate);
		const now = this.#refill();
		if (this.queued === 0 && this.#admits()) {
			this.#turns.take();
			return undefined;
		}
		const ahead = again ? this.#again.size : this.queued;
		const wait = this.#turns.until(ahead + 1);
		if (wait > maxWait || (!again && this.#waiting.size >= Math.ceil(rate * QUEUE_SECONDS))) throw this.#shed(now);
		return this.#wait(again ? this.#again : this.#waiting, signal);
	}

	pace(): Promise<unknown> | undefined {
		const nth = this.#pace();
		return typeof nth === "number" ? undefined : nth;
	}

	/**
	 * The turn of a handshake that another process writes. Until it is known when that was, it counts as the latest.
	 * @returns to be called once with that time, in ms of this admission's clock
	 */
	async paceElsewhere(): Promise<(at: number) => void> {
		const nth = await this.#pace();
		this.#writes.correct(nth, Number.POSITIVE_INFINITY);
		return (at) => {
			this.#writes.correct(nth, at);
			this.#restartTimer();
		};
	}

	#pace(): number | Promise<number> {
		const now = this.#parts.now();
		if (this.#connected.length === 0 && this.#writes.wait(now) <= 0) return this.#writes.written(now);
		return new Promise((resolve) => {
			this.#connected.push(resolve);
			this.#restartTimer();
		});
	}

	#wait(queue: Set<Waiter>, signal: DepartureSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const leave = (): void => {
				queue.delete(waiter);
				this.#restartTimer();
				reject(new GatewayError("CLIENT_GONE"));
			};
			const waiter: Waiter = {
				admit: () => {
					queue.delete(waiter);
					signal.removeEventListener("abort", leave);
					resolve();
				},
			};
			queue.add(waiter);
			signal.addEventListener("abort", leave, { once: true });
			this.#startTimer();
		});
	}

	/** Lets everyone go on whose turn it is. */
	#goOn(): void {
		this.#timer = undefined;
		const now = this.#refill();
		while (this.#connected.length > 0 && this.#writes.wait(now) <= 0) {
			this.#connected.shift()?.(this.#writes.written(now));
		}
		for (const queue of [this.#again, this.#waiting]) {
			for (const waiter of queue) {
				if (!this.#admits()) break;
				this.#turns.take();
				waiter.admit();
			}
		}
		this.#startTimer();
	}

	#startTimer(): void {
		if (this.#timer !== undefined) return;
		let wait = Number.POSITIVE_INFINITY;
		if (this.#connected.length > 0) wait = this.#writes.wait(this.#parts.now());
		if (this.queued > 0 && this.#connected.length < this.#burst) {
			wait = Math.min(wait, this.#turns.until(1));
		}
		if (Number.isFinite(wait)) this.#timer = setTimeout(() => this.#goOn(), Math.max(1, Math.ceil(wait)));
	}

	/** After what is waited for has changed. */
	#restartTimer(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#startTimer();
	}

	#refill(): number {
		const now = this.#parts.now();
		this.#turns.refill(now, this.queued > 0 ? Math.max(this.#burst, this.#rate * SAVED_SECONDS) : this.#burst);
		return now;
	}

	get #burst(): number {
		return Math.max(1, Math.floor(this.#rate * BURST_SECONDS));
	}

	/** Nobody is sent after those that cannot be written yet. */
	#admits(): boolean {
		return this.#turns.tokens >= 1 && this.#connected.length < this.#burst;
	}

	#shed(now: number): GatewayError {
		const place = Math.max(this.#promisedUntil, now + (this.queued * 1000) / this.#rate) + 1000 / this.#rate;
		const end = now + SCHEDULE_SECONDS * 1000;
		this.#promisedUntil = Math.min(place, end);
		const { random } = this.#parts;
		const seconds = place < end ? (place - now) / 1000 : SCHEDULE_SECONDS * (0.5 + random() / 2);
		return new GatewayError("OVERLOADED", `more handshakes than max_handshakes_per_second (${this.#rate})`, {
			retryAfter: Math.max(1, Math.floor(seconds + random()) - 1),
		});
	}

	#configure(rate: number): void {
		const now = this.#parts.now();
		this.#rate = rate;
		this.#turns.configure(rate, this.#burst, now);
		this.#writes.configure(rate, now);
		this.#restartTimer();
	}
}
