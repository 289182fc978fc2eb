/** `match.headers`. */
import { z } from "zod";
import { forwardedHeaders, isForwardingHeader } from "../../protocol/forwarded.ts";
import { plainName } from "../../protocol/header-rules.ts";
import type { GatewayRequest } from "../../protocol/request.ts";
import type { Matcher } from "./matcher.ts";
import { compileValue, valueOptions } from "./value.ts";

const headerName = z
	.string()
	.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: "not a header name: letters, digits and - without spaces" });

const options = {
	headers: z.record(headerName, valueOptions).optional().meta({
		description:
			"headers by name (case is ignored); of a repeated header, one value has to fit. Of those that the gateway writes for the backend (X-Client-Cert-Subject, X-Forwarded-Proto, X-Real-IP …) its own values count, never a client's",
	}),
};

/** `match.headers`. */
export const headers: Matcher<typeof options> = {
	options,
	compile(config) {
		const wanted = Object.entries(config.headers ?? {}).map(([name, value]) => ({
			name,
			key: name.toLowerCase(),
			plain: plainName(name),
			value: compileValue(value, `header ${name}`),
		}));
		if (wanted.length === 0) return undefined;
		return {
			test: (request) => wanted.every(({ key, plain, value }) => value.test(valuesOf(request, key, plain))),
			reason(request) {
				const failed = wanted.filter(({ key, plain, value }) => !value.test(valuesOf(request, key, plain)));
				return failed.map(({ name, value }) => `header ${name} ${value.reason}`).join(", ");
			},
		};
	},
};

/** What the backend would get: of names that clients may not write, the gateway's own values or none. */
function valuesOf(request: GatewayRequest, key: string, plain: string): string[] {
	if (!isForwardingHeader(plain, request)) return rawValues(request, key);
	const written = forwardedHeaders(request, "");
	const values: string[] = [];
	for (let i = 0; i < written.length; i += 2) {
		// An id is only given to the connection.
		if ((written[i] as string).toLowerCase() !== plain || written[i + 1] === "") continue;
		values.push(Buffer.from(written[i + 1] as string, "latin1").toString());
	}
	return values;
}

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
