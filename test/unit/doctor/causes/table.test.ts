import { describe, expect, it } from "vitest";
import { CAUSES, causesOf, type StepId } from "../../../../src/doctor/causes/index.ts";

const steps = Object.keys(CAUSES) as StepId[];
const all = steps.flatMap((step) => causesOf(step).map((cause) => ({ step, ...cause })));

describe("the table of causes", () => {
	it("has one entry for each id; what several steps can see is the same entry in each", () => {
		const byId = new Map<string, unknown>();
		for (const { step: _, ...cause } of all) {
			const other = byId.get(cause.id);
			if (other !== undefined) expect(cause).toEqual(other);
			byId.set(cause.id, cause);
		}
		expect(byId.size).toBeGreaterThan(70);
	});

	it("says for each how it is recognised, what is wrong and what to do", () => {
		for (const { id, sign, wrong, advice } of all) {
			expect(id).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)+$|^[a-z]+$/);
			expect(sign.length, id).toBeGreaterThan(2);
			expect(sign, id).not.toMatch(/\.$/);
			expect(wrong, id).toMatch(/^[A-Z].*\.$/);
			expect(advice.length, id).toBeGreaterThan(0);
			for (const line of advice) expect(line, id).toMatch(/^[A-Z`"-].*[.?)]$/);
		}
	});
});
