/** Comparisons of nginx's variables (`if`, `map`) as conditions of `match`. */
import { escapePattern, type Pattern, patternText, translatePattern } from "./patterns.ts";
import type { Match, ValueTest } from "./row.ts";
import { hostHeaderPattern } from "./server-names.ts";

/** `subject op value`; `set` is `if ($variable)`. */
export interface Comparison {
	/** With its `$`. */
	readonly subject: string;
	readonly op: "=" | "!=" | "~" | "~*" | "!~" | "!~*" | "set";
	readonly value: string;
}

/** What is known about the address that the requests came to. */
export interface Arrival {
	readonly ssl: boolean;
	readonly port: number;
}

/** Any of these; `always` and `never` are known already; `unknown` cannot be said in a `match`. */
export type Outcome = readonly Match[] | "always" | "never" | "unknown";

/** Reads the arguments of an `if`. */
export function readComparison(args: readonly string[]): Comparison | undefined {
	const words = args.join(" ").replace(/^\(\s*|\s*\)$/g, "");
	const match = /^(\$\w+)(?:\s*(!~\*|!~|!=|~\*|~|=)\s*([\s\S]*))?$/.exec(words);
	if (!match) return undefined;
	const [, subject, op = "set", value = ""] = match as unknown as [string, string, Comparison["op"]?, string?];
	// The tokens are without quotes when the value was one word; nested quotes stay.
	return { subject, op, value: value.replace(/^"(.*)"$/, "$1") };
}

/** Which requests a comparison is true for. */
export function whenTrue({ subject, op, value }: Comparison, arrival: Arrival): Outcome {
	const name = subject.slice(1);
	const known = knownValue(name, arrival);
	if (known !== undefined) return holds(known, op, value) ? "always" : "never";
	if (name === "host" || name === "http_host") return hostMatches(op, value);
	if (name === "uri" || name === "document_uri" || name === "request_uri") return pathMatches(name, op, value);
	if (name === "remote_addr") return op === "=" ? [{ client_ip: [value] }] : "unknown";
	const place = placeOf(name);
	if (place === undefined) return "unknown";
	if (place.kind === "cookie") return cookieMatches(place.key, op, value);
	const tests = valueTests(op, value);
	if (tests === undefined) return "unknown";
	return tests.map((test) =>
		place.kind === "header" ? { headers: { [place.key]: test } } : { query: { [place.key]: test } },
	);
}

/** A header's usual spelling: `x_real_ip` is X-Real-Ip. */
export function headerName(variable: string): string {
	return variable
		.split("_")
		.map((part) => part.charAt(0).toUpperCase() + part.slice(1))
		.join("-");
}

function placeOf(name: string): { kind: "header" | "query" | "cookie"; key: string } | undefined {
	if (name.startsWith("http_")) return { kind: "header", key: headerName(name.slice(5)) };
	if (name.startsWith("arg_")) return { kind: "query", key: name.slice(4) };
	return name.startsWith("cookie_") ? { kind: "cookie", key: name.slice(7) } : undefined;
}

function knownValue(name: string, { ssl, port }: Arrival): string | undefined {
	if (name === "scheme") return ssl ? "https" : "http";
	if (name === "https") return ssl ? "on" : "";
	if (name === "ssl_protocol" && !ssl) return "";
	return name === "server_port" ? String(port) : undefined;
}

function holds(known: string, op: Comparison["op"], value: string): boolean {
	if (op === "set") return known !== "" && known !== "0";
	if (op === "=" || op === "!=") return (known === value) === (op === "=");
	const { pattern } = translatePattern(value, op.endsWith("*"));
	const found = pattern !== undefined && new RegExp(pattern.source, pattern.ignoreCase ? "i" : "").test(known);
	return op.startsWith("!") ? !found : found;
}

/** The tests of a header or parameter, any of which has to pass; one that is not there is empty to nginx. */
function valueTests(op: Comparison["op"], value: string): ValueTest[] | undefined {
	switch (op) {
		case "set":
			return [{ regex: "^(?!0$)." }];
		case "=":
			return value === "" ? [{ present: false }, { regex: "^$" }] : [value];
		case "!=":
			return value === "" ? [{ regex: "." }] : [{ present: false }, { regex: `^(?!${escapePattern(value)}$)` }];
		default: {
			const { pattern } = translatePattern(value, op.endsWith("*"));
			if (pattern === undefined) return undefined;
			const negative = op.startsWith("!");
			const whenEmpty = new RegExp(pattern.source).test("") !== negative;
			const regex = negative ? negated(pattern) : patternText(pattern);
			return whenEmpty ? [{ present: false }, { regex }] : [{ regex }];
		}
	}
}

/** Texts in which the pattern is not found. */
function negated({ source, ignoreCase }: Pattern): string {
	return patternText({ source: `^(?!.*?(?:${source}))`, ignoreCase });
}

function hostMatches(op: Comparison["op"], value: string): Outcome {
	const port = "(?::\\d+)?$";
	const header = (regex: string): Match[] => [{ headers: { Host: { regex } } }];
	if (op === "set") return "always";
	if (value === "") return "unknown";
	if (op === "=") return [{ host: [value.toLowerCase()] }];
	if (op === "!=") return header(`(?i)^(?!${escapePattern(value)}${port})`);
	const { pattern } = translatePattern(value, true);
	if (pattern === undefined) return "unknown";
	const source = hostHeaderPattern(pattern.source);
	return header(op.startsWith("!") ? negated({ source, ignoreCase: true }) : `(?i)${source}`);
}

function pathMatches(name: string, op: Comparison["op"], value: string): Outcome {
	if (op === "=" && value.startsWith("/")) return [{ path: value }];
	if (op === "!=" && value.startsWith("/")) return [{ path_regex: `^(?!${escapePattern(value)}$)` }];
	// The query is not part of what Clawgate compares.
	if (!op.includes("~") || (name === "request_uri" && value.includes("\\?"))) return "unknown";
	const { pattern } = translatePattern(value, op.endsWith("*"));
	if (pattern === undefined) return "unknown";
	return [{ path_regex: op.startsWith("!") ? negated(pattern) : patternText(pattern) }];
}

function cookieMatches(name: string, op: Comparison["op"], value: string): Outcome {
	const pair = `(?:^|;\\s*)${escapePattern(name)}=`;
	const header = (regex: string): Match[] => [{ headers: { Cookie: { regex } } }];
	if (op === "=" && value !== "") return header(`${pair}${escapePattern(value)}(?:;|$)`);
	if (op === "set") return header(`${pair}(?!0(?:;|$))[^;]`);
	if (op === "!=" && value === "") return header(`${pair}[^;]`);
	return "unknown";
}
