/** `proxy_set_header`, `proxy_hide_header`, `add_header`: headers on the way to the backend and back. */
import { headerName } from "./conditions.ts";
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import type { Target } from "./proxy-pass.ts";
import type { Scope } from "./scope.ts";
import { referencesIn } from "./variables.ts";

/** `request_headers` or `response_headers`. */
export interface HeaderRules {
	set?: Record<string, string>;
	/** nginx's add_header leaves what the backend sends beside it. */
	add?: Record<string, string | string[]>;
	remove?: string[];
}

export interface ProxyHeaders {
	/** `rewrite.host`; undefined is `preserve`. */
	readonly host: string | undefined;
	readonly request: HeaderRules;
	readonly response: HeaderRules;
	/** Whether nginx passes WebSockets on here. */
	readonly upgrades: boolean;
	/** Variables of `auth_request_set` whose header has the same name: `auth.forward.copy_headers`. */
	readonly copied: readonly string[];
}

/** What a location's headers are made from. */
export interface HeaderContext {
	readonly scope: Scope;
	readonly target: Target;
	/** Whether the target is the name of an `upstream`. */
	readonly isGroup: boolean;
	readonly serverName: string | undefined;
	/** Whether clients write the port into Host: the listener's is not the scheme's own. */
	readonly oddPort: boolean;
	readonly resolve: (text: string) => string;
	readonly notes: Notes;
}

/** Written by the gateway itself, or part of one connection. */
const OURS = new Set([
	"upgrade",
	"connection",
	"x-real-ip",
	"x-forwarded-for",
	"x-forwarded-proto",
	"x-forwarded-host",
	"x-forwarded-port",
	"x-request-id",
	"forwarded",
	"content-length",
	"transfer-encoding",
	"keep-alive",
	"te",
	"proxy-connection",
]);
/** Parts of the handshake pass anyway. */
const HANDSHAKE = /^sec-websocket-(?:key|version|accept|extensions|protocol)$/;
const NOT_TO_BE_SET = new Set([
	"upgrade",
	"connection",
	"content-length",
	"transfer-encoding",
	"keep-alive",
	"te",
	"trailer",
	"proxy-connection",
]);

/** What tells a backend the same as a variable. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
	[/\$scheme|\$https/, ": X-Forwarded-Proto tells the backend"],
	[/\$remote_addr|\$proxy_add_x_forwarded_for/, ": X-Real-IP and X-Forwarded-For tell the backend"],
	[/\$host|\$http_host/, ": X-Forwarded-Host tells the backend"],
	[/\$server_port/, ": X-Forwarded-Port tells the backend"],
	[/\$request_id/, ": X-Request-Id tells the backend"],
	[/\$ssl_client_/, ": with client_auth, X-Client-Verified, X-Client-Cert-Subject and -Fingerprint tell the backend"],
];

/** Reads the headers that hold in a location. */
export function proxyHeaders(context: HeaderContext): ProxyHeaders {
	const { scope, notes, resolve } = context;
	const request: HeaderRules = {};
	const copied: string[] = [];
	let host: string | undefined = defaultHost(context);
	let upgrades = false;
	for (const directive of scope.all("proxy_set_header")) {
		const [name = "", raw = ""] = directive.args;
		if (!isHeaderName(name, directive, notes)) continue;
		const lower = name.toLowerCase();
		const value = resolve(raw);
		if (lower === "upgrade") upgrades = value !== "";
		if (lower === "host") host = hostRule(value, directive, context);
		else if (HANDSHAKE.test(lower)) continue;
		else if (!value.includes("$")) setConstant(request, name, value);
		else if (OURS.has(lower)) continue;
		else if (value.toLowerCase() === `$http_${lower.replaceAll("-", "_")}`) continue;
		else if (isCopied(value, name, scope)) copied.push(name);
		else {
			const instead = INSTEAD.find(([pattern]) => pattern.test(value))?.[1];
			notes.add(
				directive,
				`its value is made of ${referencesIn(value)
					.map((one) => `$${one}`)
					.join(", ")} and is not carried over${instead ?? "; a constant can be written into request_headers.set"}`,
				"dropped",
			);
		}
	}
	return { host, request, response: responseHeaders(context), upgrades, copied };
}

/** nginx passes on whatever stands there. */
function isHeaderName(name: string, directive: Directive, notes: Notes): boolean {
	if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return true;
	notes.add(directive, "this is not the name of a header, so it is left out", "dropped");
	return false;
}

function setConstant(rules: HeaderRules, name: string, value: string): void {
	const lower = name.toLowerCase();
	if (NOT_TO_BE_SET.has(lower)) return;
	if (value !== "") {
		rules.set ??= {};
		rules.set[name] = value;
	} else if (!OURS.has(lower)) {
		rules.remove ??= [];
		rules.remove.push(name);
	}
}

function defaultHost({ target, isGroup }: HeaderContext): string {
	return isGroup ? target.authority : "upstream";
}

function hostRule(value: string, directive: Directive, context: HeaderContext): string | undefined {
	const { serverName, oddPort, notes } = context;
	switch (value) {
		case "$http_host":
			return undefined;
		case "$host":
			if (oddPort) notes.add(directive, "a port in the client's Host is passed on too, as with $http_host", "host");
			return undefined;
		case "$host:$server_port":
		case "$http_host:$server_port":
		case "$host:$proxy_port":
			notes.add(directive, "Host is passed on as the client wrote it, with a port only when there is one", "host");
			return undefined;
		case "$proxy_host":
			return defaultHost(context);
		case "$server_name":
			if (serverName !== undefined) return serverName;
			break;
		default:
			if (/^(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?$/.test(value)) return value;
	}
	notes.add(
		directive,
		"Host is passed on as the client wrote it: set rewrite.host to a name if the backend needs another",
		"host",
	);
	return undefined;
}

/** `auth_request_set $user $upstream_http_x_user;` and `proxy_set_header X-User $user;`. */
function isCopied(value: string, name: string, scope: Scope): boolean {
	const source = value.startsWith("$upstream_http_")
		? value
		: scope.all("auth_request_set").find(({ args }) => args[0] === value)?.args[1];
	return source !== undefined && headerName(source.replace("$upstream_http_", "")).toLowerCase() === name.toLowerCase();
}

function responseHeaders({ scope, resolve, notes }: HeaderContext): HeaderRules {
	const rules: HeaderRules = {};
	for (const directive of scope.all("proxy_hide_header")) {
		const [name = ""] = directive.args;
		if (!isHeaderName(name, directive, notes) || NOT_TO_BE_SET.has(name.toLowerCase())) continue;
		rules.remove ??= [];
		rules.remove.push(name);
	}
	for (const directive of scope.all("add_header")) {
		const [name = "", raw = ""] = directive.args;
		if (!isHeaderName(name, directive, notes)) continue;
		const value = resolve(raw);
		if (value.includes("$")) {
			notes.add(
				directive,
				"its value is made of variables: write a constant into response_headers.set, or let the backend send it",
				"dropped",
			);
		} else if (value !== "" && !NOT_TO_BE_SET.has(name.toLowerCase()) && !/^sec-websocket-/i.test(name)) {
			rules.add ??= {};
			const before = rules.add[name];
			rules.add[name] = before === undefined ? value : [before, value].flat();
		}
	}
	return rules;
}
