/** A route to be, before it is written: nginx's choices as one ordered list in which the first match wins. */
import { patternProblem } from "../../protocol/regex.ts";
import type { Place } from "./directive.ts";
import { condition, escapePattern, matchesPattern, type Pattern, patternText, withConditions } from "./patterns.ts";
import { commonRanges } from "./ranges.ts";

/** A test of one header or query parameter, as in `match`. */
export type ValueTest = string | { readonly regex: string } | { readonly present: boolean };

/** `match` of a route. Of `path`, `path_prefix` and `path_regex` there is at most one. */
export interface Match {
	readonly host?: readonly string[];
	readonly path?: string;
	readonly path_prefix?: string;
	readonly path_regex?: string;
	readonly headers?: Readonly<Record<string, ValueTest>>;
	readonly query?: Readonly<Record<string, ValueTest>>;
	readonly client_ip?: readonly string[];
}

/** Where a route comes from. */
export interface Origin extends Place {
	readonly endLine: number;
	/** As in the file: `location /ws/`. */
	readonly text: string;
	/** For the route's name: `/ws/`. */
	readonly label: string;
}

/** Keys of a route other than `name` and `match`; undefined ones are left out. */
export type RouteFields = Readonly<Record<string, unknown>> &
	({ readonly upstream: string } | { readonly split: unknown });

export interface Row {
	readonly match: Match;
	readonly origin: Origin;
	/** Undefined: nginx answered these requests itself, so they are refused. */
	readonly fields: RouteFields | undefined;
	/** Why it is refused, as a comment. */
	readonly reason?: string | undefined;
}

/** Both at once; or that no request is both; or that it cannot be written as one `match`. */
export function both(a: Match, b: Match): Match | "never" | "unwritable" {
	const { headers: headersA = {}, query: queryA = {}, host: hostA, client_ip: ipA, ...pathA } = a;
	const { headers: headersB = {}, query: queryB = {}, host: hostB, client_ip: ipB, ...pathB } = b;
	const headers = bothTests(headersA, headersB);
	const query = bothTests(queryA, queryB);
	const path = bothPaths(pathA, pathB);
	const hosts = hostA && hostB ? bothHosts(hostA, hostB) : (hostA ?? hostB);
	if (headers === "never" || query === "never" || hosts?.length === 0) return "never";
	if (headers === "unwritable" || query === "unwritable" || path === "unwritable") return "unwritable";
	const clientIp = ipA && ipB ? commonRanges(ipA, ipB) : (ipA ?? ipB);
	if (clientIp?.length === 0) return "never";
	return {
		...(hosts && { host: hosts }),
		...path,
		...(Object.keys(headers).length > 0 && { headers }),
		...(Object.keys(query).length > 0 && { query }),
		...(clientIp && { client_ip: clientIp }),
	};
}

function bothHosts(a: readonly string[], b: readonly string[]): string[] {
	const inside = (name: string, wide: string) =>
		name === wide || wide === "*" || (wide.startsWith("*.") && name.endsWith(wide.slice(1)));
	const narrow = [
		...b.filter((name) => a.some((wide) => inside(name, wide))),
		...a.filter((name) => b.some((wide) => inside(name, wide))),
	];
	return [...new Set(narrow)];
}

type Tests = Readonly<Record<string, ValueTest>>;

function bothTests(a: Tests, b: Tests): Tests | "never" | "unwritable" {
	const merged: Record<string, ValueTest> = { ...a };
	for (const [name, test] of Object.entries(b)) {
		const key = Object.keys(merged).find((other) => other.toLowerCase() === name.toLowerCase()) ?? name;
		const before = merged[key];
		const one = before === undefined ? { test } : bothValues(before, test);
		if (one === "never" || one === "unwritable") return one;
		merged[key] = one.test;
	}
	return merged;
}

function bothValues(a: ValueTest, b: ValueTest): { test: ValueTest } | "never" | "unwritable" {
	if (JSON.stringify(a) === JSON.stringify(b)) return { test: a };
	if (typeof a === "string") return fits(a, b) ? { test: a } : "never";
	if (typeof b === "string") return fits(b, a) ? { test: b } : "never";
	if ("present" in a) return a.present ? { test: b } : "never";
	if ("present" in b) return b.present ? { test: a } : "never";
	const pattern = withConditions([condition(readPattern(a.regex))], readPattern(b.regex));
	return writable(pattern) ? { test: { regex: patternText(pattern) } } : "unwritable";
}

function fits(value: string, test: ValueTest): boolean {
	if (typeof test === "string") return test === value;
	return "present" in test ? test.present : matchesPattern(readPattern(test.regex), value);
}

export function readPattern(text: string): Pattern {
	return { source: text.replace(/^\(\?i\)/, ""), ignoreCase: text.startsWith("(?i)") };
}

type PathMatch = Pick<Match, "path" | "path_prefix" | "path_regex">;

function bothPaths(a: PathMatch, b: PathMatch): PathMatch | "unwritable" {
	const [first, second] = [pathPattern(a), pathPattern(b)];
	if (second === undefined || JSON.stringify(a) === JSON.stringify(b)) return a;
	if (first === undefined) return b;
	// The second one's groups are those that a rewrite of the first may count on.
	const pattern = withConditions([condition(second)], first);
	return writable(pattern) ? { path_regex: patternText(pattern) } : "unwritable";
}

/** Undefined when every path matches. */
function pathPattern({ path, path_prefix: prefix, path_regex: regex }: PathMatch): Pattern | undefined {
	if (path !== undefined) return { source: `^${escapePattern(path)}$`, ignoreCase: false };
	if (prefix !== undefined && prefix !== "/") return { source: `^${escapePattern(prefix)}(?:/|$)`, ignoreCase: false };
	return regex === undefined ? undefined : readPattern(regex);
}

export function writable(pattern: Pattern): boolean {
	return patternProblem(patternText(pattern)) === undefined;
}
