import { expect, it } from "vitest";
import { withDefaults } from "../../../src/config/defaults.ts";
import { BEFORE_ROUTES, configOf, problemLines } from "./problem-lines.ts";

const ROUTES = `routes:
  - match: { path: /a }
    upstream: chat
    timeouts: { idle: off }
    retries: { on: [503] }
    request_headers: { set: { X-B: own } }
  - match: { path: /b }
    upstream: chat
    ping: off
`;

const DEFAULTS = `defaults:
  timeouts: { idle: 10m, connect: 2s }
  retries: { attempts: 2, on: [502, 504] }
  request_headers: { set: { X-A: base, X-B: base } }
  ping: { interval: 30s }
`;

it("a route's own value wins key by key, and lists are replaced", () => {
	const [first, second] = configOf(BEFORE_ROUTES + DEFAULTS + ROUTES).routes;
	expect(first?.timeouts).toMatchObject({ idle: Number.POSITIVE_INFINITY, connect: 2_000, handshake: 10_000 });
	expect(first?.retries).toEqual({ attempts: 2, on: ["503"] });
	expect(first?.request_headers.set).toEqual({ "X-A": "base", "X-B": "own" });
	expect(first?.ping).toMatchObject({ interval: 30_000, timeout: 20_000 });
	expect(second?.timeouts).toMatchObject({ idle: 600_000, connect: 2_000 });
	expect(second?.retries).toEqual({ attempts: 2, on: ["502", "504"] });
	expect(second?.ping.sides).toEqual([]);
});

it("a mistake inside defaults is reported once, where it is", () => {
	const text = `${BEFORE_ROUTES}defaults: { timeouts: { idle: 7 } }\n${ROUTES}`;
	expect(problemLines(text)).toEqual(["3:31: defaults.timeouts.idle: a duration needs a unit: write 7s or 7ms"]);
});

it.each(["name: a", "match: { path: / }", "upstream: chat", "split: []"])("cannot hold %s", (key) => {
	const found = problemLines(`${BEFORE_ROUTES}defaults: { ${key} }\n${ROUTES}`);
	expect(found).toHaveLength(1);
	expect(found[0]).toMatch(/^3:13: defaults\.\w+: unknown key/);
});

it("what only the merge makes wrong is reported at the route", () => {
	const text = `${BEFORE_ROUTES}defaults: { rewrite: { strip_prefix: /x } }\nroutes:
  - match: { path_prefix: /x }
    upstream: chat
    rewrite: { path: /y }
`;
	expect(problemLines(text)).toEqual([
		"7:22: routes[0].rewrite.path: path cannot stand next to strip_prefix: write one of them",
	]);
});

it("merging leaves both sides as they were", () => {
	const defaults = { a: { b: 1 }, list: [1] };
	const route = { a: { c: 2 }, list: [2] };
	expect(withDefaults(defaults, route)).toEqual({ a: { b: 1, c: 2 }, list: [2] });
	expect(defaults).toEqual({ a: { b: 1 }, list: [1] });
	expect(route).toEqual({ a: { c: 2 }, list: [2] });
});
