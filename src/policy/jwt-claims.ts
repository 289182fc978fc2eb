/** The claims of a token (RFC 7519 §4.1): which have to hold, and which the backend is told. */
import { GatewayError } from "../errors.ts";
import { type Claims, claimAt } from "../protocol/claims.ts";
import { headerText, isWireValue } from "../protocol/header-rules.ts";
import { challenge } from "./bearer.ts";

export interface ClaimRules {
	readonly issuers: readonly string[] | undefined;
	readonly audiences: readonly string[] | undefined;
	/** By claim: it has to be one of these, or, being a list, have one of these. */
	readonly required: readonly (readonly [claim: string, values: ReadonlySet<string>])[];
	/** Clocks may differ by this much, ms. */
	readonly tolerance: number;
}

/** @throws GatewayError JWT_INVALID when the payload is not a JSON object */
export function parseClaims(payload: Uint8Array): Claims {
	let claims: unknown;
	try {
		claims = JSON.parse(Buffer.from(payload).toString("utf8"));
	} catch {
		claims = undefined;
	}
	if (typeof claims !== "object" || claims === null || Array.isArray(claims)) {
		throw refusal("JWT_INVALID", "the token's payload is not a JSON object");
	}
	return claims as Claims;
}

/**
 * @param now ms since the epoch
 * @throws GatewayError JWT_EXPIRED, JWT_NOT_YET_VALID, JWT_CLAIMS; JWT_INVALID for a time that is not a number
 */
export function checkClaims(claims: Claims, rules: ClaimRules, now: number): void {
	const expires = time(claims, "exp");
	if (expires !== undefined && now >= expires + rules.tolerance) throw refusal("JWT_EXPIRED");
	const notBefore = time(claims, "nbf");
	if (notBefore !== undefined && now < notBefore - rules.tolerance) throw refusal("JWT_NOT_YET_VALID");
	const issued = time(claims, "iat");
	if (issued !== undefined && now < issued - rules.tolerance) {
		throw refusal("JWT_NOT_YET_VALID", "the token was issued in the future (iat)");
	}
	if (rules.issuers && !(typeof claims.iss === "string" && rules.issuers.includes(claims.iss))) {
		throw refusal("JWT_CLAIMS", "the token's issuer (iss) is not the route's");
	}
	if (rules.audiences && !rules.audiences.some((audience) => listed(claims.aud, audience))) {
		throw refusal("JWT_CLAIMS", "the token's audience (aud) is not the route's");
	}
	for (const [name, values] of rules.required) {
		const value = claimAt(claims, name);
		const given = Array.isArray(value) ? value : [value];
		if (!given.some((each) => isScalar(each) && values.has(String(each)))) {
			throw refusal("JWT_CLAIMS", `the claim ${name} does not have a value that the route requires`);
		}
	}
}

/** A time claim in ms since the epoch. @throws GatewayError JWT_INVALID */
export function time(claims: Claims, name: "exp" | "nbf" | "iat"): number | undefined {
	const value = claims[name];
	if (value === undefined) return undefined;
	if (typeof value !== "number" || !Number.isFinite(value)) {
		throw refusal("JWT_INVALID", `the claim ${name} is not a number`);
	}
	return value * 1000;
}

/**
 * A claim as a header's value: text as it is, in UTF-8; numbers and booleans as text; anything else as JSON.
 * Undefined for null and for text that no header can hold: to repair it would make one user look like another.
 */
export function claimText(value: unknown): string | undefined {
	if (value === undefined || value === null) return undefined;
	const written = isScalar(value) ? String(value) : JSON.stringify(value);
	// Half of a surrogate pair has no UTF-8: all of them would become the same character.
	const text = /\p{Cs}/u.test(written) ? "" : headerText(written);
	return text !== "" && text === text.trim() && isWireValue(text) ? text : undefined;
}

function isScalar(value: unknown): value is string | number | boolean {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function listed(value: unknown, wanted: string): boolean {
	return value === wanted || (Array.isArray(value) && value.includes(wanted));
}

function refusal(
	code: "JWT_INVALID" | "JWT_EXPIRED" | "JWT_NOT_YET_VALID" | "JWT_CLAIMS",
	message?: string,
): GatewayError {
	return new GatewayError(code, message, { headers: challenge("invalid_token") });
}
