/** What nginx does before it looks for a backend: `return`, `rewrite`, `if`. Those requests are refused. */

import { complement } from "./complement.ts";
import { type Comparison, type Outcome, readComparison, whenTrue } from "./conditions.ts";
import type { ImportContext } from "./context.ts";
import type { Directive } from "./directive.ts";
import { matchesKnown, patternText, translatePattern } from "./patterns.ts";
import { both, type Match } from "./row.ts";
import type { Scope } from "./scope.ts";

/** Requests that are refused, and why. */
export interface Refusal {
	readonly match: Match;
	readonly reason: string;
}

/** What a block's `return`, `rewrite` and `if` come to. */
export interface Refusals {
	/** In their order; the first one that matches counts. */
	readonly refusals: readonly Refusal[];
	/** All that is left is refused too, for this reason. */
	readonly closed?: string | undefined;
	/** `rewrite … break`, for the request to the backend. */
	readonly rewrites: readonly Directive[];
}

/** Reads a server or location block. */
export function refusals(scope: Scope, context: ImportContext): Refusals {
	const { notes } = context;
	const found: Refusal[] = [];
	const rewrites: Directive[] = [];
	for (const directive of scope.directives) {
		if (directive.name === "return") {
			return { refusals: found, closed: noteReturn(directive, context), rewrites };
		}
		if (directive.name === "rewrite") {
			if (directive.args[2] === "break") rewrites.push(directive);
			else {
				const refused = refusedRewrite(directive, context);
				if (refused === "closed") return { refusals: found, closed: `rewrite ${directive.args[0] ?? ""}`, rewrites };
				found.push(...refused);
			}
		}
		if (directive.name !== "if") continue;
		const outcome = refusedIf(directive, context);
		if (outcome === "closed") {
			notes.add(
				directive,
				"what this refuses cannot be said in a route, so all of its requests are refused: see match and auth, then give them their upstream",
				"refused",
			);
			return { refusals: found, closed: `if ${directive.args.join(" ")}`, rewrites };
		}
		if (outcome === "always") {
			const inner = (directive.block ?? []).find(({ name }) => name === "return" || name === "rewrite") ?? directive;
			return { refusals: found, closed: noteReturn(inner, context), rewrites };
		}
		found.push(...outcome);
	}
	return { refusals: found, rewrites };
}

/** Says that a block is answered by nginx itself, unless it is a plain refusal. */
function noteReturn(directive: Directive, { notes }: ImportContext): string {
	const [status = ""] = directive.args;
	const words = `${directive.name} ${directive.args.join(" ").replace(/\s+/g, " ").trim()}`.slice(0, 60);
	if (directive.name !== "return" || !/^4\d\d$/.test(status)) {
		notes.add(
			directive,
			"nginx answers this by itself; Clawgate refuses it with 403: let a backend, or what is in front, answer it",
			"refused",
		);
	} else if (status === "444") {
		notes.add(directive, "nginx closes the connection without an answer; Clawgate answers 403 or 404", "status");
	}
	return words;
}

function refusedRewrite(directive: Directive, { notes }: ImportContext): Refusal[] | "closed" {
	const [source = "", replacement = ""] = directive.args;
	const { pattern, problem } = translatePattern(source, false, "path");
	if (problem !== undefined) {
		notes.add(directive, `${problem}; all requests that get here are refused: rewrite the expression`, "refused");
		return "closed";
	}
	const leads =
		/^(?:https?:\/\/|\$scheme)/.test(replacement) || /^(?:redirect|permanent)$/.test(directive.args[2] ?? "");
	notes.add(
		directive,
		leads
			? "nginx answers this with a redirect; Clawgate refuses it: let a backend answer it"
			: "nginx looks for another location with the new path; Clawgate refuses it: write a route with rewrite.path_regex by hand",
		"refused",
	);
	return [{ match: { path_regex: patternText(pattern) }, reason: `rewrite ${source}` }];
}

/** Requests that an `if` refuses. `closed` when it refuses some and nobody can say which. */
function refusedIf(directive: Directive, context: ImportContext): Refusal[] | "closed" | "always" {
	const refusing = (directive.block ?? []).find(isRefusing);
	const comparison = readComparison(directive.args);
	if (refusing === undefined) {
		noteHarmless(directive, context);
		return [];
	}
	const outcome = comparison === undefined ? "unknown" : outcomeOf(comparison, context);
	if (outcome === "never") return [];
	if (outcome === "unknown") {
		const aboutMethods = comparison?.subject === "$request_method" && !holdsForGet(comparison, context);
		return aboutMethods ? notedMethods(directive, context) : "closed";
	}
	if (outcome === "always") return "always";
	const reason = noteReturn(refusing, context);
	return outcome.map((match) => ({ match, reason: `if ${directive.args.join(" ")}: ${reason}` }));
}

function notedMethods(directive: Directive, { notes }: ImportContext): Refusal[] {
	notes.add(
		directive,
		"methods are not compared: WebSockets use GET; plain HTTP requests with other methods are passed on",
		"status",
	);
	return [];
}

function holdsForGet({ op, value }: Comparison, { arrival }: ImportContext): boolean {
	// Compared as if it were a header whose value is GET.
	const outcome = whenTrue({ subject: "$http_method", op, value }, arrival);
	if (typeof outcome === "string") return outcome !== "never";
	return outcome.some(({ headers }) => {
		const test = headers?.Method;
		if (typeof test === "string") return test === "GET";
		return (
			test !== undefined &&
			"regex" in test &&
			new RegExp(test.regex.replace(/^\(\?i\)/, ""), test.regex.startsWith("(?i)") ? "i" : "").test("GET")
		);
	});
}

/** Also of a variable that a `map` sets. */
export function outcomeOf(comparison: Comparison, { variables, arrival }: ImportContext): Outcome {
	const direct = whenTrue(comparison, arrival);
	if (direct !== "unknown") return direct;
	const choices = variables.choices(comparison.subject.slice(1), arrival);
	if (choices === undefined) return "unknown";
	const holds = (value: string): boolean | undefined => {
		if (comparison.op === "set") return value !== "" && value !== "0";
		if (comparison.op === "=" || comparison.op === "!=")
			return (value === comparison.value) === (comparison.op === "=");
		const found = matchesKnown(comparison.value, comparison.op.endsWith("*"), value);
		return found === undefined ? undefined : found !== comparison.op.startsWith("!");
	};
	// A value that is made of others is not known here.
	if (choices.some(({ value }) => value.includes("$") || holds(value) === undefined)) return "unknown";
	const found: Match[] = [];
	// The first entry that a request fits counts, so it must not fit those before with another outcome.
	let others: { match: Match; exact: boolean }[] = [];
	for (const { when, value, exact = false } of choices) {
		if (when === "never") continue;
		const matches = when === "always" ? [{}] : (when as readonly Match[]);
		if (!holds(value)) {
			others = [...others, ...matches.map((match) => ({ match, exact }))];
			continue;
		}
		const before = others.filter((other) => !(exact && other.exact)).map(({ match }) => match);
		const left = before.length === 0 ? [{}] : complement(before);
		if (left === undefined) return "unknown";
		for (const match of matches) {
			for (const rest of left) {
				const whole = both(match, rest);
				if (whole === "unwritable") return "unknown";
				if (whole !== "never") found.push(whole);
			}
		}
	}
	return found.length === 0 ? "never" : found.some((match) => Object.keys(match).length === 0) ? "always" : found;
}

function isRefusing({ name, args }: Directive): boolean {
	return name === "return" || name === "deny" || (name === "rewrite" && args[2] !== "break");
}

/** An `if` that refuses nobody: what is in it is not carried over, `set` and `proxy_pass` aside. */
function noteHarmless(directive: Directive, { notes }: ImportContext): void {
	const inside = (directive.block ?? []).filter(({ name }) => !/^(?:set|proxy_pass|break)$/.test(name));
	for (const inner of inside) {
		notes.add(
			inner,
			"inside an if it is not carried over: write a route with these headers in match",
			inner.name === "rewrite" ? "path" : "dropped",
		);
	}
}
