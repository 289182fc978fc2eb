/** `match.path`, `match.path_prefix` and `match.path_regex`: at most one of them. */
import { z } from "zod";
import { oneOrMany } from "../../options.ts";
import { compilePattern, pattern } from "../../protocol/regex.ts";
import { pathProblem, plainPath, plainPrefix, startsWithSegments } from "../paths.ts";
import type { Matcher } from "./matcher.ts";

const pathText = z.string().superRefine((path, context) => {
	const problem = pathProblem(path);
	if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: path });
});

const options = {
	path: oneOrMany(pathText).optional().meta({ description: "the whole path, without the query" }),
	path_prefix: oneOrMany(pathText)
		.optional()
		.meta({ description: "whole segments at the start of the path: /ws matches /ws and /ws/x, not /wsx" }),
	path_regex: oneOrMany(pattern)
		.optional()
		.meta({ description: "a regular expression found anywhere in the path unless it has ^ and $" }),
};

/** The keys of which a route may have one. */
export const PATH_KEYS = ["path", "path_prefix", "path_regex"] as const;

/** `match.path`, `match.path_prefix`, `match.path_regex`. */
export const path: Matcher<typeof options> = {
	options,
	compile(config) {
		if (config.path !== undefined) {
			const paths = new Set(config.path.map(plainPath));
			return {
				test: (request) => paths.has(request.matchPath),
				reason: () => `path is not ${[...paths].join(" or ")}`,
			};
		}
		if (config.path_prefix !== undefined) {
			const prefixes = config.path_prefix.map(plainPrefix);
			return {
				test: (request) => prefixes.some((prefix) => startsWithSegments(request.matchPath, prefix)),
				reason: () => `path is not below ${prefixes.map((prefix) => prefix || "/").join(" or ")}`,
			};
		}
		if (config.path_regex !== undefined) {
			const sources = config.path_regex;
			const patterns = sources.map(compilePattern);
			return {
				test: (request) => patterns.some((pattern) => pattern.test(request.matchPath, "path")),
				reason: () => `path does not match the pattern ${sources.join(" or ")}`,
			};
		}
		return undefined;
	},
};
