/** `log.template`: the variables that it may name, and how it is read. What their values are is telemetry's part. */
import { nearest } from "./nearest.ts";

/** The fields of the log lines, by their own names. */
const FIELD_VARIABLES = [
	"time",
	"level",
	"event",
	"connection_id",
	"trace_id",
	"client_ip",
	"peer_ip",
	"listener",
	"route",
	"upstream",
	"endpoint",
	"hub",
	"host",
	"path",
	"origin",
	"subprotocol",
	"user_agent",
	"http_version",
	"tls_version",
	"user",
	"attempts",
	"handshake_ms",
	"connect_ms",
	"close_code",
	"close_reason",
	"close_initiator",
	"termination",
	"client_close_code",
	"backend_close_code",
	"duration_ms",
	"bytes_in",
	"bytes_out",
	"messages_in",
	"messages_out",
	"topics",
	"publications_in",
	"publications_out",
	"method",
	"status",
	"code",
	"backend_status",
	"message",
] as const;

/** nginx's names for what the gateway knows too. */
const NGINX_VARIABLES = [
	"remote_addr",
	"realip_remote_addr",
	"remote_user",
	"time_local",
	"time_iso8601",
	"msec",
	"request",
	"request_method",
	"request_uri",
	"uri",
	"document_uri",
	"scheme",
	"server_protocol",
	"ssl_protocol",
	"bytes_sent",
	"body_bytes_sent",
	"http_host",
	"http_origin",
	"http_referer",
	"http_user_agent",
	"request_time",
	"request_id",
	"connection",
	"upstream_addr",
	"upstream_status",
	"upstream_connect_time",
	"pid",
	"hostname",
] as const;

export type LogVariable = (typeof FIELD_VARIABLES | typeof NGINX_VARIABLES)[number];

/** Every variable of `log.template`, without its `$`. */
export const LOG_VARIABLES: readonly LogVariable[] = [...FIELD_VARIABLES, ...NGINX_VARIABLES];

/** A piece of a template: text that stands in every line, or a variable. */
export type TemplatePart = string | { readonly variable: LogVariable };

export interface ParsedTemplate {
	readonly parts: readonly TemplatePart[];
	/** What is wrong, in words; empty when it can be used. */
	readonly mistakes: readonly string[];
}

const NEVER_LOGGED = "query strings, cookies and credentials are never logged";

/** nginx's variables that are left out on purpose, and what to do instead. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
	[/^(args|query_string|is_args|arg_.*|cookie_.*|http_(cookie|authorization|proxy_authorization))$/, NEVER_LOGGED],
	[
		/^(http_(x_forwarded_for|x_real_ip|forwarded)|proxy_add_x_forwarded_for|proxy_protocol_addr)$/,
		"$client_ip is the address that trusted_proxies and proxy_protocol lead to, $peer_ip who connected",
	],
	[
		/^upstream_(response|header|queue|first_byte|session)_time$/,
		"$request_time, $handshake_ms, $connect_ms and $attempts are measured",
	],
	[/^(bytes_received|request_length)$/, "$bytes_in is what came from the client after the head"],
	[/^(server_name|server_addr|server_port)$/, "$listener says where the client connected, $host what it asked for"],
	[/^http_.*/, "of the request's headers there are $http_host, $http_origin, $http_referer and $http_user_agent"],
];

/** `$name`, `${name}`, `$$` for a dollar sign, or a `$` with something else behind it. */
const VARIABLE = /\$(?:\{([^}]*)(\}?)|([A-Za-z_][A-Za-z0-9_]*)|(\$)|)/g;

/** Reads a template. */
export function parseLogTemplate(template: string): ParsedTemplate {
	const parts: TemplatePart[] = [];
	const mistakes: string[] = [];
	let end = 0;
	for (const match of template.matchAll(VARIABLE)) {
		if (match.index > end) parts.push(template.slice(end, match.index));
		end = match.index + match[0].length;
		const name = match[1] ?? match[3];
		if (match[4] !== undefined) parts.push("$");
		else if (!name || match[2] === "")
			mistakes.push("a $ needs a variable's name behind it; write $$ for a dollar sign");
		else if (isVariable(name)) parts.push({ variable: name });
		else mistakes.push(unknown(name));
	}
	if (end < template.length) parts.push(template.slice(end));
	if (/\p{Cc}/u.test(template)) mistakes.push("a line cannot hold line breaks, tabs or other control characters");
	if (parts.every((part) => typeof part === "string") && mistakes.length === 0) {
		mistakes.push("without a variable every line would be the same; $event or $client_ip is a beginning");
	}
	return { parts, mistakes };
}

function isVariable(name: string): name is LogVariable {
	return (LOG_VARIABLES as readonly string[]).includes(name);
}

function unknown(name: string): string {
	const reason = LEFT_OUT.find(([pattern]) => pattern.test(name))?.[1];
	const guess = reason === undefined ? nearest(name, LOG_VARIABLES) : undefined;
	if (guess !== undefined) return `there is no variable $${name}, did you mean $${guess}?`;
	return `there is no variable $${name}; ${reason ?? "docs/observability.md lists all of them"}`;
}
