/** The plain HTTP forwarders, one for each upstream of a snapshot: kept-alive connections are not shared between them. */
import type { Upstream } from "../upstreams/upstream.ts";
import { createForwarder, type Forwarder } from "./forward.ts";

export class Forwarders {
	readonly #forwarders = new Map<Upstream, Forwarder>();

	/** The forwarder of an upstream; made when it is first needed. */
	of(upstream: Upstream): Forwarder {
		let forwarder = this.#forwarders.get(upstream);
		if (!forwarder) {
			forwarder = createForwarder();
			this.#forwarders.set(upstream, forwarder);
		}
		return forwarder;
	}

	/** Closes those of upstreams that are not in `kept`; requests under way finish. */
	retain(kept: ReadonlySet<Upstream>): void {
		for (const [upstream, forwarder] of this.#forwarders) {
			if (kept.has(upstream)) continue;
			this.#forwarders.delete(upstream);
			forwarder.close();
		}
	}

	/** Closes all connections now. */
	close(): void {
		for (const forwarder of this.#forwarders.values()) forwarder.destroy();
		this.#forwarders.clear();
	}
}
