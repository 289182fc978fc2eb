/** A clock for simulations with thousands of timers, for which vitest's fake timers take too long. */
import { vi } from "vitest";

interface Timer {
	readonly at: number;
	readonly order: number;
	call: (() => void) | undefined;
}

/** Replaces `setTimeout` and `clearTimeout` until {@link VirtualTime.restore}. */
export class VirtualTime {
	now = 1;
	#order = 0;
	/** A binary heap, the next timer first. */
	readonly #timers: Timer[] = [];

	constructor() {
		vi.stubGlobal("setTimeout", (call: () => void, ms = 0) => this.#add(call, ms));
		vi.stubGlobal("clearTimeout", (timer: Timer | undefined) => {
			if (timer) timer.call = undefined;
		});
	}

	restore(): void {
		vi.unstubAllGlobals();
	}

	/** Timers that will still fire. */
	get pending(): number {
		return this.#timers.filter(({ call }) => call !== undefined).length;
	}

	/** Lets time go on until no timer is left; what promises do in between is awaited. */
	async run(): Promise<void> {
		for (;;) {
			await new Promise((resolve) => setImmediate(resolve));
			const first = this.#timers[0];
			if (first === undefined) return;
			this.now = Math.max(this.now, first.at);
			while (this.#timers[0] !== undefined && this.#timers[0].at <= this.now) this.#take()?.call?.();
		}
	}

	#add(call: () => void, ms: number): Timer {
		const timer = { at: this.now + ms, order: this.#order++, call };
		const heap = this.#timers;
		let at = heap.push(timer) - 1;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (!before(timer, heap[parent] as Timer)) break;
			heap[at] = heap[parent] as Timer;
			at = parent;
		}
		heap[at] = timer;
		return timer;
	}

	#take(): Timer | undefined {
		const heap = this.#timers;
		const first = heap[0];
		const last = heap.pop();
		if (last === undefined || heap.length === 0) return first;
		let at = 0;
		for (;;) {
			let child = 2 * at + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
			if (!before(heap[child] as Timer, last)) break;
			heap[at] = heap[child] as Timer;
			at = child;
		}
		heap[at] = last;
		return first;
	}
}

function before(a: Timer, b: Timer): boolean {
	return a.at === b.at ? a.order < b.order : a.at < b.at;
}
