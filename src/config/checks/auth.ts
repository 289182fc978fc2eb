/** `auth`: one key source whose algorithms fit, files that hold what they should, and nothing that excludes itself. */
import { resolve } from "node:path";
import { parseKeysFile } from "../../policy/api-key.ts";
import { parseUsersFile } from "../../policy/basic.ts";
import { algorithmsOf, PUBLIC_ALGORITHMS, parsePublicKey, SECRET_ALGORITHMS } from "../../policy/jwt-algorithms.ts";
import { withDefaults } from "../defaults.ts";
import { textOf } from "../files.ts";
import type { KeyPath, Problem } from "../problem.ts";
import { isMap, mapsAt, type RawMap, textsAt, valuesAt } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

/** Files and what reads them. */
const FILES: readonly (readonly [where: string, parse: (text: string) => unknown])[] = [
	["auth.jwt.public_key", parsePublicKey],
	["auth.api_key.keys_file", parseKeysFile],
	["auth.basic.users_file", parseUsersFile],
];

const KEY_SOURCES = ["jwks_url", "secret", "public_key"];
/** RFC 7518 §3.2: a key of the size of the hash at least. */
const SECRET_BYTES = 32;

export const auth: Check = (context) => [
	...FILES.flatMap(([where, parse]) =>
		[...textsAt(context.data, `defaults.${where}`), ...textsAt(context.data, `routes.*.${where}`)].flatMap(
			({ path, value }) => checkFile(context, path, value, parse),
		),
	),
	...textsAt(context.data, "hub_api.keys_file").flatMap(({ path, value }) =>
		checkFile(context, path, value, parseKeysFile),
	),
	...mapsAt(context.data, "routes.*").flatMap(({ path, value }) => checkRoute(context, path, value)),
];

function checkFile(context: CheckContext, path: KeyPath, file: string, parse: (text: string) => unknown): Problem[] {
	// One that cannot be read is reported by readable-files.ts.
	const text = textAt(context, file);
	if (text === undefined) return [];
	try {
		parse(text);
		return [];
	} catch (error) {
		return [context.source.problem(path, error instanceof Error ? error.message : String(error))];
	}
}

function checkRoute(context: CheckContext, path: KeyPath, route: RawMap): Problem[] {
	const defaults = isMap(context.data) && isMap(context.data.defaults) ? context.data.defaults : {};
	const merged = withDefaults(defaults.auth, route.auth);
	if (!isMap(merged)) return [];
	/** Where a key was written: in the route, or in `defaults`. */
	const at = (...keys: string[]): KeyPath =>
		valuesAt(route, ["auth", ...keys].join(".")).length > 0
			? [...path, "auth", ...keys]
			: ["defaults", "auth", ...keys];
	const problems: Problem[] = [];
	if (isMap(merged.jwt)) problems.push(...checkJwt(context, merged.jwt, (...keys) => at("jwt", ...keys)));
	if (
		isMap(merged.client_certificate) &&
		merged.client_certificate.required !== false &&
		!asksForCertificates(context)
	) {
		const message = "no listener asks for client certificates: set tls.client_auth and tls.client_ca of one";
		problems.push(context.source.problem(at("client_certificate"), message, { onKey: true }));
	}
	if (isMap(merged.jwt) && isMap(merged.basic) && readsAuthorization(merged.jwt.from)) {
		const message = "cannot stand next to jwt, which reads the same header; let jwt have its token from elsewhere";
		problems.push(context.source.problem(at("basic"), message, { onKey: true }));
	}
	return problems;
}

function asksForCertificates({ data }: CheckContext): boolean {
	return textsAt(data, "listeners.*.tls.client_auth").some(({ value }) => value === "request" || value === "require");
}

function checkJwt(context: CheckContext, jwt: RawMap, at: (...keys: string[]) => KeyPath): Problem[] {
	const { source } = context;
	const sources = KEY_SOURCES.filter((key) => jwt[key] !== undefined);
	const [first, second] = sources;
	if (first === undefined) return [source.problem(at(), "needs one of jwks_url, secret and public_key")];
	if (second !== undefined) {
		const message = `${second} cannot stand next to ${first}: write one of them`;
		return [source.problem(at(second), message, { onKey: true })];
	}
	const problems: Problem[] = [];
	if (typeof jwt.secret === "string" && jwt.secret !== "" && Buffer.byteLength(jwt.secret) < SECRET_BYTES) {
		const message = `a secret of less than ${SECRET_BYTES} bytes can be guessed (RFC 7518 section 3.2)`;
		problems.push(source.problem(at("secret"), message, { severity: "warning" }));
	}
	const possible: readonly string[] | undefined = possibleAlgorithms(context, jwt, first);
	if (possible === undefined || !Array.isArray(jwt.algorithms)) return problems;
	for (const [index, name] of jwt.algorithms.entries()) {
		if (possible.includes(name) || !KNOWN.includes(name)) continue;
		const message = `${name} does not fit ${first}; possible are ${possible.join(", ")}`;
		problems.push(source.problem([...at("algorithms"), index], message));
	}
	return problems;
}

/** Others are the schema's business. */
const KNOWN: readonly string[] = [...SECRET_ALGORITHMS, ...PUBLIC_ALGORITHMS];

/** Undefined when the key cannot be read. */
function possibleAlgorithms(context: CheckContext, jwt: RawMap, source: string): readonly string[] | undefined {
	if (source === "secret") return SECRET_ALGORITHMS;
	if (source === "jwks_url") return PUBLIC_ALGORITHMS;
	if (typeof jwt.public_key !== "string") return undefined;
	const text = textAt(context, jwt.public_key);
	try {
		return text === undefined ? undefined : algorithmsOf(parsePublicKey(text));
	} catch {
		// Reported with the file.
		return undefined;
	}
}

function readsAuthorization(from: unknown): boolean {
	if (from === undefined) return true;
	if (!Array.isArray(from)) return false;
	return from.some(
		(place) =>
			place === "header" ||
			(isMap(place) && typeof place.header === "string" && place.header.toLowerCase() === "authorization"),
	);
}

function textAt({ folder, read }: CheckContext, file: string): string | undefined {
	if (file === "" || file.includes("\0")) return undefined;
	return (textOf(read(resolve(folder, file))) as { text?: string }).text;
}
