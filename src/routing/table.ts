/** The route table: file order, the first match wins, and ten thousand routes cost about as much as ten. */
import { GatewayError } from "../errors.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { type CompiledMatch, compileMatch, type MatchConfig } from "./match.ts";
import { sortHosts } from "./matchers/host.ts";
import { PathIndex } from "./path-index.ts";

/** A route's `match` and what it leads to. */
export interface RouteEntry<T> {
	readonly match?: MatchConfig | undefined;
	/** How the entry sees a request, where that differs from how it was read. */
	readonly view?: ((request: GatewayRequest) => GatewayRequest) | undefined;
	readonly target: T;
}

/** One line of {@link RouteTable.explain}. */
export interface RouteExplanation<T> {
	readonly target: T;
	/** Why it did not match; undefined for the one that did. */
	readonly reason: string | undefined;
}

interface Row<T> {
	readonly target: T;
	readonly match: CompiledMatch;
	readonly view: RouteEntry<T>["view"];
}

/**
 * An index by host, then by path, gives a few lists of rows that may match; each list is in file order, and they are
 * walked together in file order. A row's own match is always asked as well: the index only leaves out.
 */
export class RouteTable<T> {
	readonly #rows: Row<T>[] = [];
	readonly #byHost = new Map<string, PathIndex>();
	/** By the name below the `*.`, without the dot. */
	readonly #bySuffix = new Map<string, PathIndex>();
	readonly #anyHost = new PathIndex();
	#longestSuffix = 0;
	// Used by find() only, from one call to the next, so that it allocates nothing.
	readonly #lists: (readonly number[])[] = [];
	readonly #cursors: number[] = [];

	/** Compiles the entries, in file order. */
	static build<T>(entries: readonly RouteEntry<T>[]): RouteTable<T> {
		const table = new RouteTable<T>();
		for (const entry of entries) table.add(entry);
		return table;
	}

	/**
	 * Adds an entry behind those that are there.
	 * @param compiled what {@link compileMatch} made of its `match`, when that is known
	 */
	add({ match = {}, target, view }: RouteEntry<T>, compiled: CompiledMatch = compileMatch(match)): void {
		const row = this.#rows.push({ target, match: compiled, view }) - 1;
		for (const index of this.#hostIndexes(match)) index.add(match, row);
	}

	/**
	 * The target of the first entry that matches.
	 * @throws GatewayError BAD_REQUEST when the request is too long to be compared with an entry's pattern; BAD_TARGET when
	 *   servers read its path in different ways, and those lead to different entries: a rule could be walked around
	 */
	find(request: GatewayRequest): T | undefined {
		const target = this.#first(request);
		for (const reading of request.otherReadings ?? []) {
			if (this.#first({ ...request, matchPath: reading }) === target) continue;
			throw new GatewayError("BAD_TARGET", `some servers read this path as ${reading}, which is for another route`, {
				hint: "servers read this path in different ways; leave out path parameters (;), encoded slashes and dots or blanks at the end of a name",
			});
		}
		return target;
	}

	#first(request: GatewayRequest): T | undefined {
		const lists = this.#lists;
		const cursors = this.#cursors;
		lists.length = 0;
		this.#collect(request.host, request.matchPath, lists);
		for (let i = 0; i < lists.length; i++) cursors[i] = 0;
		let previous = -1;
		for (;;) {
			let row = Number.POSITIVE_INFINITY;
			let from = -1;
			for (let i = 0; i < lists.length; i++) {
				const candidate = (lists[i] as readonly number[])[cursors[i] as number];
				if (candidate === undefined || candidate >= row) continue;
				row = candidate;
				from = i;
			}
			if (from < 0) return undefined;
			cursors[from] = (cursors[from] as number) + 1;
			// A row with several paths can be in several lists.
			if (row === previous) continue;
			previous = row;
			const { match, target, view } = this.#rows[row] as Row<T>;
			if (match.matches(view === undefined ? request : view(request))) return target;
		}
	}

	/** Every entry in order, with why it did not match, up to and with the one that does. */
	explain(request: GatewayRequest): RouteExplanation<T>[] {
		const explanations: RouteExplanation<T>[] = [];
		for (const { match, target, view } of this.#rows) {
			const reason = match.explain(view === undefined ? request : view(request));
			explanations.push({ target, reason });
			if (reason === undefined) break;
		}
		return explanations;
	}

	#hostIndexes(match: MatchConfig): PathIndex[] {
		const { exact, suffixes, any } = sortHosts(match.host ?? ["*"]);
		if (any) return [this.#anyHost];
		const names = suffixes.map((suffix) => suffix.slice(1));
		for (const name of names) this.#longestSuffix = Math.max(this.#longestSuffix, name.length);
		return [
			...[...new Set(exact)].map((name) => indexOf(this.#byHost, name)),
			...[...new Set(names)].map((name) => indexOf(this.#bySuffix, name)),
		];
	}

	#collect(host: string, path: string, lists: (readonly number[])[]): void {
		this.#byHost.get(host)?.collect(path, lists);
		if (this.#bySuffix.size > 0) {
			// From the right, so that a name of a hundred labels costs no more than the longest wildcard.
			for (let dot = host.lastIndexOf("."); dot > 0; dot = host.lastIndexOf(".", dot - 1)) {
				if (host.length - dot - 1 > this.#longestSuffix) break;
				this.#bySuffix.get(host.slice(dot + 1))?.collect(path, lists);
			}
		}
		this.#anyHost.collect(path, lists);
	}
}

function indexOf(indexes: Map<string, PathIndex>, name: string): PathIndex {
	let index = indexes.get(name);
	if (index === undefined) {
		index = new PathIndex();
		indexes.set(name, index);
	}
	return index;
}
