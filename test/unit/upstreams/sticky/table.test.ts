import { describe, expect, it } from "vitest";
import { StickyTable } from "../../../../src/upstreams/sticky/table.ts";

const HOUR = 3_600_000;

describe("StickyTable", () => {
	it("forgets a session an hour after its last use", () => {
		let now = 1;
		const table = new StickyTable({ now: () => now });
		table.learn("s", "a:1");
		now += HOUR - 1;
		expect(table.get("s")).toBe("a:1");
		now += HOUR - 1;
		expect(table.get("s")).toBe("a:1");
		now += HOUR + 1;
		expect(table.get("s")).toBe(undefined);
	});

	it("holds a hundred thousand sessions and no more; the longest unused one goes first", () => {
		const table = new StickyTable({ now: () => 1 });
		for (let i = 0; i < 100_000; i++) table.learn(`s${i}`, "a:1");
		table.get("s0");
		table.learn("one more", "b:1");
		expect(table.size).toBe(100_000);
		expect(table.get("s0")).toBe("a:1");
		expect(table.get("s1")).toBe(undefined);
		expect(table.get("one more")).toBe("b:1");
	});
});
