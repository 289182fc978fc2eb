/** Which signature algorithms (RFC 7518 §3.1, RFC 8037) a key can be used with; a token never chooses beyond that. */
import { createPublicKey, type KeyObject } from "node:crypto";

const HMAC = ["HS256", "HS384", "HS512"] as const;
const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const;
const EDWARDS = ["EdDSA", "Ed25519"] as const;

/** All that can be named in `algorithms`. `none` is not there, and never will be. */
export const ALGORITHMS = [...HMAC, ...RSA, "ES256", "ES384", "ES512", ...EDWARDS] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** For a shared secret. */
export const SECRET_ALGORITHMS: readonly Algorithm[] = HMAC;
/** For keys from a JWKS URL: these are public, so that an HMAC made with one proves nothing. */
export const PUBLIC_ALGORITHMS: readonly Algorithm[] = ALGORITHMS.filter((name) => !name.startsWith("HS"));

const CURVES: Readonly<Record<string, Algorithm>> = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };

/** For a public key; empty when it is of a kind that no algorithm uses. */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
	const { namedCurve } = key.asymmetricKeyDetails ?? {};
	switch (key.asymmetricKeyType) {
		case "rsa":
			return RSA;
		case "rsa-pss":
			return RSA.filter((name) => name.startsWith("PS"));
		case "ec":
			return namedCurve !== undefined && CURVES[namedCurve] ? [CURVES[namedCurve]] : [];
		case "ed25519":
			return EDWARDS;
		default:
			return [];
	}
}

/**
 * Reads a public key from PEM: BEGIN PUBLIC KEY, BEGIN RSA PUBLIC KEY or BEGIN CERTIFICATE.
 * @throws Error in the operator's words
 */
export function parsePublicKey(pem: string): KeyObject {
	if (pem.includes("PRIVATE KEY-----")) {
		throw new Error("this is a private key; the gateway needs the public one only: openssl pkey -pubout");
	}
	let key: KeyObject;
	try {
		key = createPublicKey(pem);
	} catch {
		throw new Error("there is no public key in this file; expected PEM (BEGIN PUBLIC KEY)");
	}
	if (algorithmsOf(key).length === 0) {
		throw new Error(
			`a key of the kind ${key.asymmetricKeyType} cannot be used; expected RSA, P-256, P-384, P-521 or Ed25519`,
		);
	}
	if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048) {
		throw new Error("an RSA key needs at least 2048 bits (RFC 7518 section 3.3)");
	}
	return key;
}
