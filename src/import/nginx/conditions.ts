/** Comparisons of nginx's variables (`if`, `map`) as conditions of `match`. */
import { isIP } from "node:net";
import { patternProblem } from "../../protocol/regex.ts";
import { exactPath, pathPattern, spellPath } from "./path-spelling.ts";
import {
	escapePattern,
	foldCase,
	hasChoice,
	matchesKnown,
	matchesPattern,
	type Pattern,
	patternText,
	translatePattern,
} from "./patterns.ts";
import type { Subject } from "./pcre-atoms.ts";
import { outsideOf } from "./ranges.ts";
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
	if (known !== undefined) {
		const held = holds(known, op, value);
		return held === undefined ? "unknown" : held ? "always" : "never";
	}
	// What is made of other variables cannot be compared here; in a pattern a $ is the end.
	if (/\$\w/.test(value) && !op.includes("~")) return "unknown";
	if (name === "host" || name === "http_host") return hostMatches(op, value);
	if (name === "uri" || name === "document_uri" || name === "request_uri") return pathMatches(name, op, value);
	if (name === "remote_addr" || name === "binary_remote_addr") return addressMatches(op, value);
	const place = placeOf(name);
	if (place === undefined) return "unknown";
	if (place.kind === "cookie") return cookieMatches(place.key, op, value);
	const tests = valueTests(op, value, place.kind === "header" ? "header" : "text");
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

function holds(known: string, op: Comparison["op"], value: string): boolean | undefined {
	if (op === "set") return known !== "" && known !== "0";
	if (op === "=" || op === "!=") return (known === value) === (op === "=");
	const found = matchesKnown(value, op.endsWith("*"), known);
	return found === undefined ? undefined : op.startsWith("!") ? !found : found;
}

/** The tests of a header or parameter, any of which has to pass; one that is not there is empty to nginx. */
function valueTests(op: Comparison["op"], value: string, subject: Subject): ValueTest[] | undefined {
	const exact = literal(value, subject);
	switch (op) {
		case "set":
			return [{ regex: "^(?!0$)." }];
		case "=":
			if (value === "") return [{ present: false }, { regex: "^$" }];
			return [exact === escapePattern(value) ? value : { regex: `^${exact}$` }];
		case "!=":
			return value === "" ? [{ regex: "." }] : [{ present: false }, { regex: `^(?!${exact}$)` }];
		default: {
			const { pattern } = translatePattern(value, op.endsWith("*"), subject);
			if (pattern === undefined) return undefined;
			const negative = op.startsWith("!");
			const whenEmpty = new RegExp(pattern.source).test("") !== negative;
			const regex = negative ? negated(pattern) : patternText(pattern);
			return whenEmpty ? [{ present: false }, { regex }] : [{ regex }];
		}
	}
}

/** A text as a pattern; a header's characters are the bytes that were sent. */
function literal(text: string, subject: Subject): string {
	return escapePattern(subject === "header" ? Buffer.from(text, "utf8").toString("latin1") : text);
}

function addressMatches(op: Comparison["op"], value: string): Outcome {
	if (isIP(value) === 0) return "unknown";
	if (op === "=") return [{ client_ip: [value] }];
	return op === "!=" ? [{ client_ip: outsideOf([value]) }] : "unknown";
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
	if (op === "=") {
		const isName = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(value);
		return isName ? [{ host: [value.toLowerCase()] }] : header(`(?i)^${escapePattern(value)}${port}`);
	}
	if (op === "!=") return header(`(?i)^(?!${escapePattern(value)}${port})`);
	const { pattern } = translatePattern(value, true, "header");
	if (pattern === undefined) return "unknown";
	const source = hostHeaderPattern(pattern.source);
	return header(op.startsWith("!") ? negated({ source, ignoreCase: true }) : `(?i)${source}`);
}

function pathMatches(name: string, op: Comparison["op"], value: string): Outcome {
	if (op === "set") return "always";
	// With the query, which is not part of what Clawgate compares, other requests are equal.
	const withQuery = name === "request_uri";
	if (op === "=" && value.startsWith("/"))
		return withQuery && value.includes("?") ? "unknown" : [exactPath(spellPath(value))];
	if (op === "!=" && value.startsWith("/") && !withQuery)
		return [{ path_regex: `^(?!${pathPattern(spellPath(value))}$)` }];
	if (!op.includes("~") || (withQuery && !(/^\^\/[\w/.-]*(?:\\.[\w/-]*)*$/.test(value) && op !== "!~" && op !== "!~*")))
		return "unknown";
	const { pattern } = translatePattern(value, op.endsWith("*"), "path");
	if (pattern === undefined) return "unknown";
	return [{ path_regex: op.startsWith("!") ? negated(pattern) : patternText(pattern) }];
}

/** nginx finds cookies without regard to the case of their name; one that is not there is empty. */
function cookieMatches(name: string, op: Comparison["op"], value: string): Outcome {
	const ignoreCase = op === "~*" || op === "!~*";
	const cookie = `${ignoreCase ? escapePattern(name) : foldCase(escapePattern(name))}=`;
	const pair = `(?:^|;\\s*)${cookie}`;
	const header = (source: string): Match[] => [{ headers: { Cookie: { regex: patternText({ source, ignoreCase }) } } }];
	const none = (source: string): Match[] => [{ headers: { Cookie: { present: false } } }, ...header(source)];
	const fits = (inner: string) => `${pair}${inner}(?:;|$)`;
	const fitsNot = (inner: string) => `^(?!(?:.*;)?\\s*${cookie}${inner}(?:;|$))`;
	switch (op) {
		case "set":
			return header(`${pair}(?!0(?:;|$))[^;]`);
		case "=":
			return value === "" ? none(fitsNot("[^;]+")) : header(fits(literal(value, "header")));
		case "!=":
			return value === "" ? header(`${pair}[^;]`) : none(fitsNot(literal(value, "header")));
		default: {
			const inner = insideCookie(value);
			if (inner === undefined || patternProblem(fits(inner)) || patternProblem(fitsNot(inner))) return "unknown";
			return op.startsWith("!") ? none(fitsNot(inner)) : header(fits(inner));
		}
	}
}

/** Nothing in it can be a semicolon. */
const WITHIN_COOKIE = /^(?:[\w-]|\\[.\-dw]|\[[\w-]+\]|\(\?:|[()|+*?]|\{\d+(?:,\d*)?\})+$/;

/** A pattern for a cookie's value as one for the whole value; undefined when it could go beyond, or an empty one fits. */
function insideCookie(value: string): string | undefined {
	const { pattern } = translatePattern(value, false, "header");
	if (pattern === undefined || pattern.ignoreCase || hasChoice(pattern.source)) return undefined;
	const body = pattern.source.replace(/^\^/, "").replace(/\$$/, "");
	if (!WITHIN_COOKIE.test(body) || matchesPattern({ source: `^(?:${body})$`, ignoreCase: false }, "")) return undefined;
	const [start, end] = [pattern.source.startsWith("^") ? "" : "[^;]*", pattern.source.endsWith("$") ? "" : "[^;]*"];
	return `${start}${body}${end}`;
}
