import { expect, it } from "vitest";
import { closeReason, finiteTimer, isSendableCloseCode, nameText, span, timer } from "../../../src/config/values.ts";

it("lets exactly the close codes through that a Close frame may carry", () => {
	const sendable = [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
	for (let code = 0; code < 6000; code++) {
		expect(isSendableCloseCode(code), String(code)).toBe(sendable.includes(code) || (code >= 3000 && code <= 4999));
	}
});

it("measures a close reason in bytes", () => {
	expect(closeReason.safeParse("é".repeat(61)).success).toBe(true);
	expect(closeReason.safeParse("a".repeat(123)).success).toBe(true);
	expect(closeReason.safeParse("é".repeat(62)).success).toBe(false);
});

it("knows which times may be off, which may be 0, and how long is too long", () => {
	expect(timer.parse("off")).toBe(Number.POSITIVE_INFINITY);
	expect(timer.safeParse("0s").success).toBe(false);
	expect(finiteTimer.safeParse("off").success).toBe(false);
	expect(finiteTimer.safeParse(0).success).toBe(false);
	expect(span.parse("0s")).toBe(0);
	expect(span.safeParse("off").success).toBe(false);
	expect(timer.safeParse("596h").success).toBe(true);
	expect(timer.safeParse("597h").success).toBe(false);
});

it("refuses names that would spoil a log line", () => {
	for (const name of ["a", "my chat", "*.example.com", "ü"]) expect(nameText.safeParse(name).success, name).toBe(true);
	for (const name of ["", "a\nb", "a\u0000", "x".repeat(129)])
		expect(nameText.safeParse(name).success, name).toBe(false);
});
