/** Connections for which no worker is there: they wait for one, but not for ever. */
import type { SocketHandle } from "../server/handed-over.ts";

/** How long a connection waits, ms. */
const PATIENCE_MS = 10_000;

export interface Accepted {
	/** The listener's key. */
	readonly listener: string;
	readonly handle: SocketHandle;
}

export interface Waiting extends Accepted {
	/** ms, monotonic. */
	readonly since: number;
}

export class WaitingRoom {
	readonly #giveUp: (accepted: Accepted) => void;
	/** In the order in which their time is over. */
	#waiting: Waiting[] = [];
	#timer: NodeJS.Timeout | undefined;

	/** @param giveUp is given each whose time is over */
	constructor(giveUp: (accepted: Accepted) => void) {
		this.#giveUp = giveUp;
	}

	enter({ listener, handle }: Accepted, since = performance.now()): void {
		this.#waiting.push({ listener, handle, since });
		if (this.#waiting.length === 1) this.#look();
	}

	/** All of them leave. */
	leave(): Waiting[] {
		clearTimeout(this.#timer);
		return this.#waiting.splice(0);
	}

	#look(): void {
		const due = performance.now() - PATIENCE_MS;
		while (this.#waiting[0] !== undefined && this.#waiting[0].since <= due) {
			this.#giveUp(this.#waiting.shift() as Waiting);
		}
		const [next] = this.#waiting;
		if (next) this.#timer = setTimeout(() => this.#look(), Math.max(1, next.since - due));
	}
}
