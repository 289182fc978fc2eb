import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import type { GatewayRequest } from "../../../src/protocol/request.ts";
import { compileMatch, matchOptions } from "../../../src/routing/match.ts";
import { RouteTable } from "../../../src/routing/table.ts";
import { requestFor } from "./request.ts";

type Match = z.input<typeof matchOptions>;

function tableOf(...matches: Match[]): RouteTable<number> {
	return RouteTable.build(matches.map((match, target) => ({ match: matchOptions.parse(match), target })));
}

describe("RouteTable", () => {
	it("gives the first match in file order, whatever index it is found by", () => {
		const everything: Match[] = [
			{ path: "/a/b" },
			{ path_prefix: "/a" },
			{ path_regex: "^/a/" },
			{ path_regex: "b$" },
			{ host: "chat.example.com" },
			{ host: "*.example.com", path: "/a/b" },
			{ host: "*.com", path_prefix: "/a/b" },
			{ host: "*", path_prefix: "/" },
			{},
		];
		const request = requestFor({ target: "/a/b" });
		for (let start = 0; start < everything.length; start++) {
			const rotated = [{ path: "/other" }, ...everything.slice(start), ...everything.slice(0, start)];
			expect(tableOf(...rotated).find(request)).toBe(1);
		}
	});

	it("prefers the earlier of an exact host and a wildcard, not the more special one", () => {
		const request = requestFor({ authority: "chat.example.com" });
		expect(tableOf({ host: "*.example.com" }, { host: "chat.example.com" }).find(request)).toBe(0);
		expect(tableOf({ host: "chat.example.com" }, { host: "*.example.com" }).find(request)).toBe(0);
	});

	it("gives undefined when nothing matches", () => {
		expect(tableOf().find(requestFor())).toBeUndefined();
		expect(tableOf({ path: "/a" }, { host: "b.example" }).find(requestFor())).toBeUndefined();
	});

	it("takes an entry without a match for everything", () => {
		expect(RouteTable.build([{ target: "all" }]).find(requestFor())).toBe("all");
	});

	it("asks the other conditions of a candidate and goes on when they fail", () => {
		const table = tableOf({ path: "/ws", subprotocol: "v2" }, { path: "/ws", headers: { A: "1" } }, { path: "/ws" });
		expect(table.find(requestFor({ target: "/ws", subprotocols: ["v2"] }))).toBe(0);
		expect(table.find(requestFor({ target: "/ws", rawHeaders: ["a", "1"] }))).toBe(1);
		expect(table.find(requestFor({ target: "/ws" }))).toBe(2);
	});

	it("answers one request after another from the same table", () => {
		const table = tableOf({ path: "/a" }, { path_prefix: "/b" }, { path_regex: "c" });
		for (let round = 0; round < 3; round++) {
			expect(table.find(requestFor({ target: "/c" }))).toBe(2);
			expect(table.find(requestFor({ target: "/b/x" }))).toBe(1);
			expect(table.find(requestFor({ target: "/a" }))).toBe(0);
			expect(table.find(requestFor({ target: "/z" }))).toBeUndefined();
		}
	});

	it("stays usable after a request that was too long for a pattern", () => {
		const table = tableOf({ path: "/first" }, { path_regex: "/a/.*/b" }, {});
		expect(() => table.find(requestFor({ target: `/${"x".repeat(3000)}` }))).toThrow("longer than 2048");
		expect(table.find(requestFor({ target: "/first" }))).toBe(0);
		expect(table.find(requestFor({ target: "/x" }))).toBe(2);
	});

	it("explains each entry up to the one that matches", () => {
		const table = tableOf({ host: "a.example" }, { path_prefix: "/b" }, {}, { path: "/never" });
		expect(table.explain(requestFor({ target: "/ws" }))).toEqual([
			{ target: 0, reason: "host is not a.example" },
			{ target: 1, reason: "path is not below /b" },
			{ target: 2, reason: undefined },
		]);
		expect(tableOf({ path: "/b" }).explain(requestFor())).toEqual([{ target: 0, reason: "path is not /b" }]);
	});

	describe("against a scan of all entries", () => {
		const segment = fc.constantFrom("a", "b", "ab", "%61", "%40", "");
		const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
		const name = fc
			.array(fc.constantFrom("a", "b", "example"), { minLength: 1, maxLength: 4 })
			.map((labels) => labels.join("."));
		const hostPattern = fc.oneof(
			name,
			name.map((below) => `*.${below}`),
			fc.constant("*"),
		);
		const regex = fc.constantFrom(
			"^/a/b",
			"^/a/?b",
			"^/a*",
			"a$",
			"^/a\\/b",
			"^/a/|b",
			"(?i)^/A/",
			"^/a/b/(?:a|b)",
			"^/a+/",
			"^/ab/\\w",
		);
		const some = <T>(item: fc.Arbitrary<T>) => fc.oneof(item, fc.array(item, { minLength: 1, maxLength: 3 }));
		const pathKeys = fc.oneof(
			fc.constant({}),
			some(path).map((value) => ({ path: value })),
			some(path).map((value) => ({ path_prefix: value })),
			some(regex).map((value) => ({ path_regex: value })),
		);
		const hostKeys = fc.oneof(
			fc.constant({}),
			some(hostPattern).map((value) => ({ host: value })),
		);
		const otherKeys = fc.oneof(
			{ weight: 3, arbitrary: fc.constant({}) },
			{ weight: 1, arbitrary: fc.constant({ subprotocol: "chat" }) },
		);
		const match = fc.tuple(hostKeys, pathKeys, otherKeys).map((parts): Match => Object.assign({}, ...parts));
		const request = fc
			.tuple(path, name, fc.boolean())
			.map(
				([target, authority, chat]): GatewayRequest =>
					requestFor({ target, authority, subprotocols: chat ? ["chat"] : [] }),
			);

		it("finds the same entry", () => {
			fc.assert(
				fc.property(
					fc.array(match, { maxLength: 20 }),
					fc.array(request, { minLength: 1, maxLength: 10 }),
					(list, asked) => {
						const configs = list.map((item) => matchOptions.parse(item));
						const table = RouteTable.build(configs.map((config, target) => ({ match: config, target })));
						const compiled = configs.map(compileMatch);
						for (const one of asked) {
							const expected = compiled.findIndex((candidate) => candidate.matches(one));
							expect(table.find(one)).toBe(expected < 0 ? undefined : expected);
							const explanations = table.explain(one);
							expect(explanations.at(-1)?.reason === undefined ? explanations.length - 1 : -1).toBe(
								list.length === 0 ? -1 : expected,
							);
						}
					},
				),
				{ numRuns: 1000 },
			);
		});
	});

	it("refuses a path that other servers would read as one for another entry, and takes it where all of them agree", () => {
		const table = tableOf({ path_prefix: "/admin" }, { path_prefix: "/" });
		for (const target of ["/admin;/x", "/admin%2fx", "/%2fadmin", "/admin./x"]) {
			expect(() => table.find(requestFor({ target }))).toThrow(/some servers read this path as/);
		}
		expect(table.find(requestFor({ target: "/admin/x;v=1/a%2fb" }))).toBe(0);
		expect(table.find(requestFor({ target: "/x;v=1/a%2fb./c" }))).toBe(1);
	});

	it("asks only a handful of ten thousand entries", () => {
		const hosts = Array.from(
			{ length: 10_000 },
			(_, i): Match => ({ host: `t${i}.example.com`, path_prefix: `/ws/${i}` }),
		);
		const paths = Array.from({ length: 10_000 }, (_, i): Match => ({ path_prefix: `/api/v1/room${i}` }));
		const patterns = Array.from({ length: 10_000 }, (_, i): Match => ({ path_regex: `^/r${i}/\\d+$` }));
		for (const [list, facts] of [
			[hosts, { authority: "t9999.example.com", target: "/ws/9999/x" }],
			[paths, { target: "/api/v1/room9999/x" }],
			[patterns, { target: "/r9999/1" }],
		] as const) {
			let asked = 0;
			const request = requestFor(facts);
			// Every condition on the path reads matchPath once; collecting the candidates reads it once more.
			const counted = new Proxy(request, {
				get(target, key) {
					if (key === "matchPath") asked++;
					return Reflect.get(target, key);
				},
			});
			expect(tableOf(...list).find(counted)).toBe(9999);
			expect(asked).toBeLessThan(5);
		}
	});
});
