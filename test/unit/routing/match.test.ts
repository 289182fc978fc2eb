import { describe, expect, it } from "vitest";
import { z } from "zod";
import { compileMatch, matchOptions } from "../../../src/routing/match.ts";
import { matcherOptions } from "../../../src/routing/matchers/index.ts";
import { type RequestFacts, requestFor } from "./request.ts";

function matches(match: z.input<typeof matchOptions>, facts: RequestFacts): boolean {
	const compiled = compileMatch(matchOptions.parse(match));
	const request = requestFor(facts);
	const result = compiled.matches(request);
	expect(compiled.explain(request) === undefined).toBe(result);
	return result;
}

function explain(match: z.input<typeof matchOptions>, facts: RequestFacts): string | undefined {
	return compileMatch(matchOptions.parse(match)).explain(requestFor(facts));
}

function problems(match: unknown): string[] {
	const result = matchOptions.safeParse(match);
	return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

describe("host", () => {
	it.each([
		["chat.example.com", "chat.example.com", true],
		["chat.example.com", "CHAT.Example.com:8443", true],
		["Chat.Example.COM", "chat.example.com", true],
		["chat.example.com", "chat.example.com.", true],
		["chat.example.com.", "chat.example.com", true],
		["chat.example.com", "example.com", false],
		["chat.example.com", "chat.example.com.evil.example", false],
		["*.example.com", "a.example.com", true],
		["*.example.com", "a.b.example.com", true],
		["*.example.com", "example.com", false],
		["*.example.com", "evilexample.com", false],
		["*", "anything", true],
		["*", "", true],
		["[::1]", "[::1]:8080", true],
		[["a.example", "*.b.example"], "x.b.example", true],
		[["a.example", "*.b.example"], "b.example", false],
	])("%j and Host %s: %s", (host, authority, result) => {
		expect(matches({ host }, { authority })).toBe(result);
	});

	it.each(["", "a b", "chat.example.com:8080", "[::1]:80", "*.", "*x.example.com", "a.*.com", "**", "http://a", "a/b"])(
		"refuses %j in the config",
		(host) => {
			expect(problems({ host })[0]).toMatch(/^host: expected a host name without port/);
		},
	);
});

describe("path", () => {
	it.each([
		["/ws", "/ws", true],
		["/ws", "/ws?x=1", true],
		["/ws", "/ws/", false],
		["/ws", "/ws/x", false],
		["/ws/", "/ws", false],
		["/caf%c3%a9", "/caf%C3%A9", true],
		["/%61", "/a", true],
		[["/a", "/b"], "/b", true],
		["/a/b", "/a%2Fb", true],
		["/@a", "/%40a", true],
	])("path %j and %s: %s", (path, target, result) => {
		expect(matches({ path }, { target })).toBe(result);
	});

	it.each([
		["/ws", "/ws", true],
		["/ws", "/ws/", true],
		["/ws", "/ws/x/y", true],
		["/ws", "/wsx", false],
		["/ws", "/w", false],
		["/ws", "/ws%2fx", true],
		["/ws", "/ws;v=1", false],
		["/ws/", "/ws", true],
		["/ws/", "/ws/x", true],
		["/", "/", true],
		["/", "/anything", true],
		[["/a", "/b/c"], "/b/c/d", true],
		[["/a", "/b/c"], "/b", false],
	])("path_prefix %j and %s: %s", (path_prefix, target, result) => {
		expect(matches({ path_prefix }, { target })).toBe(result);
	});

	it.each([
		["^/rooms/\\d+$", "/rooms/12", true],
		["^/rooms/\\d+$", "/rooms/12/x", false],
		["^/rooms/\\d+$", "//rooms/%31%32", true],
		["rooms", "/a/rooms/b", true],
		["(?i)^/Rooms$", "/rOOMS", true],
		[["^/a$", "^/b$"], "/b", true],
	])("path_regex %j and %s: %s", (path_regex, target, result) => {
		expect(matches({ path_regex }, { target })).toBe(result);
	});

	it.each(["/%61dmin/x", "//admin/x", "/admin//x", "/%61%64%6d%69%6E", "/admin/%78"])(
		"cannot be dodged by spelling /admin as %s",
		(target) => {
			expect(matches({ path_prefix: "/admin" }, { target })).toBe(true);
		},
	);

	it("refuses more than one path key, with the way out", () => {
		expect(problems({ path: "/a", path_prefix: "/b" })).toEqual([
			"path_prefix: path_prefix cannot stand next to path: write one of them, or two routes",
		]);
	});

	it.each([
		[{ path: "ws" }, "path: a path must start with /"],
		[{ path_prefix: "" }, "path_prefix: a path must start with /"],
		[{ path: ["/a", "b"] }, "path.1: a path must start with /"],
		[{ path: "/a?b=1" }, "path: a path has no query"],
		[{ path: "/café" }, "path: write this path percent-encoded: /caf%C3%A9"],
		[{ path: "/a b%20c" }, "path: write this path percent-encoded: /a%20b%20c"],
		[{ path_prefix: "/a/../b" }, "path_prefix: a path must not have dot segments"],
		[{ path_regex: "(" }, "path_regex: not a valid pattern"],
		[{ path: [] }, "path: "],
	])("refuses %j", (match, problem) => {
		expect(problems(match)[0]).toContain(problem);
	});

	it("refuses a path_regex that a client could make run for ever (ReDoS)", () => {
		expect(problems({ path_regex: ["^/ok$", "^/(a+)+$"] })[0]).toMatch(
			/^path_regex\.1: .*exponential time.*\[\^\/\]\+/,
		);
	});

	it("throws for a path that is too long for a quadratic pattern, so that padding cannot skip a route", () => {
		const compiled = compileMatch(matchOptions.parse({ path_regex: "/admin/.*/secret" }));
		const request = requestFor({ target: `/admin/${"x".repeat(3000)}/secret` });
		expect(() => compiled.matches(request)).toThrow(expect.objectContaining({ code: "BAD_REQUEST", status: 400 }));
		expect(compiled.explain(request)).toMatch(/^path is longer than 2048 characters/);
	});
});

describe("subprotocol", () => {
	it.each([
		["chat.v2", ["chat.v2"], true],
		["chat.v2", ["chat.v1", "chat.v2"], true],
		["chat.v2", ["chat.v1"], false],
		["chat.v2", ["Chat.V2"], false],
		["chat.v2", [], false],
		[["chat.v2", "graphql-transport-ws"], ["graphql-transport-ws"], true],
	])("%j and %j offered: %s", (subprotocol, subprotocols, result) => {
		expect(matches({ subprotocol }, { subprotocols })).toBe(result);
	});

	it("refuses what is not a token", () => {
		expect(problems({ subprotocol: "a, b" })[0]).toMatch(/^subprotocol: expected a subprotocol token/);
	});
});

describe("headers", () => {
	it.each([
		[{ "X-Tenant": "acme" }, ["x-tenant", "acme"], true],
		[{ "x-tenant": "acme" }, ["X-TENANT", "acme"], true],
		[{ "X-Tenant": "acme" }, ["X-Tenant", "Acme"], false],
		[{ "X-Tenant": "acme" }, [], false],
		[{ "X-Tenant": "acme" }, ["X-Tenant", "other", "X-Tenant", "acme"], true],
		[{ "X-Tenant": "acme" }, ["X-Tenant", "other, acme"], false],
		[{ "X-Tenant": { regex: "^a" } }, ["X-Tenant", "b", "X-Tenant", "acme"], true],
		[{ "X-Tenant": { regex: "^a" } }, ["X-Tenant", "b"], false],
		[{ "X-Tenant": { regex: "" } }, [], false],
		[{ "X-Tenant": { present: true } }, ["X-Tenant", ""], true],
		[{ "X-Tenant": { present: true } }, [], false],
		[{ "X-Tenant": { present: false } }, [], true],
		[{ "X-Tenant": { present: false } }, ["x-tenant", ""], false],
		[{ A: "1", B: "2" }, ["a", "1", "b", "2"], true],
		[{ A: "1", B: "2" }, ["a", "1"], false],
		[{ constructor: { present: true } }, [], false],
	])("%j and %j: %s", (headers, rawHeaders, result) => {
		expect(matches({ headers } as z.input<typeof matchOptions>, { rawHeaders })).toBe(result);
	});
});

describe("query", () => {
	it.each([
		[{ v: "2" }, "/?v=2", true],
		[{ v: "2" }, "/?v=1", false],
		[{ v: "2" }, "/?v=1&v=2", true],
		[{ v: "2" }, "/", false],
		[{ v: "" }, "/?v", true],
		[{ "a b": "c d" }, "/?a+b=c%20d", true],
		[{ v: { regex: "^\\d+$" } }, "/?v=12", true],
		[{ v: { regex: "^\\d+$" } }, "/?v=x", false],
		[{ v: { present: true } }, "/?v=", true],
		[{ v: { present: false } }, "/?w=1", true],
		[{ v: { present: false } }, "/?v", false],
		[{ v: "%" }, "/?v=%", true],
	])("%j and %s: %s", (query, target, result) => {
		expect(matches({ query } as z.input<typeof matchOptions>, { target })).toBe(result);
	});

	it("asks for text where YAML gave a number", () => {
		expect(problems({ query: { v: 2 } })).toEqual(['query.v: the value is text: write "2"']);
	});

	it.each([{ v: {} }, { v: { regex: "a", present: true } }])("refuses %j", (query) => {
		expect(problems({ query })[0]).toBe("query.v: write either { regex: '...' } or { present: true }");
	});

	it("reports a bad pattern where it stands", () => {
		expect(problems({ headers: { "X-A": { regex: "(" } } })[0]).toMatch(/^headers\.X-A\.regex: not a valid pattern/);
	});
});

describe("client_ip", () => {
	it.each([
		["10.0.0.0/8", "10.1.2.3", true],
		["10.0.0.0/8", "11.1.2.3", false],
		["10.0.0.1", "10.0.0.1", true],
		["fd00::/8", "fd12::1", true],
		["fd00::/8", "10.0.0.1", false],
		[["10.0.0.0/8", "::1"], "::1", true],
		["0.0.0.0/0", "", false],
	])("%j and %s: %s", (client_ip, clientIp, result) => {
		expect(matches({ client_ip }, { clientIp })).toBe(result);
	});

	it("refuses what is not a range", () => {
		expect(problems({ client_ip: "10.0.0.0/33" })[0]).toMatch(/^client_ip: expected an address or a range/);
	});
});

describe("match", () => {
	it("matches everything when it is missing or empty", () => {
		expect(compileMatch().matches(requestFor())).toBe(true);
		expect(matches({}, { target: "/any?thing", authority: "any.where" })).toBe(true);
	});

	it("needs all keys", () => {
		const match = { host: "a.example", path_prefix: "/ws", subprotocol: "chat", query: { v: "2" } };
		const facts = { authority: "a.example", target: "/ws/1?v=2", subprotocols: ["chat"] };
		expect(matches(match, facts)).toBe(true);
		expect(matches(match, { ...facts, authority: "b.example" })).toBe(false);
		expect(matches(match, { ...facts, target: "/wsx?v=2" })).toBe(false);
		expect(matches(match, { ...facts, subprotocols: [] })).toBe(false);
		expect(matches(match, { ...facts, target: "/ws/1?v=3" })).toBe(false);
	});

	it("refuses an unknown key", () => {
		expect(problems({ hosts: "a" })[0]).toContain("hosts");
	});

	it("describes every key, also in its JSON Schema", () => {
		const schema = z.toJSONSchema(matchOptions, { io: "input" });
		for (const key of Object.keys(matcherOptions)) {
			expect(schema.properties?.[key], key).toMatchObject({ description: expect.stringMatching(/\S/) });
		}
		expect(schema.required ?? []).toEqual([]);
	});

	it.each([
		[{ host: ["a.example", "*.b.example"] }, {}, "host is not one of a.example, *.b.example"],
		[{ host: "a.example" }, {}, "host is not a.example"],
		[{ path: ["/a", "/b"] }, {}, "path is not /a or /b"],
		[{ path_prefix: "/a/" }, {}, "path is not below /a"],
		[{ path_regex: "^/a$" }, {}, "path does not match the pattern ^/a$"],
		[{ subprotocol: "chat" }, {}, "the client does not offer the subprotocol chat"],
		[{ client_ip: "10.0.0.0/8" }, {}, "client address is not in 10.0.0.0/8"],
		[{ headers: { "X-A": { present: true } } }, {}, "header X-A is missing"],
		[{ headers: { "X-A": { present: false } } }, { rawHeaders: ["x-a", "1"] }, "header X-A must not be there"],
		[{ query: { v: { regex: "^1" } } }, { target: "/?v=2" }, "query parameter v does not match the pattern ^1"],
		[{ host: "a.example", path: "/a" }, { target: "/b" }, "host is not a.example"],
	])("explains %j", (match, facts, reason) => {
		expect(explain(match, facts)).toBe(reason);
	});

	it("names neither the expected nor the sent value of a header or parameter: they may be secrets", () => {
		const facts = { target: "/?k=sent-secret", rawHeaders: ["X-Key", "sent-secret"] };
		for (const match of [{ headers: { "X-Key": "expected-secret" } }, { query: { k: "expected-secret" } }]) {
			expect(explain(match, facts)).toMatch(/does not have the value/);
			expect(explain(match, facts)).not.toContain("secret");
		}
	});
});
