/**
 * The order in which nginx looks at locations, as one list in which the first match wins. nginx (ngx_http_core_find_location):
 * an exact location ends the search; otherwise the longest prefix is kept, and its nested locations are looked at; then the
 * regular expressions in the order of the file, unless the longest prefix is `^~`; then the prefix that was kept.
 */
import type { LocationNode } from "./location-tree.ts";
import { pathPattern } from "./path-spelling.ts";
import { condition, matchesPattern, type Pattern, patternText, withConditions } from "./patterns.ts";

/** How one entry of the list is compared. A prefix is one of the text, not of segments. */
export type PathTest =
	| { readonly kind: "exact"; readonly path: string }
	| { readonly kind: "prefix"; readonly path: string }
	| { readonly kind: "regex"; readonly source: string };

export interface Ordered {
	readonly test: PathTest;
	readonly node: LocationNode;
	/** nginx redirects this path to the location's own, which has a slash at its end. */
	readonly redirect: boolean;
}

/** What has to hold besides, because an outer location has to be the one that was found. */
interface Limit {
	readonly kind: "region" | "regex";
	/** A source for {@link withConditions}. */
	readonly source: string;
	allows(path: string): boolean;
}

/** The list of the locations of a server. */
export function orderLocations(nodes: readonly LocationNode[], redirects: (node: LocationNode) => boolean): Ordered[] {
	const { early, late } = orderLevel(nodes, [], redirects);
	return [...early, ...late];
}

/** `early` wins over the regular expressions of the level around; `late` is what is left when none of those match. */
function orderLevel(
	nodes: readonly LocationNode[],
	limits: readonly Limit[],
	redirects: (node: LocationNode) => boolean,
): { early: Ordered[]; late: Ordered[] } {
	const exact = nodes.filter(({ test }) => test.kind === "exact");
	const regex = nodes.filter(({ test }) => test.kind === "regex");
	const prefixes = nodes
		.filter(({ test }) => test.kind === "prefix")
		.sort((a, b) => pathOf(b).length - pathOf(a).length);

	const paths = new Set([...exact, ...prefixes].map(pathOf));
	const rows: Ordered[] = exact.map((node) => ({ test: { kind: "exact", path: pathOf(node) }, node, redirect: false }));
	for (const node of [...exact, ...prefixes]) {
		const path = pathOf(node).slice(0, -1);
		if (path === "" || !pathOf(node).endsWith("/") || !redirects(node)) continue;
		if (paths.has(path)) continue;
		paths.add(path);
		rows.push({ test: { kind: "exact", path }, node, redirect: true });
	}
	const allowed = rows.filter(({ test }) => test.kind === "exact" && limits.every((limit) => limit.allows(test.path)));

	const nested = new Map(
		prefixes
			.filter(({ children }) => children.length > 0)
			.map((node) => [node, orderLevel(node.children, [...limits, region(node, prefixes)], redirects)]),
	);
	const lateOf = (node: LocationNode): Ordered[] => [
		...(nested.get(node)?.late ?? []),
		{ test: prefixTest(pathOf(node), limits), node, redirect: false },
	];
	const expressions = (more: readonly Limit[]): Ordered[] =>
		regex.flatMap((node) => orderRegex(node, [...limits, ...more], redirects));

	const early = [...allowed, ...prefixes.flatMap((node) => nested.get(node)?.early ?? [])];
	if (limits.length > 0) {
		// Here a `^~` keeps the expressions of its own level away, but not those of the levels around.
		const kept = prefixes.filter(isOwnFirm).map((node) => outside(node, prefixes));
		return { early: [...early, ...expressions(kept)], late: prefixes.flatMap(lateOf) };
	}
	const firmPaths = regex.length === 0 ? [] : prefixes.filter(isOwnFirm).map(pathOf);
	// `^~`, or inside one: its place is before the regular expressions.
	const firm = new Set(prefixes.filter((node) => firmPaths.some((path) => pathOf(node).startsWith(path))));
	for (const node of firm) {
		// A longer one inside a `^~`: for its part the expressions come first again.
		if (!isOwnFirm(node)) early.push(...expressions([region(node, prefixes)]));
		early.push(...lateOf(node));
	}
	early.push(...expressions([]));
	return { early, late: prefixes.filter((node) => !firm.has(node)).flatMap(lateOf) };
}

function isOwnFirm({ test }: LocationNode): boolean {
	return test.kind === "prefix" && test.firm;
}

function orderRegex(
	node: LocationNode,
	limits: readonly Limit[],
	redirects: (node: LocationNode) => boolean,
): Ordered[] {
	const { pattern } = node.test as { pattern: Pattern };
	const limit: Limit = { kind: "regex", source: condition(pattern), allows: (path) => matchesPattern(pattern, path) };
	const inside = orderLevel(node.children, [...limits, limit], redirects);
	const own = withConditions(
		limits.map(({ source }) => source),
		pattern,
	);
	return [
		...inside.early,
		...inside.late,
		{ test: { kind: "regex", source: patternText(own) }, node, redirect: false },
	];
}

/** Paths for which this is the longest prefix of its level. */
function region(node: LocationNode, prefixes: readonly LocationNode[]): Limit {
	const path = pathOf(node);
	const longer = prefixes.map(pathOf).filter((other) => other.length > path.length && other.startsWith(path));
	const pattern = (text: string): Pattern => ({ source: `^${pathPattern(text)}`, ignoreCase: false });
	return {
		kind: "region",
		source: condition(pattern(path)) + longer.map((other) => condition(pattern(other), true)).join(""),
		allows: (other) => other.startsWith(path) && !longer.some((one) => other.startsWith(one)),
	};
}

/** All other paths than those of {@link region}. */
function outside(node: LocationNode, prefixes: readonly LocationNode[]): Limit {
	const path = pathOf(node);
	const longer = prefixes.map(pathOf).filter((other) => other.length > path.length && other.startsWith(path));
	const but = longer.map((other) => `(?!${pathPattern(other.slice(path.length))})`).join("");
	const inside = region(node, prefixes);
	return {
		kind: "region",
		source: `(?!${pathPattern(path)}${but})`,
		allows: (other) => !inside.allows(other),
	};
}

/** Inside other prefixes it needs no condition: it is longer, and stands at the place of the outer one. */
function prefixTest(path: string, limits: readonly Limit[]): PathTest {
	return limits.some(({ kind }) => kind === "regex") ? conditionalTest(path, limits) : { kind: "prefix", path };
}

function conditionalTest(path: string, limits: readonly Limit[]): PathTest {
	const conditions = limits.map(({ source }) => source);
	const pattern = withConditions(conditions, { source: `^${pathPattern(path)}`, ignoreCase: false });
	return { kind: "regex", source: patternText(pattern) };
}

function pathOf({ test }: LocationNode): string {
	return test.kind === "regex" ? "" : test.path;
}
