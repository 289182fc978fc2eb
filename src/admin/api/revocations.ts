/** `revocations`: tokens that do not count any more although they have not expired. */
import { z } from "zod";
import { parseDuration } from "../../options.ts";
import { ApiError } from "./api-error.ts";
import { missingWorkers } from "./api-gateway.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";
import { queryInteger } from "./validate.ts";

/** What is revoked: exactly one of `sub` and `jti`. */
export interface RevocationTarget {
	readonly sub?: string | undefined;
	readonly jti?: string | undefined;
}

export interface Revocation extends RevocationTarget {
	/** ms since the epoch. */
	readonly until: number;
}

/** What a revocation did. */
export interface RevokedTokens {
	/** Connections that were closed. */
	readonly closed: number;
	/** ms since the epoch. */
	readonly until: number;
	/** As in the answer. */
	readonly missing_workers?: readonly number[] | undefined;
}

/** What the API asks of the gateway's policy. */
export interface RevocationStore {
	/**
	 * Refuses the tokens from now on, and closes the open connections that have one. Without `until` it says itself how
	 * long that holds.
	 * @throws RangeError when there are too many
	 */
	revoke(target: RevocationTarget & { readonly until?: number | undefined }): RevokedTokens | Promise<RevokedTokens>;
	/** Those that still count. */
	list(): Iterable<Revocation>;
}

const PATH = "/api/v1/revocations";
const DEFAULT_LIMIT = 1000;

const tokenName = z.string().min(1).max(1024);

const revokeBody = z
	.strictObject({
		sub: tokenName.optional().meta({ description: "Every token of this subject." }),
		jti: tokenName.optional().meta({ description: "The token with this id." }),
		until: z
			.string()
			.refine((text) => isTime(text), {
				error: "expected a time such as 2030-01-31T12:00:00Z, or a duration such as 24h",
			})
			.optional()
			.meta({
				description:
					"When the last of these tokens has expired: a time (RFC 3339), or a duration from now on such as `24h`. Default: when the last open connection's token expires, at least a day.",
			}),
	})
	.refine(({ sub, jti }) => (sub === undefined) !== (jti === undefined), { error: "give exactly one of sub and jti" })
	.meta({ id: "RevocationRequest" });

const revocationSchema = z
	.strictObject({ sub: z.string().optional(), jti: z.string().optional(), until: z.iso.datetime() })
	.meta({ id: "Revocation" });

const revokedSchema = z
	.strictObject({
		...revocationSchema.shape,
		closed: z.int().nonnegative().meta({ description: "Open connections that were closed with 1008." }),
		...missingWorkers,
	})
	.meta({ id: "Revoked" });

const listSchema = z
	.strictObject({ revocations: z.array(revocationSchema), total: z.int().nonnegative() })
	.meta({ id: "RevocationList" });

const listQuery = z.strictObject({
	limit: queryInteger(1, 10_000)
		.optional()
		.meta({ description: `At most so many; default ${DEFAULT_LIMIT}.` }),
});

/** @param now ms since the epoch */
export function revocationRoutes(store: RevocationStore, now: () => number): ApiRoute[] {
	return [
		operation({
			method: "GET",
			path: PATH,
			summary: "Revoked tokens",
			query: listQuery,
			answers: { 200: { description: "Those that still count.", schema: listSchema } },
			handle: ({ query: { limit = DEFAULT_LIMIT } }) => {
				const all = [...store.list()];
				return ok({ revocations: all.slice(0, limit).map(view), total: all.length });
			},
		}),
		operation({
			method: "POST",
			path: PATH,
			summary: "Revokes the tokens of a subject, or one token",
			description: "Open connections that came with such a token are closed with 1008. A restart forgets revocations.",
			body: revokeBody,
			answers: { 201: { description: "Revoked.", schema: revokedSchema } },
			handle: async ({ body: { sub, jti, until: text } }) => {
				const asked = text === undefined ? undefined : timeOf(text, now());
				if (asked !== undefined && asked <= now()) throw new ApiError("INVALID", "until: is in the past");
				try {
					const { until, ...done } = await store.revoke({ sub, jti, until: asked });
					return ok({ ...view({ sub, jti, until }), ...done }, 201);
				} catch (error) {
					if (error instanceof RangeError) throw new ApiError("CONFLICT", error.message);
					throw error;
				}
			},
		}),
	];
}

function view({ sub, jti, until }: Revocation): z.output<typeof revocationSchema> {
	const named = sub === undefined ? { jti: jti ?? "" } : { sub };
	return { ...named, until: new Date(until).toISOString() };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function isTime(text: string): boolean {
	return Number.isFinite(timeOf(text, 0));
}

function timeOf(text: string, now: number): number {
	if (TIME.test(text)) return Date.parse(text);
	const until = now + (parseDuration(text) ?? Number.NaN);
	// Beyond this there is no date.
	return until <= 8.64e15 ? until : Number.NaN;
}
