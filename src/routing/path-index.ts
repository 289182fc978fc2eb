/** The path half of the route table's index: which rows may match a path, as lists in file order. */
import type { MatchConfig } from "./match.ts";
import { plainPath, plainPrefix } from "./paths.ts";

const SLASH = "/";

/** Rows are numbers in file order; they are added in that order, so each list is sorted. */
export class PathIndex {
	readonly #exact = new Map<string, number[]>();
	readonly #prefixes = new Map<string, number[]>();
	/** Rows that no path leaves out. */
	readonly #rest: number[] = [];
	#longestPrefix = 0;

	/** Adds a row under its path keys. */
	add(match: MatchConfig, row: number): void {
		if (match.path !== undefined) {
			for (const path of match.path) push(this.#exact, plainPath(path), row);
			return;
		}
		const prefixes = match.path_prefix?.map(plainPrefix) ?? match.path_regex?.map(literalPrefix) ?? [""];
		if (prefixes.includes("")) {
			this.#rest.push(row);
			return;
		}
		for (const prefix of prefixes) {
			push(this.#prefixes, prefix, row);
			this.#longestPrefix = Math.max(this.#longestPrefix, prefix.length);
		}
	}

	/** Appends the lists for a path. */
	collect(path: string, lists: (readonly number[])[]): void {
		if (this.#exact.size > 0) {
			const rows = this.#exact.get(path);
			if (rows !== undefined) lists.push(rows);
		}
		// /a/b/c is below /a/b/c, /a/b and /a; slashes beyond the longest prefix are not looked at.
		for (let end = 1; this.#longestPrefix > 0 && end > 0 && end <= path.length; ) {
			const slash = path.indexOf(SLASH, end);
			const stop = slash < 0 ? path.length : slash;
			if (stop > this.#longestPrefix) break;
			const rows = this.#prefixes.get(path.slice(0, stop));
			if (rows !== undefined) lists.push(rows);
			end = stop + 1;
		}
		if (this.#rest.length > 0) lists.push(this.#rest);
	}
}

function push(lists: Map<string, number[]>, key: string, row: number): void {
	const rows = lists.get(key);
	if (rows === undefined) lists.set(key, [row]);
	else if (rows.at(-1) !== row) rows.push(row);
}

/** The whole segments that every path has to start with to match a pattern: `/rooms` of `^/rooms/\d+$`, or "". */
function literalPrefix(source: string): string {
	if (source.includes("|")) return "";
	const literal = /^\^((?:\\?\/|[A-Za-z0-9_~-])+)(?![?*{A-Za-z0-9_~/-])/.exec(source)?.[1] ?? "";
	const path = literal.replaceAll("\\", "");
	return path.slice(0, Math.max(0, path.lastIndexOf(SLASH)));
}
