import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claimText } from "../../../src/policy/jwt-claims.ts";
import { claimAt } from "../../../src/protocol/claims.ts";

describe("claimAt", () => {
	it("takes a claim by its whole name first, then by a path, and only what the token itself has", () => {
		const claims = { "https://id.example/role": "a", realm: { access: { roles: ["x"] } }, "realm.access": 1 };
		expect(claimAt(claims, "https://id.example/role")).toBe("a");
		expect(claimAt(claims, "realm.access.roles")).toEqual(["x"]);
		expect(claimAt(claims, "realm.access")).toBe(1);
		expect(claimAt(claims, "realm.none.roles")).toBeUndefined();
		expect(claimAt(claims, "toString")).toBeUndefined();
		expect(claimAt(claims, "realm.constructor.name")).toBeUndefined();
		expect(claimAt({ realm: "text" }, "realm.length")).toBeUndefined();
	});
});

describe("claimText", () => {
	it.each([
		["ada", "ada"],
		[36, "36"],
		[true, "true"],
		[["a", "b"], '["a","b"]'],
		[{ a: 1 }, '{"a":1}'],
		["é", "Ã©"],
		[null, undefined],
		[undefined, undefined],
		["", undefined],
		[" a", undefined],
		["a\r\nb", undefined],
		["a\0", undefined],
		["a\u007f", undefined],
		["\ud800", undefined],
	])("of %j is %j", (value, text) => {
		expect(claimText(value)).toBe(text);
	});

	it("is one line of a header whatever the claim holds", () => {
		fc.assert(
			fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()), (value) => {
				const text = claimText(value);
				if (text !== undefined) expect(text).toMatch(/^[\t\x20-\x7e\x80-\xff]+$/);
			}),
		);
	});
});
