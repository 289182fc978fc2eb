/** Queries and bodies against their schemas, with messages that name the field. */
import { z } from "zod";
import { checkSchema } from "../../config/issues.ts";
import type { Source } from "../../config/parse.ts";
import { formatPath } from "../../config/problem.ts";
import { ApiError } from "./api-error.ts";

/** There is no file: only the path and the words count. */
const NOWHERE: Source = {
	problem: (path, message) => ({ file: "", line: 0, col: 0, path: formatPath(path), message, severity: "error" }),
};

/**
 * Checks a body.
 * @throws ApiError INVALID with every mistake
 */
export function validBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
	return valid(schema, body, "the body");
}

/**
 * Checks a query. Nothing is ignored: an unknown name or one that is there twice is a mistake, since a filter that does
 * not filter would reach more connections than were meant.
 * @throws ApiError INVALID with every mistake
 */
export function validQuery<S extends z.ZodType>(schema: S, query: URLSearchParams): z.output<S> {
	const names = new Set<string>();
	for (const name of query.keys()) {
		if (names.has(name)) throw new ApiError("INVALID", `${name}: is there twice`);
		names.add(name);
	}
	return valid(schema, Object.fromEntries(query), "the query");
}

function valid<S extends z.ZodType>(schema: S, data: unknown, whole: string): z.output<S> {
	const checked = checkSchema(schema, data, NOWHERE);
	if (checked.value !== undefined) return checked.value;
	const mistakes = checked.problems.map(({ path, message }) => `${path === "" ? whole : path}: ${message}`);
	throw new ApiError("INVALID", mistakes.join("; "));
}

/** A whole number in a query. */
export function queryInteger(minimum: number, maximum: number) {
	const error = `expected a whole number from ${minimum} to ${maximum}`;
	return z
		.string()
		.transform((text, context) => {
			const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
			if (number >= minimum && number <= maximum) return number;
			context.addIssue({ code: "custom", message: error, input: text });
			return z.NEVER;
		})
		.meta({ type: "integer", minimum, maximum });
}
