import { describe, expect, it } from "vitest";
import { Revocations } from "../../../src/policy/revocations.ts";

const names = (sub?: string, jti?: string) => ({ sub, jti, expiresAt: Number.POSITIVE_INFINITY });

describe("Revocations", () => {
	it("refuse a subject or a token until the time that was named", () => {
		let now = 0;
		const revocations = new Revocations(() => now);
		revocations.add({ sub: "ada" }, 1_000);
		revocations.add({ jti: "7" }, 2_000);
		expect(revocations.has(names("ada", "1"))).toBe(true);
		expect(revocations.has(names("eve", "7"))).toBe(true);
		expect(revocations.has(names("7", "ada"))).toBe(false);
		expect(revocations.has(names())).toBe(false);
		expect([...revocations.list()]).toEqual([
			{ sub: "ada", until: 1_000 },
			{ jti: "7", until: 2_000 },
		]);
		now = 1_000;
		expect([...revocations.list()]).toEqual([{ jti: "7", until: 2_000 }]);
		expect(revocations.has(names("ada"))).toBe(false);
		expect(revocations.has(names("eve", "7"))).toBe(true);
		expect(revocations.remove({ jti: "7" })).toBe(true);
		expect(revocations.has(names("eve", "7"))).toBe(false);
	});

	it("are never shortened by a second one", () => {
		let now = 0;
		const revocations = new Revocations(() => now);
		revocations.add({ sub: "ada" }, 2_000);
		revocations.add({ sub: "ada" }, 1_000);
		now = 1_500;
		expect(revocations.has(names("ada"))).toBe(true);
	});

	it("are bounded: what is over makes room, otherwise a further one is refused and none is dropped", () => {
		let now = 0;
		const revocations = new Revocations(() => now, 3);
		for (const sub of ["a", "b", "c"]) revocations.add({ sub }, sub === "a" ? 10 : 1_000);
		expect(() => revocations.add({ sub: "d" }, 1_000)).toThrow(RangeError);
		revocations.add({ sub: "c" }, 1_000);
		now = 10;
		revocations.add({ sub: "d" }, 1_000);
		expect(["a", "b", "c", "d"].map((sub) => revocations.has(names(sub)))).toEqual([false, true, true, true]);
		expect(revocations.size).toBe(3);
	});
});
