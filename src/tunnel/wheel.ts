/**
 * A coarse timer wheel that thousands of connections share: one interval for all of them, O(1) to schedule, and
 * nothing allocated, because the entries are links of the wheel's lists themselves.
 */

/** Something that wants to be woken. The wheel owns the three `wheel…` fields. */
export interface WheelEntry {
	wheelAt: number;
	wheelNext: WheelEntry | null;
	wheelPrevious: WheelEntry | null;
	/** Called at or after `wheelAt`; returns when to be woken next (ms, same clock), Infinity for never. */
	expire(now: number): number;
	/** {@link expire} threw: a mistake of ours, that the other entries must not notice. It is not scheduled any more. */
	failed(error: unknown): void;
}

/** A tick that is so much late (ms) means that the process did not run: what peers sent meanwhile has not been read. */
const STALL_MS = 1_000;

export class TimerWheel {
	/**
	 * The clock at the last tick, in whole ms: good enough for "when was the last byte", and free to read. A fraction would
	 * have to be kept on the heap by everyone who notes it.
	 */
	now: number;

	/** Whether the process did not run before this tick: the silence of a peer says nothing now. */
	stalled = false;

	readonly #clock: () => number;
	readonly #tickMs: number;
	readonly #slots: (WheelEntry | null)[];
	#position: number;
	#size = 0;
	#timer: NodeJS.Timeout | undefined;

	/** `clock` is monotonic, in ms. `tickMs` is the resolution. Entries beyond one turn wait for further turns. */
	constructor(clock: () => number = () => performance.now(), tickMs = 50, slots = 1024) {
		this.#clock = clock;
		this.#tickMs = tickMs;
		this.#slots = new Array<WheelEntry | null>(slots).fill(null);
		this.now = Math.floor(clock());
		this.#position = Math.floor(this.now / tickMs);
	}

	/** Entries scheduled now. */
	get size(): number {
		return this.#size;
	}

	/** Brings {@link now} up to date where it stood still, because nothing was scheduled; returns it. */
	refresh(): number {
		if (!this.#timer) this.now = Math.floor(this.#clock());
		return this.now;
	}

	/** The clock itself, in ms, where a tick is too coarse. */
	time(): number {
		return this.#clock();
	}

	/** Wakes `entry` at `at` (ms); a scheduled one is moved. Infinity cancels. */
	schedule(entry: WheelEntry, at: number): void {
		if (entry.wheelAt !== Number.POSITIVE_INFINITY) this.cancel(entry);
		if (at === Number.POSITIVE_INFINITY) return;
		if (this.#size++ === 0) this.#start();
		// An overdue time belongs to the slot that runs next; its own one has passed.
		entry.wheelAt = Math.max(at, (this.#position + 1) * this.#tickMs);
		const slot = this.#slotOf(entry.wheelAt);
		const head = this.#slots[slot] as WheelEntry | null;
		entry.wheelPrevious = null;
		entry.wheelNext = head;
		if (head) head.wheelPrevious = entry;
		this.#slots[slot] = entry;
	}

	cancel(entry: WheelEntry): void {
		if (entry.wheelAt === Number.POSITIVE_INFINITY) return;
		const { wheelNext: next, wheelPrevious: previous } = entry;
		if (next) next.wheelPrevious = previous;
		if (previous) previous.wheelNext = next;
		else this.#slots[this.#slotOf(entry.wheelAt)] = next;
		entry.wheelNext = null;
		entry.wheelPrevious = null;
		entry.wheelAt = Number.POSITIVE_INFINITY;
		if (--this.#size === 0) this.#stop();
	}

	/** Runs everything that is due. The wheel's own interval calls it; tests call it with a clock of their own. */
	tick(): void {
		const before = this.now;
		this.now = Math.floor(this.#clock());
		this.stalled = this.now - before > STALL_MS;
		const target = Math.floor(this.now / this.#tickMs);
		// After a long stop of the process one whole turn visits every slot; more would visit them again.
		const first = Math.max(this.#position, target - this.#slots.length + 1);
		for (let position = first; position <= target; position++) {
			this.#position = position;
			this.#runSlot(position % this.#slots.length);
		}
	}

	#runSlot(slot: number): void {
		let entry = this.#slots[slot] as WheelEntry | null;
		// Expiring can cancel or schedule other entries: collect the due ones before the first is called.
		let due: WheelEntry[] | undefined;
		for (; entry; entry = entry.wheelNext) {
			if (entry.wheelAt <= this.now) {
				due ??= [];
				due.push(entry);
			}
		}
		if (!due) return;
		for (const each of due) {
			if (each.wheelAt > this.now) continue;
			this.cancel(each);
			try {
				const next = each.expire(this.now);
				// expire() may have scheduled the entry itself; its returned time is the later word.
				this.schedule(each, next);
			} catch (error) {
				this.cancel(each);
				each.failed(error);
			}
		}
	}

	#slotOf(at: number): number {
		return Math.ceil(at / this.#tickMs) % this.#slots.length;
	}

	#start(): void {
		if (this.#timer) return;
		this.now = Math.floor(this.#clock());
		this.#position = Math.floor(this.now / this.#tickMs);
		this.#timer = setInterval(() => this.tick(), this.#tickMs);
		this.#timer.unref();
	}

	#stop(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
	}
}
