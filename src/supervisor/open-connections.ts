/** What the supervisor knows of its workers' tunnels, and the last line of those that a worker took with it. */
import type { ConnectionFacts, GatewayEvents } from "../gateway/events.ts";
import type { WorkerHandle, Workers } from "./contract.ts";

/** Told when a tunnel opens. It is kept as JSON: some 400 bytes for each tunnel. */
export interface OpenFacts {
	readonly facts: ConnectionFacts;
	/** ms since the epoch. */
	readonly opened_at: number;
}

/** RFC 6455 §7.1.5: no Close frame. */
const NO_CLOSE_FRAME = 1006;

export class OpenConnections {
	readonly #open = new Map<WorkerHandle, Map<string, string>>();

	/** To be made before the first worker starts. */
	constructor(workers: Workers, events: Pick<GatewayEvents, "close">) {
		workers.onStart((worker) => {
			const known = new Map<string, string>();
			this.#open.set(worker, known);
			worker.channel.handle("tunnels", ({ opened, ended }) => {
				for (const [id, facts] of opened) known.set(id, facts);
				for (const id of ended) known.delete(id);
			});
		});
		workers.onExit((worker) => {
			const lost = this.#open.get(worker) ?? new Map<string, string>();
			this.#open.delete(worker);
			for (const json of lost.values()) reportLost(JSON.parse(json) as OpenFacts, events);
		});
	}
}

/** What passed through it is not known any more. */
function reportLost({ facts, opened_at }: OpenFacts, events: Pick<GatewayEvents, "close">): void {
	events.close(facts, {
		close_code: NO_CLOSE_FRAME,
		close_reason: "",
		close_initiator: "gateway",
		termination: "worker_lost",
		duration_ms: Math.max(0, Date.now() - opened_at),
	});
}
