/** How one header or query parameter is compared: a value, `{ regex }` or `{ present }`. */
import { z } from "zod";
import { compilePattern, pattern } from "../../protocol/regex.ts";

const test = z
	.strictObject({
		regex: pattern.optional().meta({ description: "a regular expression found in the value" }),
		present: z.boolean().optional().meta({ description: "true: has to be there; false: must not be there" }),
	})
	.refine((value) => (value.regex === undefined) !== (value.present === undefined), {
		error: "write either { regex: '...' } or { present: true }",
	});

/** One entry of `match.headers` or `match.query`. */
export const valueOptions = z
	.union([z.string(), test], {
		error: (issue) =>
			typeof issue.input === "number" || typeof issue.input === "boolean"
				? `the value is text: write "${issue.input}"`
				: "expected a value, { regex: '...' } or { present: true }",
	})
	.meta({ description: "a value, { regex: '...' } or { present: true }" });

/** An entry, compiled. */
export interface ValueTest {
	/**
	 * Whether one of the values fits; no values means that the field is absent.
	 * @throws GatewayError when a value is too long for the pattern
	 */
	test(values: readonly string[]): boolean;
	/** Goes after the field's name: "is missing". The expected value is not named: it may be a shared secret. */
	readonly reason: string;
}

/** Compiles an entry; `what` names the field in the error for a value that is too long. */
export function compileValue(config: z.output<typeof valueOptions>, what: string): ValueTest {
	if (typeof config === "string") {
		return {
			test: (values) => values.includes(config),
			reason: "does not have the value that the route asks for",
		};
	}
	if (config.regex !== undefined) {
		const compiled = compilePattern(config.regex);
		return {
			test: (values) => values.some((value) => compiled.test(value, what)),
			reason: `does not match the pattern ${config.regex}`,
		};
	}
	const present = config.present === true;
	return { test: (values) => values.length > 0 === present, reason: present ? "is missing" : "must not be there" };
}
