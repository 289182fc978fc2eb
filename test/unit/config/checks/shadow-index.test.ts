import fc from "fast-check";
import { expect, test } from "vitest";
import { covers } from "../../../../src/config/checks/cover.ts";
import { ShadowIndex } from "../../../../src/config/checks/shadow-index.ts";

const host = fc.constantFrom("*", "a.test", "A.test.", "b.a.test", "*.a.test", "*.test", "c.b.a.test", "*.b.a.test");
const path = fc.constantFrom("/", "/a", "/a/", "/a/b", "/%61/b", "/ab", "/a/b/c", "/b");
const some = (value: fc.Arbitrary<string>) => fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }));
const match = fc.record(
	{
		host: some(host),
		path: some(path),
		path_prefix: some(path),
		path_regex: some(fc.constantFrom("^/a", "^/b$")),
		query: fc.constant({ v: "1" }),
	},
	{ requiredKeys: [] },
);

test("the first route that covers another is found as if every earlier one had been looked at", () => {
	fc.assert(
		fc.property(fc.array(match, { minLength: 2, maxLength: 12 }), (matches) => {
			const index = new ShadowIndex();
			for (const [place, later] of matches.entries()) {
				const found = index.candidates(later).find((candidate) => covers(matches[candidate], later));
				const expected = matches.slice(0, place).findIndex((earlier) => covers(earlier, later));
				expect(found).toBe(expected < 0 ? undefined : expected);
				index.add(later, place);
			}
		}),
		{ numRuns: 3_000 },
	);
});

test("of ten thousand routes only those with a fitting host and path are looked at", () => {
	const index = new ShadowIndex();
	let looked = 0;
	for (let i = 0; i < 10_000; i++) {
		const each = { host: `h${i % 100}.example.com`, path_prefix: `/tenants/${i}` };
		looked += index.candidates(each).length;
		index.add(each, i);
	}
	expect(looked).toBe(0);
	expect(index.candidates({ host: "h7.example.com", path: "/tenants/7/room" })).toEqual([7]);
});
