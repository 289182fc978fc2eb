/** Takes out of the rows what makes no difference. */
import { isDeepStrictEqual } from "node:util";
import { covers } from "../../config/checks/cover.ts";
import { hasChoice } from "./patterns.ts";
import type { Match, Row } from "./row.ts";

/** Fewer rows for the same decisions. */
export function tidy(rows: readonly Row[]): Row[] {
	return withoutNeedlessRefusals(withoutRepetitions(joinSlashes(withoutShadowed(rows))));
}

/** Rows that can never match. */
function withoutShadowed(rows: readonly Row[]): Row[] {
	const kept: Row[] = [];
	for (const row of rows) if (!kept.some((before) => covers(before.match, row.match))) kept.push(row);
	return kept;
}

/** `location = /x` and `location /x/` with the same settings are one prefix of segments. */
function joinSlashes(rows: readonly Row[]): Row[] {
	return rows.filter((row, index) => {
		if (row.match.path === undefined || row.fields === undefined) return true;
		const { path, ...rest } = row.match;
		const other = rows.findIndex(
			({ match: { path_prefix, ...match } }, at) =>
				at > index && path_prefix === path && isDeepStrictEqual(match, rest),
		);
		if (other < 0 || !isDeepStrictEqual(rows[other]?.fields, row.fields)) return true;
		return rows.slice(index + 1, other).some(({ match }) => mayOverlap(match, row.match));
	});
}

/** A row right before one that does the same for more requests. */
function withoutRepetitions(rows: readonly Row[]): Row[] {
	return rows.filter((row, index) => {
		const next = rows[index + 1];
		return next === undefined || !isDeepStrictEqual(row.fields, next.fields) || !covers(next.match, row.match);
	});
}

/** A refusal that no later route could overrule: without it the answer is 404. */
function withoutNeedlessRefusals(rows: readonly Row[]): Row[] {
	return rows.filter(
		(row, index) =>
			row.fields !== undefined ||
			rows.slice(index + 1).some((later) => later.fields !== undefined && mayOverlap(row.match, later.match)),
	);
}

/** Whether there can be a request that both match; in doubt there can. */
function mayOverlap(a: Match, b: Match): boolean {
	return hostsOverlap(a.host, b.host) && pathsOverlap(a, b);
}

function hostsOverlap(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
	if (a === undefined || b === undefined) return true;
	const inside = (name: string, wide: string) =>
		name === wide || (wide.startsWith("*.") && name.endsWith(wide.slice(1)));
	return a.some((one) => b.some((other) => inside(one, other) || inside(other, one)));
}

function pathsOverlap(a: Match, b: Match): boolean {
	const [first, second] = [start(a), start(b)];
	if (first.whole && second.whole) return first.text === second.text;
	if (first.whole) return first.text.startsWith(second.text);
	return second.whole
		? second.text.startsWith(first.text)
		: first.text.startsWith(second.text) || second.text.startsWith(first.text);
}

/** The text that every path of a row starts with, and whether that is all of it. */
function start({ path, path_prefix: prefix, path_regex: regex }: Match): { text: string; whole: boolean } {
	if (path !== undefined) return { text: path.toLowerCase(), whole: true };
	if (prefix !== undefined) return { text: prefix === "/" ? "" : prefix.toLowerCase(), whole: false };
	// Case is left out of it on both sides: rather an overlap too many.
	const source = regex?.replace(/^\(\?i\)/, "") ?? "";
	if (!source.startsWith("^") || hasChoice(source)) return { text: "", whole: false };
	const literal = /^\^((?:\\[^A-Za-z0-9]|[^\\^$.|?*+()[\]{}])*)(?![?*{])/.exec(source)?.[1] ?? "";
	return { text: literal.replace(/\\(.)/g, "$1").toLowerCase(), whole: false };
}
