/** `match.headers`. */
import { z } from "zod";
import type { GatewayRequest } from "../../protocol/request.ts";
import type { Matcher } from "./matcher.ts";
import { compileValue, valueOptions } from "./value.ts";

const headerName = z
	.string()
	.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: "not a header name: letters, digits and - without spaces" });

const options = {
	headers: z
		.record(headerName, valueOptions)
		.optional()
		.meta({ description: "headers by name (case is ignored); of a repeated header, one value has to fit" }),
};

/** `match.headers`. */
export const headers: Matcher<typeof options> = {
	options,
	compile(config) {
		const wanted = Object.entries(config.headers ?? {}).map(([name, value]) => ({
			name,
			key: name.toLowerCase(),
			value: compileValue(value, `header ${name}`),
		}));
		if (wanted.length === 0) return undefined;
		return {
			test: (request) => wanted.every(({ key, value }) => value.test(rawValues(request, key))),
			reason(request) {
				const failed = wanted.filter(({ key, value }) => !value.test(rawValues(request, key)));
				return failed.map(({ name, value }) => `header ${name} ${value.reason}`).join(", ");
			},
		};
	},
};

/** Each value as it was sent: Node's header object joins or drops repeated ones. */
function rawValues(request: GatewayRequest, key: string): string[] {
	const { rawHeaders } = request;
	const values: string[] = [];
	for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
		const name = rawHeaders[i] as string;
		if (name.length === key.length && name.toLowerCase() === key) values.push(rawHeaders[i + 1] as string);
	}
	return values;
}
