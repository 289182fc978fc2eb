import { expect, it } from "vitest";
import { didYouMean, nearest } from "../../../src/config/nearest.ts";

const KEYS = ["upstream", "split", "match", "timeouts", "on"];

it.each([
	["upstrem", "upstream"],
	["upsrteam", "upstream"],
	["Match", "match"],
	["timeout", "timeouts"],
	["no", "on"],
])("takes %s for a slip of %s", (word, meant) => {
	expect(nearest(word, KEYS)).toBe(meant);
});

it("suggests nothing when no known word is close", () => {
	expect(nearest("workers", KEYS)).toBeUndefined();
	expect(didYouMean("workers", KEYS)).toBe("");
	expect(nearest("", KEYS)).toBeUndefined();
	expect(nearest("x".repeat(100_000), KEYS)).toBeUndefined();
});

it("prefers the closest of several", () => {
	expect(didYouMean("timeoutss", ["timeout", "timeouts"])).toBe(', did you mean "timeouts"?');
});
