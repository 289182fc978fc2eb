/** Takes out of the rows what makes no difference. */
import { isDeepStrictEqual } from "node:util";
import { covers } from "../../config/checks/cover.ts";
import { ShadowIndex } from "../../config/checks/shadow-index.ts";
import { hasChoice } from "./patterns.ts";
import type { Match, Row } from "./row.ts";

/** Fewer rows for the same decisions. */
export function tidy(rows: readonly Row[]): Row[] {
	return withoutNeedlessRefusals(withoutRepetitions(joinSlashes(withoutShadowed(rows))));
}

/** Rows that can never match. */
function withoutShadowed(rows: readonly Row[]): Row[] {
	const kept: Row[] = [];
	const index = new ShadowIndex();
	for (const row of rows) {
		const shadowed = index.candidates(row.match).some((place) => covers((kept[place] as Row).match, row.match));
		if (shadowed) continue;
		index.add(row.match, kept.length);
		kept.push(row);
	}
	return kept;
}

/** `location = /x` and `location /x/` with the same settings are one prefix of segments. */
function joinSlashes(rows: readonly Row[]): Row[] {
	const byPrefix = new Map<string | undefined, number[]>();
	for (const [index, { match }] of rows.entries()) {
		const places = byPrefix.get(match.path_prefix);
		if (places) places.push(index);
		else byPrefix.set(match.path_prefix, [index]);
	}
	return rows.filter((row, index) => {
		if (row.match.path === undefined || row.fields === undefined) return true;
		const { path, ...rest } = row.match;
		const other = byPrefix.get(path)?.find((at) => {
			const { path_prefix: _, ...match } = (rows[at] as Row).match;
			return at > index && isDeepStrictEqual(match, rest);
		});
		if (other === undefined || !isDeepStrictEqual(rows[other]?.fields, row.fields)) return true;
		const own = place(row.match);
		return rows.slice(index + 1, other).some(({ match }) => mayOverlap(place(match), own));
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
	const kept: Row[] = [];
	// From the end: what takes all that is left stands there, and is found at once.
	const later: Placed[] = [];
	for (const row of rows.toReversed()) {
		const placed = place(row.match);
		if (row.fields === undefined && !later.some((other) => mayOverlap(placed, other))) continue;
		if (row.fields !== undefined) later.push(placed);
		kept.push(row);
	}
	return kept.reverse();
}

/** A match with what {@link start} says of it. */
interface Placed {
	readonly match: Match;
	readonly start: { readonly text: string; readonly whole: boolean };
}

function place(match: Match): Placed {
	return { match, start: start(match) };
}

/** Whether there can be a request that both match; in doubt there can. */
function mayOverlap(a: Placed, b: Placed): boolean {
	return hostsOverlap(a.match.host, b.match.host) && pathsOverlap(a, b);
}

function hostsOverlap(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
	if (a === undefined || b === undefined) return true;
	const inside = (name: string, wide: string) =>
		name === wide || (wide.startsWith("*.") && name.endsWith(wide.slice(1)));
	return a.some((one) => b.some((other) => inside(one, other) || inside(other, one)));
}

function pathsOverlap({ start: first }: Placed, { start: second }: Placed): boolean {
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
