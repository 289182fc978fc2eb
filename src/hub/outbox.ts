/**
 * What waits to be written to one client. All that one turn of the event loop brings for it goes out in one write; after
 * some writes the loop has its turn, so that a publication to very many does not stop everything else.
 */

/** Writes before the loop has its turn. */
const WRITES_A_TURN = 2_000;

/** The client's socket, as far as an outbox is concerned. */
export interface OutboxSocket {
	/** Takes the bytes; they are not changed afterwards. */
	write(bytes: Buffer): void;
	/** Bytes that the kernel has not taken yet. */
	readonly waiting: number;
	/** Nothing is written any more. */
	readonly closed: boolean;
	/** More waits than may. */
	overflowed(): void;
}

/** Writes the outboxes that have something, for all clients of a process. */
export class Flusher {
	#ready: Outbox[] = [];
	#scheduled = false;
	/** A coarse clock, ms. */
	readonly clock: { readonly now: number };
	readonly #done: () => void;
	readonly #run = (): void => this.#flush();

	/** @param done called when all that was ready has been written */
	constructor(clock: { readonly now: number }, done: () => void = () => {}) {
		this.clock = clock;
		this.#done = done;
	}

	/** For {@link Outbox} only. */
	add(outbox: Outbox): void {
		this.#ready.push(outbox);
		if (this.#scheduled) return;
		this.#scheduled = true;
		setImmediate(this.#run);
	}

	#flush(): void {
		const ready = this.#ready;
		const most = Math.min(ready.length, WRITES_A_TURN);
		for (let index = 0; index < most; index++) (ready[index] as Outbox).flush();
		if (most < ready.length) {
			this.#ready = ready.slice(most);
			setImmediate(this.#run);
			return;
		}
		this.#ready = [];
		this.#scheduled = false;
		this.#done();
	}
}

export class Outbox {
	readonly #socket: OutboxSocket;
	readonly #flusher: Flusher;
	readonly #limit: number;
	/** Mostly there is one, and no list is needed. */
	#first: Buffer | undefined;
	#more: Buffer[] | undefined;
	#bytes = 0;
	/** Frames so far. */
	pushed = 0;
	/** When the last one came, on the clock of the flusher. */
	pushedAt = 0;
	/** The newest frame of each topic whose slow readers get only that; by topic. */
	#latest: Map<string, Buffer> | undefined;

	/** @param limit bytes that may wait, here and in the socket */
	constructor(socket: OutboxSocket, flusher: Flusher, limit: number) {
		this.#socket = socket;
		this.#flusher = flusher;
		this.#limit = limit;
	}

	/** Bytes that wait here. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Writes a frame with the next turn, in order. Returns false when it was dropped. */
	push(frame: Buffer): boolean {
		if (this.#socket.closed) return false;
		this.#bytes += frame.length;
		const { waiting } = this.#socket;
		// A single message may be larger than what may wait.
		if (this.#bytes + waiting > this.#limit && (waiting > 0 || this.#bytes > frame.length)) {
			this.discard();
			this.#socket.overflowed();
			return false;
		}
		this.pushed++;
		this.pushedAt = this.#flusher.clock.now;
		if (this.#first === undefined) {
			this.#first = frame;
			this.#flusher.add(this);
		} else {
			this.#more ??= [];
			this.#more.push(frame);
		}
		return true;
	}

	/**
	 * Like {@link push}, but while the client is slow a newer frame of the topic takes the place of the one that waits.
	 * Returns false when one was replaced.
	 */
	pushLatest(topic: string, frame: Buffer): boolean {
		if (this.#latest === undefined && this.#socket.waiting === 0) return this.push(frame);
		this.#latest ??= new Map();
		const replaced = this.#latest.has(topic);
		this.#latest.set(topic, frame);
		return !replaced;
	}

	/** The socket has taken what was waiting. */
	drained(): void {
		const latest = this.#latest;
		if (latest === undefined) return;
		this.#latest = undefined;
		for (const frame of latest.values()) this.push(frame);
	}

	/** A topic's frames are not wanted any more. */
	forget(topic: string): void {
		if (this.#latest?.delete(topic) && this.#latest.size === 0) this.#latest = undefined;
	}

	/** Writes what waits now. The flusher calls it; whoever closes the socket does too. */
	flush(): void {
		const first = this.#first;
		if (first === undefined) return;
		const bytes = this.#more === undefined ? first : Buffer.concat([first, ...this.#more]);
		this.#first = undefined;
		this.#more = undefined;
		this.#bytes = 0;
		if (!this.#socket.closed) this.#socket.write(bytes);
	}

	/** Forgets what waits. */
	discard(): void {
		this.#first = undefined;
		this.#more = undefined;
		this.#latest = undefined;
		this.#bytes = 0;
	}
}
