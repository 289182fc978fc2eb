import { describe, expect, it } from "vitest";
import { covers } from "../../../../src/config/checks/cover.ts";
import { BEFORE_ROUTES, problemLines } from "../problem-lines.ts";

describe("a match takes everything another could", () => {
	it.each([
		["no condition", {}, { path: "/a", host: "x" }],
		["no condition twice", {}, {}],
		["the same", { path: "/a" }, { path: "/a" }],
		["a prefix by segments", { path_prefix: "/a" }, { path_prefix: "/a/b" }],
		["a prefix with a slash at its end", { path_prefix: "/a/" }, { path: "/a" }],
		["a prefix over a path", { path_prefix: "/a" }, { path: ["/a", "/a/x"] }],
		["the root over a pattern", { path_prefix: "/" }, { path_regex: "^/x" }],
		["the root over no path", { path_prefix: "/" }, { host: "a" }],
		["the same pattern", { path_regex: "^/x" }, { path_regex: "^/x", host: "a" }],
		["a wildcard over a name", { host: "*.a.com" }, { host: "x.A.com" }],
		["a wildcard over a narrower one", { host: ["*.a.com", "b.com"] }, { host: ["*.x.a.com", "b.com"] }],
		["any host", { host: "*" }, {}],
		["more subprotocols", { subprotocol: ["a", "b"] }, { subprotocol: "a" }],
		["a wider range", { client_ip: "10.0.0.0/8" }, { client_ip: ["10.1.0.0/16", "10.1.1.1"] }],
		["a header's presence", { headers: { "X-A": { present: true } } }, { headers: { "x-a": "1" } }],
		["the same header", { headers: { a: "1" } }, { headers: { a: "1", b: "2" } }],
	])("%s", (_, earlier, later) => {
		expect(covers(earlier, later)).toBe(true);
	});

	it.each([
		["a condition over none", { path: "/a" }, {}],
		["a prefix within a segment", { path_prefix: "/a" }, { path_prefix: "/ab" }],
		["a path over a prefix", { path: "/a" }, { path_prefix: "/a" }],
		["a prefix over a pattern", { path_prefix: "/a" }, { path_regex: "^/a/x$" }],
		["a prefix over some of the paths", { path_prefix: "/a" }, { path: ["/a", "/b"] }],
		["a wildcard over its own parent", { host: "*.a.com" }, { host: "a.com" }],
		["a name over a wildcard", { host: "x.a.com" }, { host: "*.a.com" }],
		["some hosts over any", { host: ["a", "b"] }, {}],
		["a subprotocol called * over none", { subprotocol: "*" }, {}],
		["a narrower range", { client_ip: "10.1.0.0/16" }, { client_ip: "10.0.0.0/8" }],
		["a range of the other family", { client_ip: "0.0.0.0/0" }, { client_ip: "::/0" }],
		["a value over a presence", { headers: { a: "1" } }, { headers: { a: { present: true } } }],
		["a presence over an absence", { query: { a: { present: true } } }, { query: { a: { present: false } } }],
		["a query's other spelling", { query: { a: { present: true } } }, { query: { A: "1" } }],
		["a key nobody knows", { later: 1 }, { later: 1 }],
		["one condition more", { path: "/a", host: "x" }, { path: "/a" }],
	])("not %s", (_, earlier, later) => {
		expect(covers(earlier, later)).toBe(false);
	});
});

it("a route that can never match is a warning at that route", () => {
	const text = `${BEFORE_ROUTES}routes:
  - { name: all, match: { path_prefix: / }, upstream: chat }
  - { name: never, match: { path: /a }, upstream: chat }
`;
	expect(problemLines(text)).toEqual([
		"5:5: routes[1]: warning: can never match: routes[0] (all) comes first and takes everything it could; put this route before it",
	]);
});
