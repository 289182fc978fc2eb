import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import {
	compilePattern,
	groupCount,
	MAX_QUADRATIC_LENGTH,
	pattern,
	patternProblem,
} from "../../../src/protocol/regex.ts";
import { processorTime } from "../../harness/clock.ts";

const LINEAR = [
	"^/rooms/\\d+$",
	"^/rooms/[^/]+/users/[^/]+$",
	"^(?:/[^/]+)+$",
	"^/api/v[0-9]+(?:\\.[0-9]+)?/",
	"/socket\\.io/.*",
	"^/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
	"^/(?!admin)",
	"^/(?!admin)[a-z]+$",
	"\\.php(.*)",
	"^(?:(?!foo).)*$",
	"^/(?<room>[a-z]+)(?:/|$)",
	"^/(?:\\d{1,3}\\.){3}\\d{1,3}$",
	"^/a{2,}b$",
	"^[\\]/]+$",
	"^/{x}$",
	"(?i)^/ADMIN/[a-z]+$",
	"",
	"^/(?:a|b|cd)*$",
	"^(?:/[a-z]+(?:-[a-z]+)*)+$",
];

const QUADRATIC = ["\\d+$", "^/a/.*/b/.*$", "foo.*bar", "^/(.*)/(.*)$", "^.*\\.(?:js|css)\\?.*$"];

const EXPONENTIAL = [
	"^(a+)+$",
	"^(a*)*$",
	"^(?:a|a)*$",
	"^(?:a|ab|b)*$",
	"^([a-zA-Z0-9])(([.-]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+$",
	"^(.*)*$",
	"^(?:.*,)+x$",
	"^(\\w+\\s?)*$",
	"^(?:x(?:a*|b*))*$",
	"^(?:a|aa){1,20}$",
	"^(?:a?){30}a{30}$",
	"^(?:/\\w*\\w*)+$",
	"^(?:[\\u4e00-\\u9fff]+)+$",
	"(?i)^(?:a|A)*$",
	"^(?=(?:a+)+$)a",
];

describe("patternProblem", () => {
	it.each([...LINEAR, ...QUADRATIC])("takes %s", (source) => {
		expect(patternProblem(source)).toBeUndefined();
	});

	it.each(EXPONENTIAL)("refuses %s: one request could stop the gateway (ReDoS)", (source) => {
		expect(patternProblem(source)).toMatch(/same text|can be empty/);
	});

	it.each(["^.*.*.*$", "^/\\w*\\w*\\w*!$", "\\d*\\d*x"])("refuses %s: cubic time", (source) => {
		expect(patternProblem(source)).toMatch(/3 repeats in a row that can read the same text/);
	});

	it.each([
		["(", /not a valid pattern/],
		["[a", /not a valid pattern/],
		["^/(a)\\1$", /backreferences/],
		["^/(?<x>a)\\k<x>$", /backreferences/],
		["(?<=a)b", /not possible/],
		["(?<!a)b", /not possible/],
		["^(?:[a-z]{60}-){4}(?:[a-z]{60}-){4}$", /too large/],
	])("refuses %s and says why", (source, message) => {
		expect(patternProblem(source)).toMatch(message);
	});

	it("is quick, also for patterns that it refuses", () => {
		const sources = [
			...LINEAR,
			...QUADRATIC,
			...EXPONENTIAL,
			`^${"(?:a|b)*".repeat(120)}$`,
			`^(?:${"[a-z]-?".repeat(100)})*$`,
		];
		expect(processorTime(() => sources.forEach(patternProblem))).toBeLessThan(5_000);
	});

	it("is what the schema reports", () => {
		expect(pattern.safeParse("^(a+)+$").error?.issues[0]?.message).toContain("exponential");
	});
});

describe("compilePattern", () => {
	it("runs every accepted pattern on hostile texts in bounded time", () => {
		const hostile = ["a", "1", "/", "/a", "/a.", "foo", "/a/", "a-", "0,", "\\d", "{x}", "ab", "."].map(
			(piece) => `/${piece.repeat(16_384 / piece.length)}`,
		);
		for (const source of [...LINEAR, ...QUADRATIC]) {
			const compiled = compilePattern(source);
			const took = processorTime(() => {
				for (const text of hostile) {
					try {
						compiled.test(`${text}\n!`, "path");
					} catch (error) {
						expect(error).toBeInstanceOf(GatewayError);
						compiled.test(`${text.slice(0, MAX_QUADRATIC_LENGTH - 1)}!`, "path");
					}
				}
			});
			expect(took, source).toBeLessThan(1_000);
		}
	});

	it("refuses a text that is too long for a quadratic pattern instead of calling it no match", () => {
		const compiled = compilePattern("foo.*bar");
		expect(compiled.test(`${"x".repeat(MAX_QUADRATIC_LENGTH - 6)}foobar`, "path")).toBe(true);
		const tooLong = `${"x".repeat(MAX_QUADRATIC_LENGTH)}foobar`;
		expect(() => compiled.test(tooLong, "header X-Room")).toThrow(
			expect.objectContaining({ code: "BAD_REQUEST", hint: "header X-Room is too long" }),
		);
		expect(compilePattern("^/rooms/\\d+$").test(`/rooms/${"1".repeat(10_000)}`, "path")).toBe(true);
	});

	it("ignores case after (?i)", () => {
		expect(compilePattern("(?i)^/Rooms$").test("/rOOMS", "path")).toBe(true);
		expect(compilePattern("^/Rooms$").test("/rooms", "path")).toBe(false);
	});
});

describe("groupCount", () => {
	it.each([
		["a", 0],
		["(a)(?:b)(c)", 2],
		["(?<n>a)|(b)", 2],
		["(?i)(a)", 1],
	])("of %s is %i", (source, count) => {
		expect(groupCount(source)).toBe(count);
	});
});
