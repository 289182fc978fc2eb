/** `auth.basic`: name and password (RFC 7617), checked against an htpasswd file. */
import { createHmac, randomBytes } from "node:crypto";
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { headerText } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Check, CheckDeps, Granted } from "./check.ts";
import { headerNameOption } from "./header-name.ts";
import { hashOfNothing, isPasswordHash } from "./passwords.ts";
import { parseSecretLines } from "./secrets-file.ts";
import { authorization } from "./token-source.ts";

export const basicOptions = z.strictObject({
	users_file: z.string().min(1, { error: "expected the name of a file" }).meta({
		description:
			"htpasswd file with bcrypt (`htpasswd -B`) or argon2 hashes; MD5 (`$apr1$`, htpasswd's default) and SHA-1 (`{SHA}`) are taken too, but are quickly guessed when the file leaks. Read again on reload.",
	}),
	realm: z
		.string()
		.regex(/^[\x20-\x7e]{1,64}$/, { error: "expected 1 to 64 printable characters" })
		.prefault("clawgate")
		.meta({ description: "What a browser shows when it asks for the password." }),
	forward_user: headerNameOption.optional().meta({
		description: "Header for the backend with the user's name. A client cannot send it itself.",
	}),
});

export type BasicConfig = z.output<typeof basicOptions>;

/**
 * Reads an htpasswd file.
 * @throws Error in the operator's words; nothing of a hash is in them
 */
export function parseUsersFile(text: string): ReadonlyMap<string, string> {
	const users = new Map<string, string>();
	for (const { name, hash, line } of parseSecretLines(text, /:/, "`name:hash`")) {
		if (!isPasswordHash(hash)) {
			throw new Error(
				`line ${line} has no hash of a known kind (bcrypt, argon2, $apr1$, {SHA}); make one with: htpasswd -nB NAME`,
			);
		}
		if (users.has(name)) throw new Error(`line ${line} has a user who is there already`);
		users.set(name, hash);
	}
	return users;
}

/**
 * Compiles a checked `auth.basic`. An unknown user costs as much time as a wrong password.
 * @throws Error when the file cannot be read any more
 */
export function basicCheck(config: BasicConfig, { readFile, states }: CheckDeps): Check {
	const users = parseUsersFile(readFile(config.users_file).toString("utf8"));
	const unknown = unknownUsers([...users.values()]);
	const header = config.forward_user;
	const realm = config.realm.replace(/["\\]/g, "\\$&");
	const headers = { "WWW-Authenticate": `Basic realm="${realm}", charset="UTF-8"` };
	const source = authorization("basic");

	const refusal = (): GatewayError => new GatewayError("BASIC_INVALID", undefined, { headers });
	const grant = (matches: boolean, user: string, request: GatewayRequest): Granted => {
		if (!matches) throw refusal();
		return {
			user,
			request: source.strip(request),
			headers: header === undefined ? undefined : [header, headerText(user)],
		};
	};
	return {
		name: "basic",
		reserved: header === undefined ? [] : [header],
		loginName: (request) => parseCredentials(source.find(request) ?? "")?.user,
		check({ request }) {
			const given = source.find(request);
			if (given === undefined) throw new GatewayError("BASIC_MISSING", undefined, { headers });
			const credentials = parseCredentials(given);
			if (credentials === undefined) throw refusal();
			const { user, password } = credentials;
			const known = users.get(user);
			const hash = known ?? unknown(user);
			if (hash === undefined) throw refusal();
			const matches = states.passwords.verify(password, hash);
			if (matches === true) return grant(known !== undefined, user, request);
			return matches.then((same) => grant(same && known !== undefined, user, request));
		},
	};
}

/**
 * What the passwords of unknown users are compared with: hashes that no password fits and that take as much time as those
 * of the file. Which one is taken depends on the name alone, so that where kinds and costs are mixed, an unknown name
 * looks like one of the users every time it is asked about.
 */
export function unknownUsers(hashes: readonly string[]): (user: string) => string | undefined {
	const dummies = hashes.map(hashOfNothing);
	const key = randomBytes(16);
	return (user) => {
		const number = createHmac("sha256", key).update(user).digest().readUInt32BE();
		return dummies[number % dummies.length];
	};
}

/** RFC 7617 §2: no control characters, and the first colon is the border. */
function parseCredentials(encoded: string): { user: string; password: string } | undefined {
	const text = Buffer.from(encoded, "base64").toString("utf8");
	const colon = text.indexOf(":");
	if (colon < 0 || colon === text.length - 1 || /\p{Cc}/u.test(text)) return undefined;
	return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
