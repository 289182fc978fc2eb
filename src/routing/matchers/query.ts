/** `match.query`. */
import { z } from "zod";
import type { Matcher } from "./matcher.ts";
import { compileValue, valueOptions } from "./value.ts";

const options = {
	query: z
		.record(z.string(), valueOptions)
		.optional()
		.meta({ description: "query parameters by name, percent-decoded; of a repeated one, one value has to fit" }),
};

/** `match.query`. */
export const query: Matcher<typeof options> = {
	options,
	compile(config) {
		const wanted = Object.entries(config.query ?? {}).map(([name, value]) => ({
			name,
			value: compileValue(value, `query parameter ${name}`),
		}));
		if (wanted.length === 0) return undefined;
		return {
			test(request) {
				const parameters = new URLSearchParams(request.query ?? "");
				return wanted.every(({ name, value }) => value.test(parameters.getAll(name)));
			},
			reason(request) {
				const parameters = new URLSearchParams(request.query ?? "");
				const failed = wanted.filter(({ name, value }) => !value.test(parameters.getAll(name)));
				return failed.map(({ name, value }) => `query parameter ${name} ${value.reason}`).join(", ");
			},
		};
	},
};
