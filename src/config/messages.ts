/** The words for what a schema does not accept. A schema's own message always comes first; these are for the rest. */
import type { z } from "zod";
import { didYouMean, nearest } from "./nearest.ts";

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

const KINDS: Record<string, string> = {
	string: "text",
	number: "a number",
	int: "a whole number",
	boolean: "true or false",
	array: "a list",
	object: "a map",
	record: "a map",
};

/** The message of a union without words of its own; issues.ts replaces it. */
export const UNION = "not one of the possible forms";

/** An error map for `safeParse`. The value itself is never quoted: it may be a secret. */
export function message(issue: RawIssue): string | undefined {
	switch (issue.code) {
		case "invalid_type":
			return `expected ${KINDS[issue.expected] ?? issue.expected}, got ${kindOf(issue.input)}${quoteHint(issue)}`;
		case "invalid_value": {
			const values = issue.values.map(String);
			const guess = typeof issue.input === "string" ? didYouMean(issue.input, values) : "";
			return `expected ${values.length === 1 ? "" : "one of "}${values.join(", ")}${guess}`;
		}
		case "invalid_union":
			return UNION;
		case "unrecognized_keys":
			return unknownKeys(issue.keys, issue.inst);
		case "too_small":
			return limit(issue.origin, issue.minimum, issue.inclusive ? "at least" : "more than");
		case "too_big":
			return limit(issue.origin, issue.maximum, issue.inclusive ? "at most" : "less than");
		default:
			return undefined;
	}
}

/** What a value is, in YAML's words. */
export function kindOf(value: unknown): string {
	if (value === undefined || value === null || value === "") return "nothing";
	if (Array.isArray(value)) return "a list";
	if (typeof value === "object") return value instanceof Date ? "a date" : "a map";
	if (typeof value === "boolean") return String(value);
	return typeof value === "number" ? "a number" : "text";
}

function quoteHint(issue: { expected: string; input?: unknown }): string {
	const { expected, input } = issue;
	const scalar = typeof input === "number" || typeof input === "boolean" || input instanceof Date;
	if (expected === "string" && scalar) return "; put quotes around it";
	// YAML 1.1 had more words for them, and many files are older than 1.2.
	if (expected === "boolean" && typeof input === "string" && /^(?:yes|no|on|off|true|false)$/i.test(input))
		return "; write true or false, without quotes";
	const numeric = typeof input === "string" && input !== "" && Number.isFinite(Number(input));
	return (expected === "number" || expected === "int") && numeric ? "; leave the quotes out" : "";
}

function limit(origin: string, bound: number | bigint, words: string): string {
	if (origin === "string") return bound === 1 ? "must not be empty" : `needs ${words} ${bound} characters`;
	if (origin === "array") return `needs ${words} ${bound} ${bound === 1 ? "entry" : "entries"}`;
	return `has to be ${words} ${bound}`;
}

/** One line for each unknown key, in order: zod has one issue for all of them. */
function unknownKeys(keys: readonly string[], schema: unknown): string {
	const known = keysOf(schema);
	return keys
		.map((key) => {
			const guess = nearest(key, known);
			if (guess !== undefined) return `unknown key ${JSON.stringify(key)}, did you mean ${JSON.stringify(guess)}?`;
			return `unknown key ${JSON.stringify(key)}; possible here: ${known.join(", ")}`;
		})
		.join("\n");
}

/** The key that an {@link unknownKeys} line suggests. */
export function suggestedKey(line: string): string | undefined {
	return /, did you mean "([^"]+)"\?$/.exec(line)?.[1];
}

function keysOf(schema: unknown): string[] {
	const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape;
	return Object.keys(shape ?? {});
}
