/** Tokens and keys of an issuer, made on the spot. */
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import { exportJWK, type JWK, SignJWT } from "jose";
import { listen } from "./ws-backend.ts";

/** 32 bytes of text. */
export const SECRET = "0123456789abcdef0123456789abcdef";

export interface TokenOptions {
	alg?: string;
	kid?: string;
	header?: Record<string, unknown>;
}

/** A token with these claims, by default `sub: ada`, signed with HS256. Times in the claims are in seconds. */
export async function token(
	claims: Record<string, unknown> = { sub: "ada" },
	key: KeyObject | string = SECRET,
	{ alg = "HS256", kid, header = {} }: TokenOptions = {},
): Promise<string> {
	const signed = new SignJWT(claims).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header });
	return signed.sign(typeof key === "string" ? Buffer.from(key) : key);
}

/** Three parts put together by hand: for tokens that no library makes. */
export function rawToken(header: unknown, claims: unknown, hmacKey?: string | Buffer, hash = "sha256"): string {
	const part = (value: unknown): string =>
		Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
	const input = `${part(header)}.${part(claims)}`;
	const signature = hmacKey === undefined ? "" : createHmac(hash, hmacKey).update(input).digest("base64url");
	return `${input}.${signature}`;
}

/** Seconds since the epoch, `ahead` seconds from now. */
export function inSeconds(ahead: number): number {
	return Date.now() / 1000 + ahead;
}

export function rsaKeys() {
	return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

export interface KeyServer {
	readonly url: string;
	/** How often it was asked. */
	readonly asked: number;
	/** The next answers: these keys, or this status, or nothing at all. */
	serve(what: readonly JWK[] | number | "silence" | string): void;
}

/** A JWKS URL on loopback. */
export async function startKeyServer(keys: readonly JWK[]): Promise<KeyServer> {
	let answer: readonly JWK[] | number | "silence" | string = keys;
	let asked = 0;
	const server = createServer((_, response) => {
		asked++;
		if (answer === "silence") return;
		if (typeof answer === "number") response.writeHead(answer).end();
		else if (typeof answer === "string") response.end(answer);
		else response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys: answer }));
	});
	const { port } = await listen(server);
	return {
		url: `http://127.0.0.1:${port}/keys.json`,
		get asked() {
			return asked;
		},
		serve: (what) => {
			answer = what;
		},
	};
}

/** A public key as it stands in a key set. */
export async function publicJwk(key: KeyObject, kid?: string): Promise<JWK> {
	return { ...(await exportJWK(key)), ...(kid === undefined ? {} : { kid }) };
}
