/** Who may connect: `allow` and `deny`, `auth_request`, `auth_basic`. What cannot be said closes the location, it never opens it. */
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { readText } from "../../config/files.ts";
import { parseUsersFile } from "../../policy/basic.ts";
import type { Directive } from "./directive.ts";
import type { LocationNode } from "./location-tree.ts";
import type { Notes } from "./notes.ts";
import { proxyHeaders } from "./proxy-headers.ts";
import { parseTarget } from "./proxy-pass.ts";
import { type AccessRule, accessLists, EVERYBODY, rangesLetIn } from "./ranges.ts";
import type { Scope } from "./scope.ts";
import type { Upstreams } from "./upstreams.ts";

/** Keys of a route, or why nobody may be let in. */
export type AccessFields =
	| {
			readonly fields: Record<string, unknown>;
			/** Clients who need not pass `fields.auth` (`satisfy any`). */
			readonly free: readonly string[];
			readonly closed?: undefined;
	  }
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
	const lists = addressLists(scope);
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
		const question = authQuestion(request, context);
		if (question === undefined) {
			notes.add(
				request,
				"where this leads cannot be said as a URL, so its locations are refused: write auth.forward.url, then give them their upstream",
				"refused",
			);
			return { closed: request };
		}
		auth.forward = { ...question, ...(context.copied.length > 0 && { copy_headers: context.copied }) };
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
		const trouble = usersProblem(resolve(context.folder, users));
		if (trouble !== undefined) notes.add(basic, trouble, "dropped");
	}
	const checks = Object.keys(auth).length;
	if (checks === 0) return { fields: { ...lists }, free: [] };
	const either = scope.find("satisfy");
	if (either?.args[0] !== "any") return { fields: { ...lists, auth }, free: [] };
	if (checks > 1) {
		notes.add(
			either,
			"Clawgate asks for both kinds of auth, not for any of them: take away the one that is too much",
			"status",
		);
	}
	// Whom no rule has is asked for a password too.
	return { fields: { auth }, free: rangesLetIn(accessRules(scope)) };
}

/** Whether nobody gets in by address. */
export function deniesAll(scope: Scope): boolean {
	return isDeepStrictEqual(addressLists(scope), { deny: EVERYBODY });
}

/** What is wrong with an htpasswd file on this machine. */
function usersProblem(path: string): string | undefined {
	const file = readText(path);
	if (file.trouble !== undefined) return `cannot read ${path} here (${file.trouble}): clawgate check needs it`;
	try {
		parseUsersFile(file.text);
		return undefined;
	} catch (error) {
		return `${path}: ${(error as Error).message}; clawgate check wants it right`;
	}
}

/** The rules of the nearest block that has any, `allow` and `deny` in their order. */
function accessRules(scope: Scope): AccessRule[] {
	if (scope.own("allow").length + scope.own("deny").length === 0) return scope.parent ? accessRules(scope.parent) : [];
	const own = scope.directives.filter(({ name }) => name === "allow" || name === "deny");
	return own.map(({ name, args }): AccessRule => ({ allow: name === "allow", range: args[0] ?? "" }));
}

function addressLists(scope: Scope): { allow?: string[]; deny?: string[] } {
	return accessLists(accessRules(scope));
}

/** `auth.forward`, as far as the location of `auth_request` says it; undefined when there is no URL for it. */
function authQuestion(request: Directive, context: AccessContext): Record<string, unknown> | undefined {
	const { locations, upstreams, notes } = context;
	const [path = ""] = request.args;
	const node = find(locations, path);
	const pass = node?.scope.own("proxy_pass")[0];
	const resolve = (text: string) => (node ? context.resolve(text, node.scope) : text);
	const target = pass ? parseTarget(resolve(pass.args[0] ?? "")) : undefined;
	const address = target && upstreams.addressOf(target);
	if (!node || !pass || !target || address === undefined || target.uri?.includes("$")) return undefined;
	const isGroup = upstreams.isGroup(target);
	if (isGroup && upstreams.serversOf(target) > 1) {
		notes.add(pass, `only ${address} is asked, no other server of ${target.host}: give them one address`, "status");
	}
	const { host, request: headers } = proxyHeaders({
		...{ scope: node.scope, target, isGroup, serverName: undefined, oddPort: false, resolve },
		notes: context.notes,
	});
	if (host !== "upstream" && host !== target.authority) {
		notes.add(pass, `Host is ${address} in the question; X-Forwarded-Host has the client's`, "dropped");
	}
	const url = `${target.secure ? "https" : "http"}://${address}${target.uri ?? path}`;
	return { url, ...(Object.keys(headers).length > 0 && { request_headers: headers }) };
}

function find(locations: readonly LocationNode[], path: string): LocationNode | undefined {
	const [plain] = path.split("?") as [string];
	const exact = locations.find(({ test }) => test.kind === "exact" && test.path === plain);
	if (exact) return exact;
	const prefixes = locations.filter(({ test }) => test.kind === "prefix" && plain.startsWith(test.path));
	return prefixes.sort((a, b) => b.origin.label.length - a.origin.label.length)[0];
}
