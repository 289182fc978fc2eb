/** How an `upstream` block chooses a server: `ip_hash`, `least_conn`, `hash`, `random`, `sticky`. */
import { headerName } from "./conditions.ts";
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import { durationText, parseTime } from "./units.ts";

/** Keys of an upstream. */
export type BalancingFields = Record<string, unknown>;

const MOVES = "clients get another server than before once, since the hash is another one";

/** Reads the policy and the stickiness of a block. */
export function balancing(block: readonly Directive[], notes: Notes): BalancingFields {
	const fields: BalancingFields = {};
	for (const directive of block) {
		const { name, args } = directive;
		switch (name) {
			case "ip_hash":
				fields.load_balancing = { policy: "consistent_hash", hash_on: "client_ip" };
				notes.add(
					directive,
					`clients are told apart by their whole address, not by the first three bytes; ${MOVES}`,
					"backend",
				);
				break;
			case "least_conn":
				fields.load_balancing = { policy: "least_connections" };
				break;
			case "least_time":
				fields.load_balancing = { policy: "least_connections" };
				notes.add(
					directive,
					"least_connections is used: for long connections their number tells more than answer times",
					"backend",
				);
				break;
			case "random":
				fields.load_balancing = { policy: args[0] === "two" ? "p2c" : "random" };
				break;
			case "hash":
				hash(directive, fields, notes);
				break;
			case "sticky":
				sticky(directive, fields, notes);
				break;
		}
	}
	return fields;
}

function hash(directive: Directive, fields: BalancingFields, notes: Notes): void {
	const [key = "", ...flags] = directive.args;
	const source = hashSource(key.replace(/\$\{(\w+)\}/g, "$$$1"));
	if (source === undefined) {
		notes.add(
			directive,
			`${key} cannot be hashed: client_ip is used; see hash_on for cookies, headers and query parameters`,
			"backend",
		);
	} else if (/^\$(?:arg|http|cookie)_/.test(key)) {
		const words = `requests without ${key} are spread, not all sent to one server; ${MOVES}`;
		notes.add(directive, words, "backend");
	} else if (/^\$request_uri$/.test(key))
		notes.add(directive, `the path without the query is hashed; ${MOVES}`, "backend");
	else notes.add(directive, flags.includes("consistent") ? MOVES : `${MOVES}; from now on it is consistent`, "backend");
	fields.load_balancing = { policy: "consistent_hash", hash_on: source ?? "client_ip" };
}

function hashSource(key: string): unknown {
	if (/^\$(?:binary_)?remote_addr$/.test(key)) return "client_ip";
	if (/^\$(?:request_uri|uri|document_uri)$/.test(key)) return "path";
	const [, kind, name] = /^\$(arg|http|cookie)_(\w+)$/.exec(key) ?? [];
	if (name === undefined) return undefined;
	if (kind === "arg") return [{ query: name }];
	return kind === "http" ? [{ header: headerName(name) }] : [{ cookie: name }];
}

function sticky(directive: Directive, fields: BalancingFields, notes: Notes): void {
	const [kind, ...args] = directive.args;
	// The module for nginx without support is used as `sticky name=route expires=1h`.
	const options = kind === "cookie" ? args.slice(1) : [kind ?? "", ...args];
	if (kind === "route" || kind === "learn") {
		notes.add(
			directive,
			`sticky ${kind}: a cookie of Clawgate's own is used; sticky: socketio does it without one for Socket.IO`,
			"backend",
		);
		fields.sticky = { cookie: {} };
		return;
	}
	const cookie: Record<string, unknown> = {};
	const named = kind === "cookie" ? args[0] : options.find((option) => option.startsWith("name="))?.slice(5);
	if (named !== undefined) cookie.name = named;
	for (const option of options) {
		const [key, value = ""] = option.split("=") as [string, string?];
		if (key === "expires") {
			const ms = parseTime(value);
			if (ms !== undefined) cookie.ttl = durationText(Math.max(1000, ms));
		} else if (key === "domain" || key === "path") cookie[key] = value;
		else if (key === "secure") cookie.secure = true;
		else if (key === "samesite" && /^(?:lax|strict|none)$/i.test(value)) cookie.same_site = value.toLowerCase();
	}
	if (kind === "cookie" && !options.includes("httponly")) cookie.http_only = false;
	if (cookie.same_site === "none") cookie.secure = true;
	notes.add(directive, "cookies that nginx gave out are not known: clients are balanced anew once", "backend");
	fields.sticky = { cookie };
}
