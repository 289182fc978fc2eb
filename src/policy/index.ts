/** The registry of checks: their options for the configuration, and the order in which they are asked. */
import { z } from "zod";
import { plainName } from "../protocol/header-rules.ts";
import { type AddressConfig, addressCheck, addressOptions } from "./address.ts";
import { apiKeyCheck, apiKeyOptions } from "./api-key.ts";
import { basicCheck, basicOptions } from "./basic.ts";
import type { Check, CheckDeps, HeaderPolicy } from "./check.ts";
import { clientCertificateCheck, clientCertificateOptions } from "./client-certificate.ts";
import { addressLimitChecks, type ConnectionLimitsConfig, connectionLimitChecks } from "./connection-limits.ts";
import { countFailures } from "./failed-logins.ts";
import { forwardAuthCheck, forwardAuthOptions } from "./forward-auth.ts";
import { jwtCheck, jwtOptions } from "./jwt.ts";
import { type OriginConfig, originCheck, originOptions } from "./origin.ts";
import { FIRST_MESSAGE } from "./token-source.ts";

const authMap = z.strictObject({
	client_certificate: clientCertificateOptions
		.optional()
		.meta({ description: "A certificate that the listener has verified (`tls.client_auth`)." }),
	jwt: jwtOptions.optional().meta({ description: "A signed token (JSON Web Token)." }),
	api_key: apiKeyOptions.optional().meta({ description: "A key for each program." }),
	basic: basicOptions.optional().meta({ description: "Name and password." }),
	forward: forwardAuthOptions.optional().meta({ description: "Another server decides." }),
});

export type AuthConfig = z.output<typeof authMap>;

const authOptions = z
	.union([z.literal("off"), z.literal(false), authMap], {
		error: "expected a map (client_certificate, jwt, api_key, basic, forward) or off",
	})
	.transform((auth): AuthConfig => (typeof auth === "object" ? auth : {}));

/** Keys of a route. */
export const policyOptions = {
	...originOptions,
	...addressOptions,
	underscore_headers: z.enum(["drop", "keep"]).prefault("drop").meta({
		description:
			"Client headers with an underscore in their name. CGI, WSGI and PHP servers cannot tell `X_User` from `X-User`. So with `keep`, too, `X_User` is dropped where the gateway sets, removes or reserves `X-User`.",
	}),
	auth: authOptions.prefault({}).meta({
		description: "Who the client has to be. All that are named have to agree. `off` takes away what `defaults` say.",
	}),
};

export interface PolicyConfig extends OriginConfig, AddressConfig {
	readonly underscore_headers: "drop" | "keep";
	readonly auth: AuthConfig;
	readonly limits: ConnectionLimitsConfig;
}

/** How a token is checked that comes when the connection is open. */
export interface TokenPolicy {
	/** Whether the handshake may be without one, since the first message brings it. */
	readonly comesLater: boolean;
	/** Whether a connection without one may not stay. */
	readonly required: boolean;
	readonly check: Check;
	/** What could not be asked before somebody knew who the client is. */
	readonly whenKnown: readonly Check[];
}

/** The checks of one route, compiled. */
export interface Policy extends HeaderPolicy {
	/** In the order in which they are asked, the cheap ones first. */
	readonly checks: readonly Check[];
	/** Undefined when the route has no tokens. */
	readonly token: TokenPolicy | undefined;
}

/**
 * Compiles the checks of a route. What is not configured is not there, and costs nothing.
 * @throws Error when a file that the configuration's checks could read cannot be read any more
 */
export function compilePolicy(config: PolicyConfig, deps: CheckDeps): Policy {
	const { auth, limits } = config;
	const guarded = (check: Check): Check =>
		limits.failed_logins === undefined ? check : countFailures(check, limits.failed_logins, deps);
	const jwt = auth.jwt && guarded(jwtCheck(auth.jwt, deps));
	const checks = [
		addressCheck(config),
		originCheck(config),
		...addressLimitChecks(limits, deps),
		auth.client_certificate && clientCertificateCheck(auth.client_certificate),
		auth.api_key && guarded(apiKeyCheck(auth.api_key, deps)),
		jwt,
		auth.basic && guarded(basicCheck(auth.basic, deps)),
		auth.forward && forwardAuthCheck(auth.forward, deps),
		...connectionLimitChecks(limits, deps),
	].filter((check) => check !== undefined);
	const reserved = checks.flatMap((check) => check.reserved ?? []);
	return {
		checks,
		token:
			jwt &&
			({
				comesLater: auth.jwt?.from.includes(FIRST_MESSAGE) === true,
				required: auth.jwt?.required === true,
				check: jwt,
				whenKnown: connectionLimitChecks({ connections_per_user: limits.connections_per_user }, deps),
			} satisfies Policy["token"]),
		reserved: reserved.length === 0 ? undefined : new Set(reserved.map(plainName)),
		keepUnderscores: config.underscore_headers === "keep",
	};
}
