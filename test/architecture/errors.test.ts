/** docs/errors.md tells every error of the table and no other, and every error can happen. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import { ROOT } from "../harness/child.ts";
import { sourceFiles } from "./source-tree.ts";

interface Row {
	readonly code: string;
	readonly status: number;
	readonly when: string;
	readonly what: string;
}

/** `| `CODE` | status | when | what to do |` */
const ROW = /^\| `([A-Z_]+)` \| (\d{3}) \| (.+?) \| (.+?) \|$/gm;

const text = readFileSync(join(ROOT, "docs/errors.md"), "utf8");
const rows: Row[] = [...text.matchAll(ROW)].map(([, code = "", status, when = "", what = ""]) => ({
	code,
	status: Number(status),
	when,
	what,
}));

test("every error of the table is documented once, with its status, and no other is", () => {
	const documented = rows.map(({ code, status }) => [code, status]).sort();
	const existing = Object.entries(ERRORS).map(([code, { status }]) => [code, status]);
	expect(documented).toEqual(existing.sort());
});

test("every row says when it happens and what the operator can do", () => {
	for (const { code, when, what } of rows) {
		expect([code, when.length > 20, what.length > 10]).toEqual([code, true, true]);
		expect([code, /\.$/.test(when), /[.?]$/.test(what)]).toEqual([code, true, true]);
	}
});

test("every line of a table is a row that was read", () => {
	const lines = text.split("\n").filter((line) => line.startsWith("| `"));
	expect(lines).toHaveLength(rows.length);
});

test("every error is raised somewhere", () => {
	const sources = sourceFiles().filter(({ path }) => path !== "errors.ts" && !path.startsWith("doctor/"));
	const raised = (code: string): boolean => sources.some(({ text: source }) => source.includes(`"${code}"`));
	expect(Object.keys(ERRORS).filter((code) => !raised(code))).toEqual([]);
});

test("links to other pages lead to files that exist", () => {
	for (const [, page] of text.matchAll(/\]\(([a-z-]+\.md)\)/g)) {
		expect(() => readFileSync(join(ROOT, "docs", page as string)), page).not.toThrow();
	}
});
