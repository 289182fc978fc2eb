/** A client's departure: what ends work that is done for a client when it leaves. */

/**
 * The part of an `AbortSignal` that work for a client needs, so that either will do. A real one costs more than the
 * rest of an opening handshake's bookkeeping together.
 */
export interface DepartureSignal {
	readonly aborted: boolean;
	/** Called once, when the client leaves; not called when it has left already. */
	addEventListener(type: "abort", listener: () => void, options?: { readonly once?: boolean }): void;
	removeEventListener(type: "abort", listener: () => void): void;
}

/** Tells those who wait for a client that it has left. */
export class Departure implements DepartureSignal {
	#aborted = false;
	#listeners: (() => void)[] | undefined;

	get aborted(): boolean {
		return this.#aborted;
	}

	addEventListener(_type: "abort", listener: () => void): void {
		if (this.#aborted) return;
		if (this.#listeners === undefined) this.#listeners = [listener];
		else if (!this.#listeners.includes(listener)) this.#listeners.push(listener);
	}

	removeEventListener(_type: "abort", listener: () => void): void {
		const place = this.#listeners?.indexOf(listener) ?? -1;
		if (place >= 0) this.#listeners?.splice(place, 1);
	}

	/** The client has left. Calls everyone who waits, in order; further calls do nothing. */
	abort(): void {
		if (this.#aborted) return;
		this.#aborted = true;
		const listeners = this.#listeners ?? [];
		this.#listeners = undefined;
		for (const listener of listeners) listener();
	}
}
