/** What lives on across reloads, by upstream name and endpoint id. */
import { EndpointState } from "./endpoint.ts";
import { StickyTable } from "./sticky/table.ts";

/** The names that a snapshot has; see {@link UpstreamStates.prune}. */
export interface UpstreamIdentity {
	readonly name: string;
	readonly endpoints: readonly { readonly id: string }[];
}

/** One for each gateway process. Its size follows the config, never what clients send. */
export class UpstreamStates {
	readonly #endpoints = new Map<string, Map<string, EndpointState>>();
	readonly #stickyTables = new Map<string, StickyTable>();
	readonly #now: () => number;

	/** @param now milliseconds, monotonic and above 0 */
	constructor(now: () => number) {
		this.#now = now;
	}

	/** The state of an endpoint: the one it had in an earlier snapshot, or a new one. */
	endpoint(upstream: string, id: string): EndpointState {
		let byId = this.#endpoints.get(upstream);
		if (byId === undefined) {
			byId = new Map();
			this.#endpoints.set(upstream, byId);
		}
		let state = byId.get(id);
		if (state === undefined) {
			state = new EndpointState();
			byId.set(id, state);
		}
		return state;
	}

	/** The session table of an upstream. */
	stickyTable(upstream: string): StickyTable {
		let table = this.#stickyTables.get(upstream);
		if (table === undefined) {
			table = new StickyTable({ now: this.#now });
			this.#stickyTables.set(upstream, table);
		}
		return table;
	}

	/** Forgets what the snapshot no longer has; an endpoint with connections keeps its state until a later call. */
	prune(upstreams: Iterable<UpstreamIdentity>): void {
		const kept = new Map([...upstreams].map(({ name, endpoints }) => [name, new Set(endpoints.map(({ id }) => id))]));
		for (const [name, byId] of this.#endpoints) {
			for (const [id, state] of byId) {
				if (!kept.get(name)?.has(id) && state.active + state.pending === 0) byId.delete(id);
			}
			if (byId.size === 0) this.#endpoints.delete(name);
		}
		for (const name of this.#stickyTables.keys()) if (!kept.has(name)) this.#stickyTables.delete(name);
	}
}
