/** Listeners by event name, typed. */
export class Emitter<Events extends Record<keyof Events, unknown>> {
	readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

	/** Calls `listener` each time; returns what takes it away again. */
	on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
		let listeners = this.#listeners.get(name);
		if (!listeners) {
			listeners = new Set();
			this.#listeners.set(name, listeners);
		}
		listeners.add(listener);
		return () => listeners.delete(listener);
	}

	protected emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
		for (const listener of [...(this.#listeners.get(name) ?? [])]) {
			call(() => (listener as (event: Events[Name]) => void)(event));
		}
	}
}

/** A listener that throws stops neither the others nor the connection: its error is an uncaught one, as in a browser. */
export function call(listener: () => void): void {
	try {
		listener();
	} catch (error) {
		queueMicrotask(() => {
			throw error;
		});
	}
}
