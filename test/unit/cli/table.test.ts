import { describe, expect, it } from "vitest";
import { age, bytes, counted, printable, table } from "../../../src/cli/table.ts";

const io = { stdout: () => {}, stderr: () => {}, env: {}, cwd: "/" };

describe("table", () => {
	it("aligns columns, numbers at the right, and leaves out columns without content", () => {
		const rows = [
			{ name: "a", count: 5, remark: "" },
			{ name: "longer", count: 1000, remark: "" },
		];
		const text = table(
			rows,
			[
				{ title: "NAME", value: ({ name }) => name },
				{ title: "REMARK", value: ({ remark }) => remark },
				{ title: "N", value: ({ count }) => String(count), right: true },
			],
			io,
		);
		expect(text).toBe("NAME       N\na          5\nlonger  1000\n");
	});

	it("has no spaces at the ends of lines", () => {
		const text = table(
			[
				{ a: "x", b: "" },
				{ a: "y", b: "long" },
			],
			[
				{ title: "A", value: ({ a }) => a },
				{ title: "B", value: ({ b }) => b },
			],
			io,
		);
		expect(text).toBe("A  B\nx\ny  long\n");
	});
});

describe("words for numbers", () => {
	it("ages in two units", () => {
		expect([0, 59_999, 60_000, 3_599_000, 3_600_000, 86_399_000, 90_000_000].map(age)).toEqual([
			...["0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d01h"],
		]);
	});

	it("bytes in powers of 1024", () => {
		expect([0, 1023, 1024, 1536, 10_240, 1024 ** 2, 5 * 1024 ** 4, 1024 ** 6].map(bytes)).toEqual([
			...["0", "1023", "1.0K", "1.5K", "10K", "1.0M", "5.0T", "1048576T"],
		]);
		expect([counted(1, "connection"), counted(0, "connection")]).toEqual(["1 connection", "0 connections"]);
	});
});

it("what a client chose cannot move the cursor, colour or break a line", () => {
	expect(printable("a\u001b[31m\n\u009b2J\u202e\u2028\u2029é|")).toBe("a?[31m??2J???é|");
});
