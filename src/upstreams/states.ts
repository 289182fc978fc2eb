/** What lives on across reloads, by upstream name and endpoint id. */
import { Names } from "../sockets/names.ts";
import { Admission, type Turns } from "./admission.ts";
import type { Notice } from "./attempts/notice.ts";
import { type Endpoint, EndpointState } from "./endpoint.ts";
import { forgetOverruled, type WrittenEndpoint } from "./override.ts";
import type { SharedUpstreams } from "./shared.ts";
import { noteService } from "./slow-start.ts";
import { type Sessions, StickyTable } from "./sticky/table.ts";

/** The names that a snapshot has; see {@link UpstreamStates.prune}. */
export interface UpstreamIdentity {
	readonly name: string;
	readonly endpoints: readonly (Pick<Endpoint, "id" | "mode" | "weight" | "state"> & {
		readonly written?: WrittenEndpoint;
	})[];
}

/** One for each gateway process. Its size follows the config, never what clients send. */
export class UpstreamStates {
	readonly #endpoints = new Map<string, Map<string, EndpointState>>();
	readonly #stickyTables = new Map<string, Sessions>();
	readonly #admissions = new Map<string, Turns>();
	/** Upstreams that were found to name subprotocols that nobody offered. */
	readonly #unoffered = new Set<string>();
	/** Names of the upstreams of the last snapshot that was in force. */
	#inForce = new Set<string>();
	readonly #now: () => number;
	/** Tells what happens to endpoints. */
	readonly notice: Notice;
	/** Set when this process is one of several workers. */
	readonly shared: SharedUpstreams | undefined;
	/** Finds the addresses of endpoints. */
	readonly names: Names;

	/** @param now milliseconds, monotonic and above 0 */
	constructor(now: () => number, notice: Notice = () => undefined, shared?: SharedUpstreams, names = new Names()) {
		this.#now = now;
		this.notice = notice;
		this.shared = shared;
		this.names = names;
	}

	/** The clock of the states, in ms. */
	get now(): () => number {
		return this.#now;
	}

	/** Whether a snapshot had this upstream before. */
	knows(upstream: string): boolean {
		return this.#endpoints.has(upstream);
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
	stickyTable(upstream: string): Sessions {
		let table = this.#stickyTables.get(upstream);
		if (table === undefined) {
			table = this.shared?.sessions(upstream) ?? new StickyTable({ now: this.#now });
			this.#stickyTables.set(upstream, table);
		}
		return table;
	}

	/** Tells of an upstream that names a subprotocol which the client did not offer; once. */
	noteUnoffered(upstream: string, endpoint: string, subprotocol: string, offered: readonly string[]): void {
		if (this.#unoffered.has(upstream)) return;
		this.#unoffered.add(upstream);
		this.notice("warn", "subprotocol.not_offered", {
			upstream,
			endpoint,
			subprotocol: subprotocol.slice(0, 200),
			offered: offered.join(", ").slice(0, 200),
			reason: "the backend names a subprotocol that the client did not offer; it is passed on, and browsers refuse it",
		});
	}

	/** The admission of an upstream. */
	admission(upstream: string, random: () => number): Turns {
		let admission = this.#admissions.get(upstream);
		if (admission === undefined) {
			admission = this.shared?.turns(upstream) ?? new Admission({ now: this.#now, random });
			this.#admissions.set(upstream, admission);
		}
		return admission;
	}

	/**
	 * To be called with each snapshot that has come into force, the first one too: an endpoint that it brings into service
	 * starts slowly. Forgets what the snapshot no longer has; an endpoint with connections keeps its state until a later call. */
	prune(inForce: Iterable<UpstreamIdentity>): void {
		const upstreams = [...inForce];
		const kept = new Map(
			upstreams.map(({ name, endpoints }) => [name, new Map(endpoints.map(({ id, written }) => [id, written]))]),
		);
		for (const [name, byId] of this.#endpoints) {
			for (const [id, state] of byId) {
				const written = kept.get(name)?.get(id);
				if (written) forgetOverruled(state, written);
				if (kept.get(name)?.has(id)) continue;
				// Should the file name it again, that is the latest word.
				state.override = undefined;
				state.retire();
				if (state.active + state.pending === 0) byId.delete(id);
			}
			if (byId.size === 0) this.#endpoints.delete(name);
		}
		for (const name of this.#stickyTables.keys()) if (!kept.has(name)) this.#stickyTables.delete(name);
		for (const name of this.#unoffered) if (!kept.has(name)) this.#unoffered.delete(name);
		for (const name of this.#admissions.keys()) if (!kept.has(name)) this.#admissions.delete(name);
		for (const { name, endpoints } of upstreams) {
			for (const endpoint of endpoints) noteService(endpoint, !this.#inForce.has(name), this.#now());
		}
		this.#inForce = new Set(kept.keys());
	}

	/** Ends what runs by itself: the timers of outlier detection and breakers, and trials without a client. */
	close(): void {
		for (const byId of this.#endpoints.values()) for (const state of byId.values()) state.retire();
	}
}
