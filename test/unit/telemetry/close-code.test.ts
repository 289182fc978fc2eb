import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closeCodeLabel } from "../../../src/telemetry/close-code.ts";

const REGISTERED = [
	1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 3000, 3003, 3008,
];

describe("the label of a close code", () => {
	it.each(REGISTERED)("is the number of the registered code %d", (code) => {
		expect(closeCodeLabel(code)).toBe(String(code));
	});

	it.each([
		[3001, "other_3xxx"],
		[3999, "other_3xxx"],
		[4000, "other_4xxx"],
		[4401, "other_4xxx"],
		[4999, "other_4xxx"],
		[0, "other"],
		[999, "other"],
		[1004, "other"],
		[1016, "other"],
		[2999, "other"],
		[5000, "other"],
		[65_535, "other"],
	])("folds %d into %s", (code, label) => {
		expect(closeCodeLabel(code)).toBe(label);
	});

	it("is one of 21 values, whatever a peer sends", () => {
		const labels = new Set([...REGISTERED.map(String), "other_3xxx", "other_4xxx", "other"]);
		fc.assert(fc.property(fc.integer({ min: 0, max: 65_535 }), (code) => labels.has(closeCodeLabel(code))));
	});
});
