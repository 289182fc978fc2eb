import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseYaml } from "../../../../src/config/parse.ts";
import { writeYaml } from "../../../../src/import/nginx/write.ts";

const NO_COMMENTS = { head: "", at: new Map<string, string>() };

describe("writeYaml", () => {
	it("puts comments before sections, keys and entries", () => {
		const at = new Map([
			["routes", "In order."],
			["routes.1", "f:2"],
			["upstreams.a", "f:1"],
		]);
		const data = { upstreams: { a: { endpoints: ["ws://a"] } }, routes: [{ name: "x" }, { name: "z" }] };
		expect(writeYaml(data, { head: "Made.", at })).toBe(`# Made.

upstreams:
  # f:1
  a:
    endpoints: [ ws://a ]

# In order.
routes:
  - name: x

  # f:2
  - name: z
`);
	});

	it("writes what the gateway reads back, whatever the texts are", () => {
		const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("$", ..."{}[]'\"\\#:,-&*!|>%@? ayn0.~") }));
		const value = fc.dictionary(
			fc.stringMatching(/^[a-z_]{1,6}$/).filter((key) => key !== "__proto__"),
			fc.oneof(
				text,
				fc.array(text, { minLength: 1, maxLength: 3 }),
				fc.dictionary(fc.stringMatching(/^[A-Z][a-z-]{0,5}$/), text, { minKeys: 1 }),
			),
			{ minKeys: 1 },
		);
		fc.assert(
			fc.property(fc.record({ routes: fc.array(value, { minLength: 1, maxLength: 3 }) }), (data) => {
				const { data: read, problems } = parseYaml(writeYaml(data, NO_COMMENTS), "f", {});
				expect(problems).toEqual([]);
				expect(read).toEqual(JSON.parse(JSON.stringify(data)));
			}),
			{ numRuns: 500 },
		);
	});
});
