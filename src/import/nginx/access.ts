/** Who may connect: `allow` and `deny`, `auth_request`, `auth_basic`. What cannot be said closes the location, it never opens it. */
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Directive } from "./directive.ts";
import type { LocationNode } from "./location-tree.ts";
import type { Notes } from "./notes.ts";
import { parseTarget } from "./proxy-pass.ts";
import { type AccessRule, accessLists, EVERYBODY } from "./ranges.ts";
import type { Scope } from "./scope.ts";
import type { Upstreams } from "./upstreams.ts";

/** Keys of a route, or why nobody may be let in. */
export type AccessFields =
	| { readonly fields: Record<string, unknown>; readonly closed?: undefined }
	| { readonly closed: Directive };

export interface AccessContext {
	readonly scope: Scope;
	/** The locations of the server, where `auth_request` leads. */
	readonly locations: readonly LocationNode[];
	readonly upstreams: Upstreams;
	readonly folder: string;
	readonly copied: readonly string[];
	readonly resolve: (text: string, scope: Scope) => string;
	readonly notes: Notes;
}

/** Checks of other kinds: without them everybody would get in. */
const CHECKS_WITHOUT_COUNTERPART = [
	"auth_jwt",
	"auth_oidc",
	"secure_link",
	"auth_digest",
	"auth_pam",
	"access_by_lua_block",
	"access_by_lua_file",
	"access_by_lua",
	"js_access",
];

/** Reads what holds in a location. */
export function access(context: AccessContext): AccessFields {
	const { scope, notes } = context;
	const fields: Record<string, unknown> = { ...addressLists(scope) };
	const auth: Record<string, unknown> = {};
	for (const name of CHECKS_WITHOUT_COUNTERPART) {
		const directive = scope.find(name);
		if (!directive || directive.args[0] === "off") continue;
		const advice = name === "auth_jwt" ? "auth.jwt does the same" : "see auth in the configuration reference";
		notes.add(
			directive,
			`this check is not carried over, so its locations are refused: ${advice}, then give them their upstream`,
			"refused",
		);
		return { closed: directive };
	}
	const request = scope.find("auth_request");
	if (request && request.args[0] !== "off") {
		const url = authUrl(request, context);
		if (url === undefined) {
			notes.add(
				request,
				"where this leads cannot be said as a URL, so its locations are refused: write auth.forward.url, then give them their upstream",
				"refused",
			);
			return { closed: request };
		}
		auth.forward = { url, ...(context.copied.length > 0 && { copy_headers: context.copied }) };
	}
	const basic = scope.find("auth_basic");
	const users = scope.value("auth_basic_user_file");
	if (basic && basic.args[0] !== "off") {
		if (users === undefined || users.includes("$")) {
			notes.add(basic, "there is no auth_basic_user_file that can be read, so its locations are refused", "refused");
			return { closed: basic };
		}
		const realm = basic.args[0] ?? "";
		auth.basic = {
			users_file: resolve(context.folder, users),
			...(/^[\x20-\x7e]{1,64}$/.test(realm) && !realm.includes("$") && { realm }),
		};
		notes.add(
			basic,
			"the file needs bcrypt or argon2 hashes (htpasswd -B); clawgate check says which lines have others",
			"dropped",
		);
	}
	const either = scope.find("satisfy");
	if (either?.args[0] === "any") {
		notes.add(
			either,
			"Clawgate asks for all that is configured, not for any of it: take away what is too much",
			"status",
		);
	}
	return { fields: Object.keys(auth).length > 0 ? { ...fields, auth } : fields };
}

/** Whether nobody gets in by address. */
export function deniesAll(scope: Scope): boolean {
	return isDeepStrictEqual(addressLists(scope), { deny: EVERYBODY });
}

/** The rules of the nearest block that has any, `allow` and `deny` in their order. */
function addressLists(scope: Scope): { allow?: string[]; deny?: string[] } {
	const own = scope.directives.filter(({ name }) => name === "allow" || name === "deny");
	if (own.length === 0) return scope.parent ? addressLists(scope.parent) : {};
	return accessLists(own.map(({ name, args }): AccessRule => ({ allow: name === "allow", range: args[0] ?? "" })));
}

/** The URL that the location of `auth_request` passes requests on to. */
function authUrl(request: Directive, { locations, upstreams, resolve }: AccessContext): string | undefined {
	const [path = ""] = request.args;
	const node = find(locations, path);
	const pass = node?.scope.own("proxy_pass")[0]?.args[0];
	const target = node && pass !== undefined ? parseTarget(resolve(pass, node.scope)) : undefined;
	const address = target && upstreams.addressOf(target);
	if (target === undefined || address === undefined || target.uri?.includes("$")) return undefined;
	return `${target.secure ? "https" : "http"}://${address}${target.uri ?? path}`;
}

function find(locations: readonly LocationNode[], path: string): LocationNode | undefined {
	const [plain] = path.split("?") as [string];
	const exact = locations.find(({ test }) => test.kind === "exact" && test.path === plain);
	if (exact) return exact;
	const prefixes = locations.filter(({ test }) => test.kind === "prefix" && plain.startsWith(test.path));
	return prefixes.sort((a, b) => b.origin.label.length - a.origin.label.length)[0];
}
