/** nginx's regular expressions (PCRE) as Clawgate's, and combinations of several into one. */
import { patternProblem } from "../../protocol/regex.ts";
import { translatePcre } from "./pcre.ts";
import type { Subject } from "./pcre-atoms.ts";
import { literalStart } from "./pcre-start.ts";

/** A pattern: the source without flags, and whether case is ignored. */
export interface Pattern {
	readonly source: string;
	readonly ignoreCase: boolean;
}

/** What can be done with a pattern, or why nothing can; `wider` then matches all that it matches, and perhaps more. */
export type Translated =
	| { readonly pattern: Pattern; readonly problem?: undefined }
	| { readonly pattern?: undefined; readonly problem: string; readonly wider: Pattern };

/** Translates what the two dialects spell differently, and asks Clawgate whether it takes the rest. */
export function translatePattern(source: string, ignoreCase: boolean, subject: Subject): Translated {
	const { problem: unknown, ...pattern } = translatePcre(source, ignoreCase, subject);
	const problem = patternProblem(patternText(pattern));
	if (problem !== undefined) {
		return { problem: unknown ?? problem, wider: { source: literalStart(source), ignoreCase: pattern.ignoreCase } };
	}
	return unknown === undefined ? { pattern } : { problem: unknown, wider: pattern };
}

/**
 * Whether a text that is known now matches; undefined when that cannot be said.
 * @param source an nginx pattern
 */
export function matchesKnown(source: string, ignoreCase: boolean, text: string): boolean | undefined {
	const { pattern } = translatePattern(source, ignoreCase, "text");
	return pattern && matchesPattern(pattern, text);
}

/** As it stands in routes.yaml. */
export function patternText({ source, ignoreCase }: Pattern): string {
	return ignoreCase ? `(?i)${source}` : source;
}

/** Whether a text matches. */
export function matchesPattern({ source, ignoreCase }: Pattern, text: string): boolean {
	return new RegExp(source, ignoreCase ? "i" : "").test(text);
}

/** A text as a pattern that matches it. */
export function escapePattern(text: string): string {
	return text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

/**
 * Both: a pattern that starts where the text starts, looks ahead for each of `conditions` (sources that are compared from
 * the start and have no groups that count), and then matches `pattern`, whose groups keep their numbers.
 */
export function withConditions(conditions: readonly string[], pattern: Pattern): Pattern {
	if (conditions.length === 0) return pattern;
	const source = pattern.ignoreCase ? foldCase(pattern.source) : pattern.source;
	return { source: `^${conditions.join("")}${fromStart(source)}`, ignoreCase: false };
}

/** A condition for {@link withConditions}: the text has to match, or must not. */
export function condition(pattern: Pattern, negative = false): string {
	const source = withoutGroups(pattern.ignoreCase ? foldCase(pattern.source) : pattern.source);
	return `(?${negative ? "!" : "="}${fromStart(source)})`;
}

/** A source that is compared from the start of the text, without `^` where that is possible. */
function fromStart(source: string): string {
	if (hasChoice(source)) return `.*?(?:${source})`;
	return source.startsWith("^") ? source.slice(1) : `.*?${source}`;
}

/** The source with something else in the place of each `$`. */
export function withEnd(source: string, end: string): string {
	return parts(source)
		.map((part) => (part === "$" ? end : part))
		.join("");
}

/** Whether there is a `|` outside of groups and classes. */
export function hasChoice(source: string): boolean {
	let depth = 0;
	for (const part of parts(source)) {
		if (part.startsWith("(")) depth++;
		else if (part === ")") depth--;
		else if (part === "|" && depth === 0) return true;
	}
	return false;
}

/** Whether everything that a group (a number or name) takes starts with a slash. */
export function groupHasSlash({ source }: Pattern, group: string): boolean {
	const pieces = parts(source);
	let count = 0;
	for (const [index, piece] of pieces.entries()) {
		const name = /^\(\?<(\w+)>$/.exec(piece)?.[1];
		if (piece !== "(" && name === undefined) continue;
		count++;
		if (name !== group && String(count) !== group) continue;
		let depth = 1;
		let end = index + 1;
		for (; end < pieces.length && depth > 0; end++) {
			if (pieces[end]?.startsWith("(")) depth++;
			else if (pieces[end] === ")") depth--;
		}
		const inside = pieces.slice(index + 1, end - 1);
		const optional = /^[?*{]/.test(pieces[end] ?? "") || /^[?*{]/.test(inside[1] ?? "");
		return inside[0] === "/" && !optional && !hasChoice(inside.join(""));
	}
	return false;
}

/** The pieces that matter here: escapes, classes, openings of groups, single characters. */
export function parts(source: string): string[] {
	return source.match(/\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\((?:\?(?:[:=!]|<[A-Za-z_]\w*>))?|[\s\S]/g) ?? [];
}

/** The same with groups that do not count. */
function withoutGroups(source: string): string {
	return parts(source)
		.map((part) => (part === "(" || part.startsWith("(?<") ? "(?:" : part))
		.join("");
}

/** The same without regard to case, spelled out. */
export function foldCase(source: string): string {
	return parts(source)
		.map((part) => {
			if (/^[A-Za-z]$/.test(part)) return `[${part.toLowerCase()}${part.toUpperCase()}]`;
			if (!part.startsWith("[") || part.length === 1) return part;
			return part.replace(/\\[\s\S]|[a-z](?:-[a-z])?|[A-Z](?:-[A-Z])?/g, (piece) =>
				piece.startsWith("\\") ? piece : [...new Set([piece.toLowerCase(), piece.toUpperCase()])].join(""),
			);
		})
		.join("");
}

/** A pattern that stands for the whole text: what is before and after its match is taken in. */
export function wholeText({ source, ignoreCase }: Pattern): Pattern {
	const choice = hasChoice(source);
	const body = choice ? `(?:${source})` : source;
	const start = choice || !source.startsWith("^") ? `^.*?${choice ? body : source}` : source;
	const closed = !choice && (/(?:^|[^\\])(?:\\\\)*\$$/.test(source) || /\.\*\)?$/.test(source));
	return { source: closed ? start : `${start}.*`, ignoreCase };
}
