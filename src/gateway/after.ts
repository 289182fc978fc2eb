/** One-time timers on the shared wheel, for what happens rarely during a connection. */
import type { TimerWheel, WheelEntry } from "../tunnel/wheel.ts";

class Task implements WheelEntry {
	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;
	readonly #callback: () => void;

	constructor(callback: () => void) {
		this.#callback = callback;
	}

	expire(): number {
		this.#callback();
		return Number.POSITIVE_INFINITY;
	}

	failed(error: unknown): void {
		// It belongs to no connection that is known here: the process's last resort tells it.
		process.nextTick(() => {
			throw error;
		});
	}
}

/** A function that calls back once after about so many ms; what it returns cancels that. */
export function afterOn(wheel: TimerWheel, clock: () => number): (ms: number, callback: () => void) => () => void {
	return (ms, callback) => {
		const task = new Task(callback);
		wheel.schedule(task, clock() + ms);
		return () => wheel.cancel(task);
	};
}
