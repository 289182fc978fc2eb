/** `hash_on`: which part of a request decides its endpoint. */
import { z } from "zod";
import { oneOrMany } from "../../options.ts";
import { claimAt } from "../../protocol/claims.ts";
import { cookieValue, type GatewayRequest, headerValue, queryValue } from "../../protocol/request.ts";

/** A header field or cookie name (RFC 9110 §5.6.2). */
const token = z
	.string()
	.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: "expected a name without spaces or separators" });

const hashSource = z.union(
	[
		z.enum(["client_ip", "path"]),
		z.strictObject({ cookie: token }),
		z.strictObject({ query: z.string().min(1) }),
		z.strictObject({ header: token }),
		z.strictObject({ jwt_claim: z.string().min(1) }),
	],
	{ error: "expected client_ip, path, { cookie: name }, { query: name }, { header: name } or { jwt_claim: name }" },
);

/** The option `hash_on`: one source or a list of them, the first that is present counts. */
export const hashOn = oneOrMany(hashSource);

export type HashSource = z.output<typeof hashSource>;

/**
 * Compiles `hash_on` to a function that reads the key. An empty value counts as absent, and a request that has none of
 * the sources is keyed by the client's whole address.
 */
export function compileHashOn(sources: readonly HashSource[]): (request: GatewayRequest) => string {
	const readers = sources.map(reader);
	return (request) => {
		for (const read of readers) {
			const value = read(request);
			if (value) return value;
		}
		return request.clientIp;
	};
}

function reader(source: HashSource): (request: GatewayRequest) => string | undefined {
	if (source === "client_ip") return (request) => request.clientIp;
	if (source === "path") return (request) => request.matchPath;
	if ("cookie" in source) return (request) => cookieValue(request, source.cookie);
	if ("query" in source) return (request) => queryValue(request, source.query);
	if ("jwt_claim" in source) return (request) => claimKey(request, source.jwt_claim);
	const name = source.header.toLowerCase();
	return (request) => headerValue(request, name);
}

/** Text and numbers can be a key; absent where the route has no `auth.jwt`, or lets in without a token. */
function claimKey({ claims }: GatewayRequest, name: string): string | undefined {
	const value = claims === undefined ? undefined : claimAt(claims, name);
	return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}
