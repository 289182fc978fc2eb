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
}

/** A function that calls back once after about so many ms; what it returns cancels that. The callback must not throw. */
export function afterOn(wheel: TimerWheel, clock: () => number): (ms: number, callback: () => void) => () => void {
	return (ms, callback) => {
		const task = new Task(callback);
		wheel.schedule(task, clock() + ms);
		return () => wheel.cancel(task);
	};
}
