/** Finds, among many routes, the few that could take everything a later one takes: `covers` then decides. */
import { plainPath, plainPrefix } from "../../routing/paths.ts";
import { isMap } from "../values-at.ts";
import { plainHost, texts } from "./cover.ts";

/** Stands for a match without that key. */
const ANY = "";

/**
 * Earlier matches by their hosts and paths. To cover a later route, a match has to have one of its hosts and one of its
 * paths covered, so only those under the keys of the later route's first host and first paths come into question.
 */
export class ShadowIndex {
	readonly #byKey = new Map<string, number[]>();

	/** @param match a raw `match`; @param index its route's place in the file */
	add(match: unknown, index: number): void {
		for (const host of ownHosts(match)) {
			for (const path of ownPaths(match)) {
				const key = `${host}\0${path}`;
				const known = this.#byKey.get(key);
				if (known) known.push(index);
				else this.#byKey.set(key, [index]);
			}
		}
	}

	/** Places of the matches added so far that may cover this one, in file order. */
	candidates(match: unknown): number[] {
		const found = new Set<number>();
		for (const host of coveringHosts(match)) {
			for (const path of coveringPaths(match)) {
				for (const index of this.#byKey.get(`${host}\0${path}`) ?? []) found.add(index);
			}
		}
		return [...found].sort((a, b) => a - b);
	}
}

function valuesOf(match: unknown, key: string): string[] {
	return isMap(match) ? texts(match[key]) : [];
}

function ownHosts(match: unknown): string[] {
	const hosts = valuesOf(match, "host").map(plainHost);
	return hosts.length > 0 ? hosts : [ANY];
}

/** One of the keys is enough: all of them have to cover. */
function ownPaths(match: unknown): string[] {
	const exact = valuesOf(match, "path").map((path) => `=${plainPath(path)}`);
	if (exact.length > 0) return exact;
	const prefixes = valuesOf(match, "path_prefix").map((prefix) => `^${plainPrefix(prefix)}`);
	if (prefixes.length > 0) return prefixes;
	const patterns = valuesOf(match, "path_regex").map((pattern) => `~${pattern}`);
	return patterns.length > 0 ? patterns : [ANY];
}

/** The hosts, and patterns of hosts, that cover the first host. */
function coveringHosts(match: unknown): string[] {
	const [host] = valuesOf(match, "host").map(plainHost);
	const covering = [ANY, "*"];
	if (host === undefined) return covering;
	covering.push(host);
	for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) covering.push(`*${host.slice(dot)}`);
	return [...new Set(covering)];
}

/** The paths, prefixes and patterns that cover the first of each. */
function coveringPaths(match: unknown): string[] {
	const covering = [ANY, "^"];
	const [path] = valuesOf(match, "path").map(plainPath);
	if (path !== undefined) covering.push(`=${path}`);
	const [pattern] = valuesOf(match, "path_regex");
	if (pattern !== undefined) covering.push(`~${pattern}`);
	const start = path ?? valuesOf(match, "path_prefix").map(plainPrefix)[0];
	if (start === undefined) return covering;
	for (let slash = start.indexOf("/", 1); slash >= 0; slash = start.indexOf("/", slash + 1)) {
		covering.push(`^${start.slice(0, slash)}`);
	}
	covering.push(`^${start}`);
	return covering;
}
