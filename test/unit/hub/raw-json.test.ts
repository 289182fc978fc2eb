import fc from "fast-check";
import { expect, test } from "vitest";
import { rawMembers } from "../../../src/hub/raw-json.ts";

test("a member's text is passed on byte for byte", () => {
	const members = rawMembers(
		' { "a" : 12345678901234567890 , "b\\u0022":[1, {"}":"]"}] ,"c": "x\\\\", "d":{ "e" : null }}',
	);
	expect([...members]).toEqual([
		["a", "12345678901234567890"],
		['b"', '[1, {"}":"]"}]'],
		["c", '"x\\\\"'],
		["d", '{ "e" : null }'],
	]);
	expect([...rawMembers("{}")]).toEqual([]);
	expect([...rawMembers('{"a":1,"a":2}')]).toEqual([["a", "2"]]);
});

test("the members' texts mean what the object means", () => {
	fc.assert(
		fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, "\t"), (object, space) => {
			const text = JSON.stringify(object, null, space);
			const members = [...rawMembers(text)].map(([name, raw]) => [name, JSON.parse(raw)]);
			expect(members).toEqual(Object.entries(JSON.parse(text)));
		}),
		{ numRuns: 500 },
	);
});
