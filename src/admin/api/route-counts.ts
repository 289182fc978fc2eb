/** Connections of each route since the process started. */
import type { ConnectionFacts, EventSink } from "../../gateway/events.ts";

export interface RouteCounts {
	opened: number;
	closed: number;
	/** Handshakes that were refused, by the gateway or by the backend. */
	rejected: number;
}

/** A sink of the gateway's events. Routes are names of the configuration: that bounds it. */
export class RouteCounter implements EventSink {
	readonly #counts = new Map<string, RouteCounts>();

	of(route: string): Readonly<RouteCounts> {
		return this.#counts.get(route) ?? { opened: 0, closed: 0, rejected: 0 };
	}

	open({ route }: ConnectionFacts): void {
		if (route !== undefined) this.#entry(route).opened++;
	}

	close({ route }: ConnectionFacts): void {
		if (route !== undefined) this.#entry(route).closed++;
	}

	reject({ route }: ConnectionFacts): void {
		if (route !== undefined) this.#entry(route).rejected++;
	}

	#entry(route: string): RouteCounts {
		let counts = this.#counts.get(route);
		if (counts === undefined) {
			counts = { opened: 0, closed: 0, rejected: 0 };
			this.#counts.set(route, counts);
		}
		return counts;
	}
}
