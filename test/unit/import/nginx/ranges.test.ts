import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AccessRule, accessLists } from "../../../../src/import/nginx/ranges.ts";
import { AddressRanges, cidr } from "../../../../src/options.ts";

const allow = (range: string): AccessRule => ({ allow: true, range });
const deny = (range: string): AccessRule => ({ allow: false, range });

function letsIn({ allow: yes, deny: no }: { allow?: string[]; deny?: string[] }, address: string): boolean {
	expect([...(yes ?? []), ...(no ?? [])].filter((range) => !cidr.safeParse(range).success)).toEqual([]);
	if (no && new AddressRanges(no).has(address)) return false;
	return yes === undefined || new AddressRanges(yes).has(address);
}

describe("allow and deny", () => {
	it("are taken over as they are where the order makes no difference", () => {
		expect(accessLists([allow("10.0.0.0/8"), allow("::1"), deny("all")])).toEqual({ allow: ["10.0.0.0/8", "::1"] });
		expect(accessLists([deny("10.0.0.1"), allow("10.0.0.0/8"), deny("all")])).toEqual({
			allow: ["10.0.0.0/8"],
			deny: ["10.0.0.1"],
		});
		expect(accessLists([deny("10.0.0.1")])).toEqual({ deny: ["10.0.0.1"] });
		expect(accessLists([deny("all")])).toEqual({ deny: ["0.0.0.0/0", "::/0"] });
		expect(accessLists([allow("all"), deny("10.0.0.1")])).toEqual({});
	});

	it("are computed where an earlier allow is inside a later deny", () => {
		expect(accessLists([allow("10.0.0.0/31"), deny("10.0.0.0/30")])).toEqual({ deny: ["10.0.0.2/31"] });
		expect(accessLists([allow("fd00::1"), deny("fd00::/126"), allow("fd00::/120"), deny("all")]).allow).toContain(
			"fd00::1",
		);
	});

	it("let in the same addresses as nginx's first matching rule", () => {
		const rule = fc.record({
			allow: fc.boolean(),
			range: fc.oneof(
				fc
					.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 26, max: 32 }))
					.map(([last, bits]) => `10.0.0.${last}/${bits}`),
				fc
					.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 122, max: 128 }))
					.map(([last, bits]) => `fd00::${last.toString(16)}/${bits}`),
				fc.constantFrom("all", "::/0", "0.0.0.0/0", "::/64"),
			),
		});
		const address = fc.oneof(
			fc.integer({ min: 0, max: 40 }).map((last) => `10.0.0.${last}`),
			fc.integer({ min: 0, max: 40 }).map((last) => `fd00::${last.toString(16)}`),
		);
		fc.assert(
			fc.property(fc.array(rule, { maxLength: 6 }), address, (rules, client) => {
				const first = rules.find(
					({ range }) =>
						range === "all" || (range.includes(":") === client.includes(":") && new AddressRanges([range]).has(client)),
				);
				expect(letsIn(accessLists(rules), client)).toBe(first?.allow ?? true);
			}),
			{ numRuns: 2000 },
		);
	});
});
