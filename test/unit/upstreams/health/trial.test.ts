import { describe, expect, it } from "vitest";
import { badAnswer, type ProbeAnswer, ProbeTrial } from "../../../../src/upstreams/health/trial.ts";

/** What each answer counts as; `a+ b4` is a good one of a, then a 4xx of b. `5` another status, `-` none at all. */
function trial(all: string, answers: string): string {
	const kinds: Record<string, ProbeAnswer> = { "+": "good", "4": "refused", "5": "other", "-": "none" };
	const probes = new ProbeTrial();
	return answers
		.split(" ")
		.map(([endpoint = "", kind = ""]) => probes.take(endpoint, kinds[kind] as ProbeAnswer, all) ?? "?")
		.join(" ");
}

describe("a health check whose probes are refused", () => {
	it.each([
		["a", "a4 a4", "alive alive"],
		["ab", "a4 b4 a4", "? alive alive"],
		["ab", "a4 b- a4 b- b4", "? failed alive failed alive"],
		["a", "a- a4 a- a4", "failed alive failed alive"],
	])("is mistaken when all of %s that answer refuse it: %s", (all, answers, counted) => {
		expect(trial(all, answers)).toBe(counted);
	});

	it.each([
		["a", "a+ a4", "good failed"],
		["ab", "a4 b+ a4", "? good failed"],
		["ab", "b5 a4", "failed failed"],
		["ab", "a4 b4 a+ b4", "? alive good failed"],
		["a", "a5 a-", "failed failed"],
	])("is right about %s once a probe has succeeded, or when one answers otherwise: %s", (all, answers, counted) => {
		expect(trial(all, answers)).toBe(counted);
	});

	it("stays mistaken when one endpoint fails in another way: the others did not change", () => {
		expect(trial("ab", "a4 b4 b5 a4")).toBe("? alive failed alive");
	});

	it("does not wait for endpoints that are gone", () => {
		const probes = new ProbeTrial();
		expect(probes.take("a", "refused", ["a", "b"])).toBeUndefined();
		expect(probes.take("a", "refused", ["a"])).toBe("alive");
		expect(probes.mistaken).toBe(true);
	});

	it("is refused by 4xx only", () => {
		expect([undefined, 200, 302, 399, 400, 499, 500].map(badAnswer)).toEqual([
			"none",
			"other",
			"other",
			"other",
			"refused",
			"refused",
			"other",
		]);
	});
});
