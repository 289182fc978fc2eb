/** `auth.jwt`: a signed token (RFC 7519) says who the client is. */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { finiteDuration, oneOrMany } from "../options.ts";
import { type Claims, claimAt } from "../protocol/claims.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { challenge } from "./bearer.ts";
import type { Check, CheckDeps, Granted } from "./check.ts";
import { headerNameOption } from "./header-name.ts";
import { httpUrl } from "./http-url.ts";
import {
	ALGORITHMS,
	type Algorithm,
	algorithmsOf,
	PUBLIC_ALGORITHMS,
	parsePublicKey,
	SECRET_ALGORITHMS,
} from "./jwt-algorithms.ts";
import { type ClaimRules, checkClaims, claimText, parseClaims, time } from "./jwt-claims.ts";
import { jwksVerifier, publicKeyVerifier, secretVerifier, type Verifier } from "./jwt-signature.ts";
import { compileSources, tokenSourceOptions } from "./token-source.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()], { error: "expected text, a number, true or false" });
const positive = finiteDuration.refine((ms) => ms > 0, { error: "has to be longer than 0" });

export const jwtOptions = z.strictObject({
	jwks_url: httpUrl.optional().meta({
		description: "Where the issuer publishes its keys (RFC 7517). One of `jwks_url`, `secret` and `public_key`.",
	}),
	jwks_max_age: positive.prefault("10m").meta({ description: "Keys older than this are fetched anew." }),
	jwks_cooldown: positive
		.prefault("10s")
		.meta({ description: "Least time between two fetches, also when tokens have unknown key ids." }),
	jwks_timeout: positive
		.prefault("5s")
		.meta({ description: "For one fetch. The last good keys are kept when it fails." }),
	secret: z.string().min(1, { error: "the secret is empty" }).optional().meta({
		description: "Shared secret for HS256, HS384 and HS512: the bytes of this text, 32 or more.",
	}),
	public_key: z
		.string()
		.min(1, { error: "expected the name of a file" })
		.optional()
		.meta({ description: "PEM file with the issuer's public key or certificate." }),
	algorithms: z
		.array(z.enum(ALGORITHMS))
		.min(1)
		.optional()
		.meta({ description: "Signature algorithms that are accepted. Default: all that the key can be used with." }),
	issuer: oneOrMany(z.string().min(1)).optional().meta({ description: "What `iss` has to be." }),
	audience: oneOrMany(z.string().min(1)).optional().meta({ description: "What `aud` has to be, or to have." }),
	required_claims: z.record(z.string().min(1), oneOrMany(scalar)).prefault({}).meta({
		description: "Claims that have to have one of these values; of a list, one entry. `a.b` is a claim inside another.",
	}),
	clock_tolerance: finiteDuration
		.prefault("5s")
		.meta({ description: "How far clocks may differ when a connection is opened." }),
	from: tokenSourceOptions.prefault(["header"]).meta({
		description: "Where the token may be; `header` is `Authorization: Bearer`. It is taken out before forwarding.",
	}),
	forward_claims: z
		.record(z.string().min(1), headerNameOption)
		.prefault({})
		.meta({ description: "Claims to put into headers for the backend. A client cannot send these headers itself." }),
	close_on_expiry: z
		.boolean()
		.prefault(true)
		.meta({ description: "Closes the connection when the token expires, with `close_codes.auth_expired`." }),
	required: z
		.boolean()
		.prefault(true)
		.meta({ description: "`false` also lets clients in that have no token. A bad token is refused anyway." }),
});

export type JwtConfig = z.output<typeof jwtOptions>;

/**
 * Compiles a checked `auth.jwt`.
 * @throws Error when the public key cannot be read any more, or no key source is there
 */
export function jwtCheck(config: JwtConfig, deps: CheckDeps): Check {
	const { states } = deps;
	const sources = compileSources(config.from);
	const verify = compileVerifier(config, deps);
	const rules: ClaimRules = {
		issuers: config.issuer,
		audiences: config.audience,
		required: Object.entries(config.required_claims).map(([name, values]) => [name, new Set(values.map(String))]),
		tolerance: config.clock_tolerance,
	};
	const forwarded = Object.entries(config.forward_claims);

	const grant = (claims: Claims, request: GatewayRequest, granted: Omit<Granted, "user">): Granted => {
		const now = states.now();
		checkClaims(claims, rules, now);
		const expires = time(claims, "exp") ?? Number.POSITIVE_INFINITY;
		const token = { sub: text(claims.sub), jti: text(claims.jti), expiresAt: expires };
		const confirm = (): void => {
			if (!states.revocations.has(token)) return;
			throw new GatewayError("JWT_REVOKED", undefined, { headers: challenge("invalid_token") });
		};
		confirm();
		return {
			...granted,
			request: { ...request, claims },
			user: token.sub,
			headers: forwarded.length === 0 ? undefined : claimHeaders(claims, forwarded),
			// One that is let in by the tolerance has the rest of the tolerance.
			expiresAt: config.close_on_expiry ? (expires > now ? expires : expires + rules.tolerance) : undefined,
			token,
			confirm,
		};
	};

	return {
		name: "jwt",
		reserved: [...Object.values(config.forward_claims), ...sources.headers],
		check({ request }) {
			const found = request.firstMessage ?? sources.find(request);
			const stripped = sources.strip(request);
			const granted = {
				request: stripped === request ? undefined : stripped,
				fallbackSubprotocol: sources.fallbackSubprotocol(request, stripped),
			};
			if (found === undefined) {
				if (config.required && !sources.later)
					throw new GatewayError("JWT_MISSING", undefined, { headers: challenge() });
				return granted;
			}
			const payload = verify(found);
			if (payload instanceof Promise) return payload.then((bytes) => grant(parseClaims(bytes), stripped, granted));
			return grant(parseClaims(payload), stripped, granted);
		},
	};
}

function compileVerifier(config: JwtConfig, { states, readFile }: CheckDeps): Verifier {
	if (config.secret !== undefined) {
		return secretVerifier(config.secret, chosen(config, SECRET_ALGORITHMS));
	}
	if (config.public_key !== undefined) {
		const key = parsePublicKey(readFile(config.public_key).toString("utf8"));
		return publicKeyVerifier(key, chosen(config, algorithmsOf(key)));
	}
	if (config.jwks_url === undefined) throw new Error("auth.jwt needs one of jwks_url, secret and public_key");
	const source = states.jwks({
		url: config.jwks_url,
		maxAge: config.jwks_max_age,
		cooldown: config.jwks_cooldown,
		timeout: config.jwks_timeout,
	});
	return jwksVerifier(source, chosen(config, PUBLIC_ALGORITHMS));
}

/** The configured algorithms that fit the key; the configuration's own checks report one that does not. */
function chosen(config: JwtConfig, possible: readonly Algorithm[]): readonly Algorithm[] {
	return config.algorithms?.filter((name) => possible.includes(name)) ?? possible;
}

function claimHeaders(claims: Claims, forwarded: readonly (readonly [claim: string, header: string])[]): string[] {
	const headers: string[] = [];
	for (const [claim, header] of forwarded) {
		const value = claimText(claimAt(claims, claim));
		if (value !== undefined) headers.push(header, value);
	}
	return headers;
}

function text(value: unknown): string | undefined {
	return typeof value === "string" && value !== "" ? value : undefined;
}
