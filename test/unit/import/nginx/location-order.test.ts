import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { orderLocations, type PathTest } from "../../../../src/import/nginx/location-order.ts";
import { redirectsToSlash } from "../../../../src/import/nginx/location-routes.ts";
import { type LocationNode, locationTree } from "../../../../src/import/nginx/location-tree.ts";
import { Notes } from "../../../../src/import/nginx/notes.ts";
import { parse } from "../../../../src/import/nginx/parse.ts";
import { matchesPattern } from "../../../../src/import/nginx/patterns.ts";
import { Scope } from "../../../../src/import/nginx/scope.ts";
import { patternProblem } from "../../../../src/protocol/regex.ts";

function tree(text: string): LocationNode[] {
	return locationTree(new Scope(parse(text, "f")), new Notes());
}

/** The location that the list gives, with `→` for a redirect to it. */
function byList(nodes: readonly LocationNode[], path: string): string | undefined {
	const found = orderLocations(nodes, redirectsToSlash).find(({ test }) => matches(test, path));
	return found && `${found.redirect ? "→ " : ""}${found.node.origin.line}`;
}

function matches(test: PathTest, path: string): boolean {
	if (test.kind === "exact") return path === test.path;
	if (test.kind === "prefix") return path.startsWith(test.path);
	expect(patternProblem(test.source)).toBeUndefined();
	const ignoreCase = test.source.startsWith("(?i)");
	return new RegExp(ignoreCase ? test.source.slice(4) : test.source, ignoreCase ? "i" : "").test(path);
}

/** ngx_http_core_find_location, word for word. */
function byNginx(nodes: readonly LocationNode[], path: string): string | undefined {
	let current: LocationNode | undefined;
	let redirected = false;

	type Result = "ok" | "done" | "again" | "declined";
	function findStatic(level: readonly LocationNode[]): Result {
		const exact = level.find(({ test }) => test.kind === "exact" && test.path === path);
		if (exact) {
			current = exact;
			return "ok";
		}
		const prefixes = level.filter(({ test }) => test.kind === "prefix" && path.startsWith(test.path));
		const longest = prefixes.sort((a, b) => pathOf(b).length - pathOf(a).length)[0];
		const slashed = ["exact", "prefix"]
			.flatMap((kind) => level.filter(({ test }) => test.kind === kind))
			.find((node) => pathOf(node) === `${path}/` && redirectsToSlash(node));
		if (slashed && !(longest && pathOf(longest) === path)) {
			current = slashed;
			return "done";
		}
		if (!longest) return "declined";
		current = longest;
		return "again";
	}
	function find(level: readonly LocationNode[]): Result {
		let result = findStatic(level);
		let firm = false;
		if (result === "again") {
			const found = current as LocationNode;
			firm = found.test.kind === "prefix" && found.test.firm;
			result = find(found.children);
		}
		if (result === "ok" || result === "done") {
			if (result === "done") redirected = true;
			return result;
		}
		if (!firm) {
			for (const node of level) {
				if (node.test.kind !== "regex" || !matchesPattern(node.test.pattern, path)) continue;
				current = node;
				if (find(node.children) === "done") redirected = true;
				return "ok";
			}
		}
		return result;
	}
	find(nodes);
	return current && `${redirected ? "→ " : ""}${(current as LocationNode).origin.line}`;
}

function pathOf({ test }: LocationNode): string {
	return test.kind === "regex" ? "" : test.path;
}

const PATHS = [
	"/",
	"/a",
	"/a/",
	"/ab",
	"/a/b",
	"/a/b/",
	"/a/b/c",
	"/a/bc",
	"/A/b",
	"/b/a",
	"/b",
	"/c.x",
	"/a/c.x",
	"/a/b/c.X",
	"/a/b.x",
];

describe("the order of locations", () => {
	it("is exact, then expressions, then the longest prefix", () => {
		const nodes = tree("location / {}\nlocation /a {}\nlocation ~ x$ {}\nlocation = /a {}\nlocation /a/b {}\n");
		expect(PATHS.map((path) => byList(nodes, path))).toEqual(
			["1", "4", "2", "2", "5", "5", "5", "5", "1", "1", "1", "3", "3", "5", "3"].map(String),
		);
	});

	it("keeps expressions away from ^~, but not from what is longer inside it", () => {
		const nodes = tree("location ^~ /a/ {}\nlocation ~ x$ {}\nlocation /a/b {}\nlocation / {}\n");
		expect(byList(nodes, "/a/c.x")).toBe("1");
		expect(byList(nodes, "/a/b.x")).toBe("2");
		expect(byList(nodes, "/a/b/c")).toBe("3");
	});

	it("is that of nginx for any locations, nested ones too", () => {
		const path = fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/a/b/c");
		const regex = fc.constantFrom("x$", "^/a", "/b", "^/(a|b)/", "^/a/(b)|x$", "[.]X$", "^/a/b/c$");
		const body = fc.constantFrom("", "proxy_pass http://b;");
		const level = (depth: number, below: string): fc.Arbitrary<string> => {
			const inside = depth === 0 ? fc.constant("") : level(depth - 1, "");
			const one = fc.oneof(
				fc.tuple(fc.constantFrom("", "= ", "^~ "), path, body).chain(([modifier, at, pass]) => {
					const nested = modifier === "= " || depth === 0 ? fc.constant("") : level(depth - 1, at);
					return nested.map((text) => `location ${modifier}${at} { ${pass}\n${text} }\n`);
				}),
				fc
					.tuple(fc.constantFrom("~", "~*"), regex, body, inside)
					.map(([modifier, source, pass, text]) => `location ${modifier} ${source} { ${pass}\n${text} }\n`),
			);
			return fc.array(one, { maxLength: depth === 2 ? 5 : 2 }).map((list) => allowed(list, below).join(""));
		};
		fc.assert(
			fc.property(level(2, ""), fc.constantFrom(...PATHS), (text, at) => {
				const nodes = tree(text);
				expect(byList(nodes, at)).toBe(byNginx(nodes, at));
			}),
			{ numRuns: 2000 },
		);
	});
});

/** What nginx accepts: no location twice, and a nested prefix inside of the outer one. */
function allowed(list: readonly string[], below: string): string[] {
	const seen = new Set<string>();
	return list.filter((text) => {
		const [, modifier = "", path = ""] = /^location (= |\^~ |~\*? )?(\S+)/.exec(text) ?? [];
		const key = modifier.startsWith("~") ? text : `${modifier.replace("^~ ", "")}${path}`;
		if (seen.has(key)) return false;
		seen.add(key);
		return modifier.startsWith("~") || path.startsWith(below);
	});
}
