/** `auth.api_key`: a long random key says which program the client is. The file holds only hashes of the keys. */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { headerText } from "../protocol/headers.ts";
import type { Check, CheckDeps } from "./check.ts";
import { headerNameOption } from "./header-name.ts";
import { parseSecretLines } from "./secrets-file.ts";
import { compileSources, keySourceOptions } from "./token-source.ts";

export const apiKeyOptions = z.strictObject({
	from: keySourceOptions
		.prefault([{ header: "X-Api-Key" }])
		.meta({ description: "Where the key may be. It is taken out before forwarding." }),
	keys_file: z.string().min(1, { error: "expected the name of a file" }).meta({
		description:
			"File with a line `name sha256:<hex>` for each key: `printf %s KEY | sha256sum`. Read again on reload.",
	}),
	forward_user: headerNameOption.optional().meta({
		description: "Header for the backend with the key's name. A client cannot send it itself.",
	}),
});

export type ApiKeyConfig = z.output<typeof apiKeyOptions>;

interface ApiKey {
	readonly name: string;
	readonly digest: Buffer;
}

/** RFC 9110 §11.6.1 wants a challenge in every 401. */
const CHALLENGE = { "WWW-Authenticate": "ApiKey" };

/**
 * Reads a keys file. A name may have several keys, so that one can be replaced without a gap.
 * @throws Error in the operator's words; nothing of a key is in them
 */
export function parseKeysFile(text: string): ReadonlyMap<string, ApiKey> {
	const keys = new Map<string, ApiKey>();
	for (const { name, hash, line } of parseSecretLines(text, /\s+/, "`name sha256:<hex>`")) {
		const hex = /^sha256:([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
		if (hex === undefined) {
			throw new Error(
				`line ${line} has no hash; expected \`name sha256:<64 hex digits>\`, from: printf %s KEY | sha256sum`,
			);
		}
		if (keys.has(hex)) throw new Error(`line ${line} has a key that is there already`);
		keys.set(hex, { name, digest: Buffer.from(hex, "hex") });
	}
	return keys;
}

/**
 * Compiles a checked `auth.api_key`. The key is looked up by its hash, so that the time it takes tells nothing about keys
 * that are there.
 * @throws Error when the file cannot be read any more
 */
export function apiKeyCheck(config: ApiKeyConfig, { readFile }: CheckDeps): Check {
	const keys = parseKeysFile(readFile(config.keys_file).toString("utf8"));
	const sources = compileSources(config.from);
	const header = config.forward_user;
	return {
		name: "api_key",
		reserved: header === undefined ? sources.headers : [header, ...sources.headers],
		check({ request }) {
			const given = sources.find(request);
			if (given === undefined) throw new GatewayError("API_KEY_MISSING", undefined, { headers: CHALLENGE });
			const digest = createHash("sha256").update(given, "latin1").digest();
			const key = keys.get(digest.toString("hex"));
			if (key === undefined || !timingSafeEqual(digest, key.digest)) {
				throw new GatewayError("API_KEY_INVALID", undefined, { headers: CHALLENGE });
			}
			const stripped = sources.strip(request);
			return {
				user: key.name,
				request: stripped,
				headers: header === undefined ? undefined : [header, headerText(key.name)],
				fallbackSubprotocol: sources.fallbackSubprotocol(request, stripped),
			};
		},
	};
}
