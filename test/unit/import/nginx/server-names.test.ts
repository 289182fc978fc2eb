import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Notes } from "../../../../src/import/nginx/notes.ts";
import { parse } from "../../../../src/import/nginx/parse.ts";
import type { Match } from "../../../../src/import/nginx/row.ts";
import { orderServers } from "../../../../src/import/nginx/server-names.ts";

interface Server {
	readonly id: number;
	readonly names: ReturnType<typeof parse>;
	readonly isDefault: boolean;
}

function servers(lists: readonly string[], fallback = 0): Server[] {
	return lists.map((names, id) => ({
		id,
		names: parse(names === "" ? "" : `server_name ${names};`, "f"),
		isDefault: id === fallback,
	}));
}

function byList(list: readonly Server[], host: string): number | undefined {
	return orderServers(list, new Notes()).find(({ match }) => matches(match, host))?.server.id;
}

function matches({ host, headers }: Match, name: string): boolean {
	const test = headers?.Host;
	if (typeof test === "object" && "regex" in test) return new RegExp(test.regex.replace("(?i)", ""), "i").test(name);
	return (
		host === undefined ||
		host.some((one) =>
			one.startsWith("*.") ? name.endsWith(one.slice(1)) && name.length > one.length - 1 : one === name,
		)
	);
}

/** The rules of the manual, for names without expressions. */
function byNginx(lists: readonly string[], host: string): number {
	const names = lists.flatMap((list, id) => list.split(" ").map((name) => ({ name, id })));
	const exact = names.find(({ name }) => name === host || name === `.${host}`);
	const longest = (found: { name: string; id: number }[]) => found.sort((a, b) => b.name.length - a.name.length)[0];
	const leading = names
		.filter(({ name }) => name.startsWith("*.") || name.startsWith("."))
		.map(({ name, id }) => ({ name: name.replace(/^\*/, ""), id }))
		.filter(({ name }) => host.endsWith(name) && host.length > name.length);
	const trailing = names.filter(
		({ name }) => name.endsWith(".*") && host.startsWith(name.slice(0, -1)) && host.length > name.length - 1,
	);
	return (exact ?? longest(leading) ?? longest(trailing))?.id ?? 0;
}

describe("the order of servers", () => {
	it("prefers exact names, then the longest wildcard, then expressions in the order of the file", () => {
		const list = servers(["_", "*.b.test", "~^x", "x.b.test ~^y", ".a.b.test", "mail.*", "~^mail"]);
		const found = ["z.test", "q.b.test", "x.test", "x.b.test", "a.b.test", "q.a.b.test", "mail.test", "mailx.test"];
		expect(found.map((host) => byList(list, host))).toEqual([0, 1, 2, 3, 4, 4, 5, 6]);
	});

	it("needs no names for the only server, nor for the default one", () => {
		expect(orderServers(servers(["a.test b.test"]), new Notes()).map(({ match }) => match)).toEqual([{}]);
		expect(orderServers(servers(["a.test", "b.test"]), new Notes()).map(({ match }) => match)).toEqual([
			{ host: ["b.test"] },
			{},
		]);
	});

	it("compares expressions with names that have capitals or a port", () => {
		const list = servers(["", "~^(?<user>[a-z]+)\\.apps\\.test$"]);
		expect(byList(list, "ann.apps.test:8080")).toBe(1);
		expect(byList(list, "Ann.Apps.test")).toBe(1);
		expect(byList(list, "ann.apps.test.evil")).toBe(0);
	});

	it("says which names it cannot carry over", () => {
		const notes = new Notes();
		orderServers(servers(["", "$hostname", "~^(a+)+$"]), notes);
		expect(notes.list().map(({ message }) => message.slice(0, 30))).toEqual([
			"a name with a variable is not ",
			"this pattern can take exponent",
		]);
	});

	it("is that of nginx for any names", () => {
		const name = fc.constantFrom(
			"a.test",
			"b.a.test",
			"*.a.test",
			".a.test",
			"*.test",
			".b.a.test",
			"a.*",
			"b.a.*",
			"c.test",
			"*.b.a.test",
		);
		const host = fc.constantFrom(
			"a.test",
			"b.a.test",
			"x.a.test",
			"x.b.a.test",
			"a.org",
			"b.a.org",
			"c.test",
			"x.test",
			"test",
			"d.org",
		);
		fc.assert(
			fc.property(
				fc.uniqueArray(name, { minLength: 1, maxLength: 7 }),
				fc.infiniteStream(fc.nat({ max: 3 })),
				host,
				(all, ids, at) => {
					// A name is in one server only, also as the name that .name stands for.
					const taken = new Set<string>();
					const lists = ["unused.org", "", "", ""];
					for (const one of all) {
						const meant = one.startsWith(".") ? [one.slice(1), `*${one}`] : [one];
						if (meant.some((text) => taken.has(text))) continue;
						for (const text of meant) taken.add(text);
						const id = ids.next().value as number;
						lists[id] = `${lists[id]} ${one}`.trim();
					}
					expect(byList(servers(lists), at)).toBe(byNginx(lists, at));
				},
			),
			{ numRuns: 1000 },
		);
	});
});
