/** What zod found wrong, as problems with positions. */
import type { z } from "zod";
import { kindOf, message, suggestedKey, UNION } from "./messages.ts";
import type { Source } from "./parse.ts";
import type { KeyPath, Problem } from "./problem.ts";

type Issue = z.core.$ZodIssue;

/** One mistake: where, what, and whether it is the key that is wrong. */
interface Mistake {
	readonly path: KeyPath;
	readonly message: string;
	readonly onKey: boolean;
	/** A judgement of the value's content, not of its type or form. */
	readonly content: boolean;
}

/** The checked value, or what is wrong with it; `at` is where `data` is in the file. */
export type Checked<T> =
	| { readonly value: T; readonly problems: [] }
	| { readonly value?: undefined; readonly problems: Problem[] };

/** Checks data against a schema. */
export function checkSchema<S extends z.ZodType>(
	schema: S,
	data: unknown,
	source: Source,
	at: KeyPath = [],
): Checked<z.output<S>> {
	const result = schema.safeParse(data, { error: message });
	if (result.success) return { value: result.data, problems: [] };
	const mistakes = withoutEchoes(result.error.issues.flatMap((issue) => mistakesOf(issue, [], data)));
	return {
		problems: mistakes.map((m) => source.problem([...at, ...m.path], m.message, { onKey: m.onKey })),
	};
}

function mistakesOf(issue: Issue, base: KeyPath, data: unknown): Mistake[] {
	const path = [...base, ...(issue.path as (string | number)[])];
	if (issue.code === "unrecognized_keys") {
		const lines = issue.message.split("\n");
		return issue.keys.map((key, index) => ({
			path: [...path, key],
			message: lines[index] ?? issue.message,
			onKey: true,
			content: false,
		}));
	}
	if (issue.code === "invalid_key") {
		return [{ path, message: issue.issues[0]?.message ?? issue.message, onKey: true, content: false }];
	}
	if (issue.code === "invalid_union") {
		const branch = intendedBranch(issue.errors);
		if (branch) return branch.flatMap((inner) => mistakesOf(inner, path, data));
	}
	const text = issue.code === "invalid_union" ? unionMessage(issue, valueAt(data, path)) : issue.message;
	const missing = issue.code !== "custom" && valueAt(data, path) === undefined;
	const words = missing ? `is missing: ${text.replace(/, got nothing$/, "")}` : text;
	return [{ path, message: words, onKey: false, content: issue.code === "custom" }];
}

/** The form of a union that the operator meant: the one whose type fits; undefined when that is not clear. */
function intendedBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
	const fitting = branches.filter((issues) => issues.length > 0 && !issues.some(isOtherType));
	const costs = fitting.map(
		(issues) => issues.length + issues.filter((issue) => issue.code === "unrecognized_keys").length,
	);
	const least = Math.min(...costs);
	return costs.filter((cost) => cost === least).length === 1 ? fitting[costs.indexOf(least)] : undefined;
}

function isOtherType(issue: Issue): boolean {
	if (issue.path.length > 0) return false;
	if (issue.code === "invalid_union") return intendedBranch(issue.errors) === undefined;
	return issue.code === "invalid_type" || issue.code === "invalid_value";
}

/** The union's own words, those of a union inside it, or a list of what would fit. */
function unionMessage(issue: z.core.$ZodIssueInvalidUnion, input: unknown): string {
	if (issue.message !== UNION) return issue.message;
	const inner = issue.errors.flat().filter((branch) => branch.path.length === 0);
	for (const branch of inner) {
		if (branch.code !== "invalid_union") continue;
		const words = unionMessage(branch, input);
		if (words !== UNION) return words;
	}
	const forms = inner.flatMap(
		(branch) => /^expected (?:one of )?(.*?)(?:, got .*|, did you mean .*)?$/.exec(branch.message)?.[1] ?? [],
	);
	return forms.length === 0 ? UNION : `expected ${[...new Set(forms)].join(" or ")}, got ${kindOf(input)}`;
}

/**
 * One slip, one problem: a mistyped key is not also a missing one, and what has the wrong form is not also judged by
 * its content.
 */
function withoutEchoes(mistakes: readonly Mistake[]): Mistake[] {
	const meant = new Set<string>();
	const malformed = new Set<string>();
	for (const { path, message, onKey, content } of mistakes) {
		const key = onKey ? suggestedKey(message) : undefined;
		if (key !== undefined) meant.add(JSON.stringify([...path.slice(0, -1), key]));
		if (!content) malformed.add(JSON.stringify(path));
	}
	return mistakes.filter(({ path, message, content }) => {
		const where = JSON.stringify(path);
		return !(message.startsWith("is missing") && meant.has(where)) && !(content && malformed.has(where));
	});
}

function valueAt(data: unknown, path: KeyPath): unknown {
	let value = data;
	for (const step of path) {
		if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
		value = (value as Record<string | number, unknown>)[step];
	}
	return value;
}
