import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseTarget } from "../../../src/protocol/target.ts";
import { compileRewrite, rewriteOptions } from "../../../src/routing/rewrite.ts";
import { requestFor } from "./request.ts";

type Rewrite = z.input<typeof rewriteOptions>;

function rewrite(config: Rewrite, target: string): string {
	return compileRewrite(rewriteOptions.parse(config)).target(requestFor({ target }));
}

function problems(config: unknown): string[] {
	const result = rewriteOptions.safeParse(config);
	return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

describe("without a rewrite", () => {
	it.each(["/", "/ws?a=1", "/ws?", "//evil/x", "/%61/b%2fc?d=%zz&e=//.."])(
		"%s is forwarded byte for byte",
		(target) => {
			expect(compileRewrite().target(requestFor({ target }))).toBe(target);
			expect(rewrite({}, target)).toBe(target);
		},
	);
});

describe("strip_prefix", () => {
	it.each([
		["/ws", "/ws/room", "/room"],
		["/ws", "/ws/room?a=1", "/room?a=1"],
		["/ws", "/ws", "/"],
		["/ws", "/ws?a", "/?a"],
		["/ws", "/ws/", "/"],
		["/ws/", "/ws/room", "/room"],
		["/ws", "/wsx/room", "/wsx/room"],
		["/ws", "/other", "/other"],
		["/ws", "/ws/a//b%2Fc/%7e", "/a//b%2Fc/%7e"],
		["/a/b", "/a/b/c", "/c"],
		["/", "/a", "/a"],
		["/ws", "/%77s/room%7e", "/room%7e"],
		["/ws", "//ws/room", "/room"],
		["/ws", "/w%73", "/"],
		["/a/b", "/a%2F/b%2f%2Fc%3fd", "/c%3fd"],
		["/ws", "/%77s%2f", "/"],
	])("%s from %s gives %s", (strip_prefix, target, result) => {
		expect(rewrite({ strip_prefix }, target)).toBe(result);
	});

	it.each(["/ws//evil/x", "/ws////evil/x", "//ws//evil/x", "/%77s//evil/x"])(
		"does not turn %s into a target that names another host",
		(target) => {
			expect(rewrite({ strip_prefix: "/ws" }, target)).toBe("/evil/x");
		},
	);

	it("always gives a valid target that starts with one slash where the prefix was cut", () => {
		const piece = fc.constantFrom("/", "//", "ws", "%77s", "x", ".", "%2f", "%2e", "..", ";");
		fc.assert(
			fc.property(fc.array(piece, { maxLength: 10 }), fc.option(fc.constantFrom("", "q=1", "?x")), (pieces, query) => {
				const target = `/${pieces.join("")}${query === null ? "" : `?${query}`}`;
				const parsed = parseTarget(target);
				if (!parsed) return;
				const result = rewrite({ strip_prefix: "/ws" }, target);
				expect(parseTarget(result)?.query).toBe(parsed.query);
				const stripped = parsed.matchPath === "/ws" || parsed.matchPath.startsWith("/ws/");
				if (stripped) expect(result).toMatch(/^\/(?!\/)/);
				else expect(result).toBe(target);
			}),
			{ numRuns: 2000 },
		);
	});
});

describe("path", () => {
	it.each([
		["/new", "/old/x", "/new"],
		["/new", "/old?a=1", "/new?a=1"],
		["/new?k=v", "/old?a=1", "/new?k=v&a=1"],
		["/new?k=v", "/old", "/new?k=v"],
		["/new?", "/old?a=1", "/new?a=1"],
		["/new?k=v", "/old?", "/new?k=v"],
	])("%s for %s gives %s", (path, target, result) => {
		expect(rewrite({ path }, target)).toBe(result);
	});
});

describe("path_regex and replacement", () => {
	it.each([
		["^/rooms/(\\d+)$", "/r/$1", "/rooms/12?a=1", "/r/12?a=1"],
		["^/rooms/(\\d+)$", "/r?id=$1", "/rooms/12?a=1", "/r?id=12&a=1"],
		["^/rooms/(\\d+)$", "/r?id=$1", "/rooms/12", "/r?id=12"],
		["^/rooms/(?<id>\\d+)$", "/r/$<id>", "/rooms/12", "/r/12"],
		["^/rooms/(\\d+)$", "/r/$1", "/other", "/other"],
		["^/ws(.*)$", "$1", "/ws/x", "/x"],
		["^/ws/(.*)$", "$1", "/ws/x", "/x"],
		["^/ws(.*)$", "$1", "/ws", "/"],
		["^/ws(.*)$", "$1", "/ws//evil/x", "/evil/x"],
		["^/ws/(.*)$", "$1", "/ws/http://evil/x", "/http://evil/x"],
		["v1", "v2", "/api/v1/x?v1", "/api/v2/x?v1"],
		["^/rooms/", "/r/", "/%72ooms/1", "/r/1"],
		["^/a$", "/$$1", "/a", "/$1"],
		["^/a$", "/x$&", "/a", "/x/a"],
		["(?i)^/A", "/b", "/a/c", "/b/c"],
	])("%s and %s for %s gives %s", (path_regex, replacement, target, result) => {
		expect(rewrite({ path_regex, replacement }, target)).toBe(result);
	});

	it("refuses a result that is not a valid target", () => {
		expect(() => rewrite({ path_regex: "^/x(.*)$", replacement: "/.$1" }, "/x./admin")).toThrow(
			expect.objectContaining({ code: "BAD_TARGET", status: 400 }),
		);
		expect(() => rewrite({ path_regex: "%2e", replacement: "%" }, "/a%2eb")).toThrow(
			expect.objectContaining({ code: "BAD_TARGET" }),
		);
	});

	it("refuses a path that is too long for a quadratic pattern", () => {
		expect(() => rewrite({ path_regex: "a.*b", replacement: "/" }, `/${"a".repeat(3000)}`)).toThrow("longer than 2048");
	});

	it("does not say what the client asked for in its error", () => {
		try {
			rewrite({ path_regex: "^/x(.*)$", replacement: "/.$1" }, "/x./private?token=1");
			expect.unreachable();
		} catch (error) {
			expect(String(error)).not.toMatch(/private|token/);
		}
	});
});

describe("host", () => {
	const hostOf = (config: Rewrite | undefined, authority: string) =>
		compileRewrite(config && rewriteOptions.parse(config)).host(requestFor({ authority }), "10.0.0.1:8080");

	it.each([
		[undefined, "Chat.Example.com:8443", "Chat.Example.com:8443"],
		[{}, "chat.example.com", "chat.example.com"],
		[{ host: "preserve" }, "chat.example.com", "chat.example.com"],
		[{ host: "preserve" }, "", "10.0.0.1:8080"],
		[{ host: "upstream" }, "chat.example.com", "10.0.0.1:8080"],
		[{ host: "internal.example:81" }, "chat.example.com", "internal.example:81"],
	] as const)("%j and the client's %j gives %s", (config, authority, result) => {
		expect(hostOf(config, authority)).toBe(result);
	});
});

describe("the schema", () => {
	it.each([
		[{ strip_prefix: "/a", path: "/b" }, "path: path cannot stand next to strip_prefix: write one of them"],
		[{ path_regex: "a" }, "path_regex: path_regex needs a replacement"],
		[{ replacement: "a" }, "replacement: replacement needs a path_regex"],
		[{ path_regex: "(a)", replacement: "$2" }, "replacement: $2 is not a group: path_regex has 1"],
		[{ path_regex: "(a)", replacement: "$0" }, "replacement: $0 is not a group; write $& for the whole match"],
		[{ path_regex: "a", replacement: "/b\r\nX: y" }, "replacement: a replacement has no spaces, control characters"],
		[{ path_regex: "a", replacement: "/b#c" }, "replacement: a replacement has no spaces, control characters"],
		[{ path_regex: "^(a+)+$", replacement: "/" }, "path_regex: this pattern can take exponential time"],
		[{ path_regex: "(", replacement: "/$1" }, "path_regex: not a valid pattern"],
		[{ strip_prefix: "ws" }, "strip_prefix: a path must start with /"],
		[{ path: "http://evil/" }, "path: expected a path that starts with /"],
		[{ path: "/a b" }, "path: expected a path that starts with /"],
		[{ host: "a\r\nX: y" }, "host: expected preserve, upstream or a host name"],
		[{ host: "http://a" }, "host: expected preserve, upstream or a host name"],
		[{ prefix: "/a" }, "prefix"],
	])("refuses %j", (config, problem) => {
		expect(problems(config)).toHaveLength(1);
		expect(problems(config)[0]).toContain(problem);
	});

	it("defaults to the client's Host and has a JSON Schema", () => {
		expect(rewriteOptions.parse({})).toEqual({ host: "preserve", location: false });
		expect(rewriteOptions.safeParse({ path: "/x", location: true }).success).toBe(false);
		expect(z.toJSONSchema(rewriteOptions, { io: "input" }).properties).toHaveProperty("strip_prefix.description");
	});
});
