/** The signature of a token (RFC 7515), checked with the one key source of a route. */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { type CompactJWSHeaderParameters, compactVerify, errors } from "jose";
import { GatewayError } from "../errors.ts";
import { challenge } from "./bearer.ts";
import type { JwksSource } from "./jwks.ts";
import type { Algorithm } from "./jwt-algorithms.ts";

/** Checks a token's signature and gives its payload's bytes. @throws GatewayError JWT_INVALID, JWKS_UNAVAILABLE */
export type Verifier = (token: string) => Uint8Array | Promise<Uint8Array>;

/** Three base64url parts, none empty. An encrypted token (RFC 7516) has five. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

const HASHES: Readonly<Record<string, string>> = { HS256: "sha256", HS384: "sha384", HS512: "sha512" };

/**
 * For a shared secret. Done with node:crypto: through WebCrypto the same costs ten times as much, for the way to another
 * thread and back.
 */
export function secretVerifier(secret: string, algorithms: readonly Algorithm[]): Verifier {
	const key = createSecretKey(Buffer.from(secret, "utf8"));
	return (token) => {
		const parts = COMPACT.exec(token);
		if (!parts) throw malformed();
		const [, header, payload, signature] = parts as unknown as [string, string, string, string];
		const hash = HASHES[algorithmOf(header, algorithms)];
		if (hash === undefined) throw notAllowed();
		const expected = createHmac(hash, key)
			.update(token.slice(0, header.length + 1 + payload.length))
			.digest();
		const given = Buffer.from(signature, "base64url");
		if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw badSignature();
		return Buffer.from(payload, "base64url");
	};
}

/** For a public key. */
export function publicKeyVerifier(key: KeyObject, algorithms: readonly Algorithm[]): Verifier {
	const options = { algorithms: [...algorithms] };
	return async (token) => {
		try {
			return (await compactVerify(token, key, options)).payload;
		} catch (error) {
			throw refusal(error);
		}
	};
}

/** For keys from a URL. */
export function jwksVerifier(source: JwksSource, algorithms: readonly Algorithm[]): Verifier {
	const options = { algorithms: [...algorithms] };
	return async (token) => {
		try {
			return (await compactVerify(token, (header: CompactJWSHeaderParameters) => source.key(header), options)).payload;
		} catch (error) {
			if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw refusal(error);
			// Keys without an id: each that fits is tried.
			for await (const key of error) {
				try {
					return (await compactVerify(token, key, options)).payload;
				} catch (each) {
					if (!(each instanceof errors.JWSSignatureVerificationFailed)) throw refusal(each);
				}
			}
			throw badSignature();
		}
	};
}

/** @throws GatewayError JWT_INVALID unless the header is one this gateway understands in full */
function algorithmOf(encoded: string, algorithms: readonly Algorithm[]): Algorithm {
	let header: unknown;
	try {
		header = JSON.parse(Buffer.from(encoded, "base64url").toString("utf8"));
	} catch {
		throw malformed();
	}
	if (typeof header !== "object" || header === null || Array.isArray(header)) throw malformed();
	const { alg, crit, b64 } = header as Record<string, unknown>;
	// RFC 7515 §4.1.11: an extension that must be understood, and is not.
	if (crit !== undefined || b64 !== undefined) throw malformed();
	const allowed = algorithms.find((name) => name === alg);
	if (allowed === undefined) throw notAllowed();
	return allowed;
}

function refusal(error: unknown): unknown {
	if (error instanceof errors.JWSSignatureVerificationFailed) return badSignature();
	if (error instanceof errors.JOSEAlgNotAllowed) return notAllowed();
	if (error instanceof errors.JWKSNoMatchingKey) return invalid("no key of the key set fits the token", error);
	if (error instanceof errors.JOSEError) return malformed();
	// WebCrypto and jose report a key that does not fit the algorithm with these.
	if (error instanceof TypeError || error instanceof DOMException)
		return invalid("the key does not fit the token's algorithm");
	return error;
}

function malformed(): GatewayError {
	return invalid("the token is not a signed JWT that can be read");
}

function notAllowed(): GatewayError {
	return invalid("the token's algorithm is not one of the route's algorithms");
}

function badSignature(): GatewayError {
	return invalid("the token's signature is wrong");
}

function invalid(message: string, cause?: Error): GatewayError {
	return new GatewayError("JWT_INVALID", message, { headers: challenge("invalid_token"), cause });
}

/** Whether a refusal only says that the token's key is not known (yet): after a rotation many good tokens are like that. */
export function isUnknownKey({ cause }: GatewayError): boolean {
	return cause instanceof errors.JWKSNoMatchingKey;
}
