/** `routes[].match`: which requests a route takes. */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { matcherOptions, matchers } from "./matchers/index.ts";
import type { Condition } from "./matchers/matcher.ts";
import { PATH_KEYS } from "./matchers/path.ts";

/** Option schema of `match`. All keys must match; a list means any of; no keys match everything. */
export const matchOptions = z
	.strictObject(matcherOptions)
	.superRefine((match, context) => {
		const [first, second] = PATH_KEYS.filter((key) => match[key] !== undefined);
		if (second === undefined) return;
		context.addIssue({
			code: "custom",
			message: `${second} cannot stand next to ${first}: write one of them, or two routes`,
			path: [second],
			input: match,
		});
	})
	.meta({ description: "which requests the route takes; all keys must match, a list means any of" });

export type MatchConfig = z.output<typeof matchOptions>;

/** A compiled `match`. */
export interface CompiledMatch {
	/** @throws GatewayError BAD_REQUEST when the request is too long to be compared with one of the patterns */
	matches(request: GatewayRequest): boolean;
	/** Why the request does not match: the first condition that failed, in words; undefined when it matches. Does not throw. */
	explain(request: GatewayRequest): string | undefined;
}

/** Compiles a checked `match`; undefined is the same as `{}`. */
export function compileMatch(config: MatchConfig = {}): CompiledMatch {
	const conditions = matchers
		.map((matcher) => matcher.compile(config))
		.filter((condition): condition is Condition => condition !== undefined);
	return {
		matches(request) {
			for (const condition of conditions) if (!condition.test(request)) return false;
			return true;
		},
		explain(request) {
			for (const condition of conditions) {
				try {
					if (!condition.test(request)) return condition.reason(request);
				} catch (error) {
					if (error instanceof GatewayError) return error.message;
					throw error;
				}
			}
			return undefined;
		},
	};
}
