import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fmix32, fnv1a, hash32, rendezvousScore } from "../../../src/upstreams/hash.ts";

describe("fnv1a", () => {
	it("gives the published values of the 32-bit FNV-1a test vectors", () => {
		expect(fnv1a("")).toBe(0x811c9dc5);
		expect(fnv1a("a")).toBe(0xe40c292c);
		expect(fnv1a("foobar")).toBe(0xbf9cf968);
	});

	it("tells apart texts that differ only in the upper byte of a code unit", () => {
		expect(fnv1a("\u0141")).not.toBe(fnv1a("\u0241"));
	});
});

describe("fmix32", () => {
	it("gives MurmurHash3's values", () => {
		expect(fmix32(0)).toBe(0);
		expect(fmix32(1)).toBe(0x514e28b7);
		expect(fmix32(0xffffffff)).toBe(0x81f16f39);
	});

	it("gives an unsigned number and never the same one for two inputs", () => {
		fc.assert(
			fc.property(fc.integer(), fc.integer(), (a, b) => {
				expect(fmix32(a)).toBeGreaterThanOrEqual(0);
				expect(fmix32(a) === fmix32(b)).toBe(a === b);
			}),
		);
	});
});

describe("rendezvousScore", () => {
	it("is positive and finite for every hash and grows with the weight", () => {
		fc.assert(
			fc.property(fc.integer(), fc.integer(), fc.integer({ min: 1, max: 1000 }), (key, endpoint, weight) => {
				const score = rendezvousScore(key, endpoint, weight);
				expect(score).toBeGreaterThan(0);
				expect(Number.isFinite(score)).toBe(true);
				expect(rendezvousScore(key, endpoint, weight + 1)).toBeGreaterThan(score);
			}),
		);
		expect(Number.isFinite(rendezvousScore(7, 7, 1))).toBe(true);
	});

	it.each([
		["client addresses", (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`],
		["room names", (i: number) => `room-${i}`],
	])("gives ten equal endpoints shares within 2 % of each other's for %s", (_name, key) => {
		const endpoints = Array.from({ length: 10 }, (_, i) => hash32(`10.0.0.${i + 1}:8080`));
		const shares = new Array<number>(10).fill(0);
		const keys = 200_000;
		for (let i = 0; i < keys; i++) {
			const hash = hash32(key(i));
			const scores = endpoints.map((endpoint) => rendezvousScore(hash, endpoint, 1));
			const winner = scores.indexOf(Math.max(...scores));
			shares[winner] = (shares[winner] ?? 0) + 1;
		}
		for (const share of shares) {
			expect(share / (keys / 10)).toBeGreaterThan(0.98);
			expect(share / (keys / 10)).toBeLessThan(1.02);
		}
	});
});
