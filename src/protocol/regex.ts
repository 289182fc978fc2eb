/** Patterns that operators write: checked once so that no client can make them slow, compiled once. */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { patternCost } from "./regex-cost.ts";
import { PatternError } from "./regex-syntax.ts";

/** A pattern whose time can grow with the square of the text is only given texts up to this length, in characters. */
export const MAX_QUADRATIC_LENGTH = 2048;

/** A checked pattern, ready to run. */
export interface CompiledPattern {
	readonly regex: RegExp;
	/**
	 * Whether the pattern is found in the text; `what` names the text in the error.
	 * @throws GatewayError BAD_REQUEST when the text is too long for it. "Does not match" would be the wrong answer:
	 * padding a path would then be a way around the route.
	 */
	test(text: string, what: string): boolean;
}

/**
 * Compiles a pattern that {@link patternProblem} found fine.
 * @throws SyntaxError or PatternError for any other
 */
export function compilePattern(source: string): CompiledPattern {
	const { body, flags } = splitFlags(source);
	const regex = new RegExp(body, flags);
	if (patternCost(body, flags) === "linear") return { regex, test: (text) => regex.test(text) };
	return {
		regex,
		test(text, what) {
			if (text.length <= MAX_QUADRATIC_LENGTH) return regex.test(text);
			const limit = `longer than ${MAX_QUADRATIC_LENGTH} characters, too long to be compared with a route's pattern`;
			throw new GatewayError("BAD_REQUEST", `${what} is ${limit}`, { hint: `${what} is too long` });
		},
	};
}

/** What is wrong with a pattern, in words for the operator; undefined when it is fine. */
export function patternProblem(source: string): string | undefined {
	const { body, flags } = splitFlags(source);
	try {
		new RegExp(body, flags);
		patternCost(body, flags);
		return undefined;
	} catch (error) {
		if (error instanceof PatternError) return error.message;
		return `not a valid pattern: ${error instanceof Error ? error.message : String(error)}`;
	}
}

/** How many groups `$1`, `$2` … can stand for. */
export function groupCount(source: string): number {
	const { body, flags } = splitFlags(source);
	try {
		return (new RegExp(`${body}|`, flags).exec("")?.length ?? 1) - 1;
	} catch {
		// Not a valid pattern: that is reported where the pattern itself is checked.
		return 99;
	}
}

/** `(?i)` at the start, as nginx's `~*` and RE2 users know it, becomes the flag. */
function splitFlags(source: string): { body: string; flags: string } {
	return source.startsWith("(?i)") ? { body: source.slice(4), flags: "i" } : { body: source, flags: "" };
}

/** A pattern option; the value stays text for {@link compilePattern}. */
export const pattern = z
	.string()
	.superRefine((source, context) => {
		const problem = patternProblem(source);
		if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: source });
	})
	.meta({ description: "a regular expression; (?i) at its start ignores case" });
