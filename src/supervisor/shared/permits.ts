/** The supervisor's side of `max_connections`, `max_pending_handshakes` and the trials of half-open breakers. */
import type { EndpointName, PermitAnswer, PermitRequest } from "../../upstreams/shared.ts";
import type { WorkerHandle } from "../contract.ts";

/** Places taken at an endpoint. */
interface Places {
	/** Pending ones included. */
	connections: number;
	pending: number;
}

interface Trial {
	readonly number: number;
	readonly worker: WorkerHandle;
	readonly until: number;
}

/** A trial that is not decided by then is no longer waited for. In ms. */
const TRIAL_MS = 60_000;

/** Who may dial which endpoint. Its size follows the connections that are open. */
export class SharedPermits {
	readonly #clock: () => number;
	readonly #places = new Map<string, Places>();
	readonly #trials = new Map<string, Trial>();
	#lastTrial = 0;

	/** @param clock monotonic, ms */
	constructor(clock: () => number) {
		this.#clock = clock;
	}

	/**
	 * Answers a worker.
	 * @returns to be called when its process is gone
	 */
	serve(worker: WorkerHandle): () => void {
		const { channel } = worker;
		const held = new Map<string, Places>();
		let gone = false;
		channel.handle("permit", (asked) => (gone ? { refused: "full" } : this.#grant(asked, worker, held)));
		channel.handle("permitOpened", (name) => {
			const id = endpointKey(name);
			if (held.has(id)) this.#change(held, id, 0, -1);
		});
		channel.handle("permitReleased", ({ pending, ...name }) => {
			const id = endpointKey(name);
			if (held.has(id)) this.#change(held, id, -1, pending ? -1 : 0);
		});
		channel.handle("trialOver", ({ trial, ...name }) => {
			const id = endpointKey(name);
			if (this.#trials.get(id)?.number === trial) this.#trials.delete(id);
		});
		return () => {
			gone = true;
			for (const [id, { connections, pending }] of held) change(this.#places, id, -connections, -pending);
			held.clear();
			for (const [id, trial] of this.#trials) if (trial.worker === worker) this.#trials.delete(id);
		};
	}

	/** The breaker of an endpoint has opened or closed: no trial is under way. */
	decided(name: EndpointName): void {
		this.#trials.delete(endpointKey(name));
	}

	#grant(asked: PermitRequest, worker: WorkerHandle, held: Map<string, Places>): PermitAnswer {
		const id = endpointKey(asked);
		const now = this.#clock();
		const { max_connections, max_pending_handshakes } = asked;
		const counted = (max_connections ?? max_pending_handshakes) !== undefined;
		const { connections, pending } = this.#places.get(id) ?? { connections: 0, pending: 0 };
		if (connections >= (max_connections ?? Number.POSITIVE_INFINITY)) return { refused: "full" };
		if (pending >= (max_pending_handshakes ?? Number.POSITIVE_INFINITY)) return { refused: "full" };
		if (asked.trial && (this.#trials.get(id)?.until ?? 0) > now) return { refused: "on_trial" };
		if (counted) this.#change(held, id, 1, 1);
		if (!asked.trial) return { trial: undefined };
		const number = ++this.#lastTrial;
		this.#trials.set(id, { number, worker, until: now + TRIAL_MS });
		return { trial: number };
	}

	/** What a worker holds, and the sum, change together. */
	#change(held: Map<string, Places>, id: string, connections: number, pending: number): void {
		change(held, id, connections, pending);
		change(this.#places, id, connections, pending);
	}
}

function change(places: Map<string, Places>, id: string, connections: number, pending: number): void {
	const before = places.get(id) ?? { connections: 0, pending: 0 };
	const after = { connections: before.connections + connections, pending: before.pending + pending };
	if (after.connections > 0) places.set(id, after);
	else places.delete(id);
}

/** One word for an endpoint of an upstream. */
export function endpointKey({ upstream, endpoint }: EndpointName): string {
	return `${upstream}\0${endpoint}`;
}
