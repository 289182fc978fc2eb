/** `location` blocks as a tree: how each is compared with a path, and what is inside it. */
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import { spellPath } from "./path-spelling.ts";
import { type Pattern, translatePattern } from "./patterns.ts";
import type { Origin } from "./row.ts";
import { Scope } from "./scope.ts";

/** How a location is compared with a path. */
export type Test =
	| { readonly kind: "exact"; readonly path: string }
	/** A prefix of the text, not of segments. `firm` is `^~`: regular expressions are not looked at. */
	| { readonly kind: "prefix"; readonly path: string; readonly firm: boolean }
	| { readonly kind: "regex"; readonly pattern: Pattern };

export interface LocationNode {
	readonly test: Test;
	readonly scope: Scope;
	readonly origin: Origin;
	readonly children: readonly LocationNode[];
	/** Why all of its requests are refused: its expression has no counterpart, and `test` matches perhaps more. */
	readonly closed?: string | undefined;
}

/** The locations of a block, in the order of the file; named ones are never compared with a path. */
export function locationTree(scope: Scope, notes: Notes): LocationNode[] {
	return scope.own("location").flatMap((directive) => {
		const read = readTest(directive, notes);
		if (read === undefined) return [];
		const { test, closed } = read;
		const inner = new Scope(directive.block ?? [], scope);
		const words = directive.args
			.join(" ")
			.replace(/[\s\p{Cc}]+/gu, " ")
			.trim();
		const text = `location ${words}`;
		const label = test.kind === "prefix" ? test.path : test.kind === "exact" ? `= ${test.path}` : words;
		const { file, line, endLine } = directive;
		const origin = { file, line, endLine, text, label };
		const children = closed === undefined ? locationTree(inner, notes) : [];
		return [{ test, scope: inner, origin, children, closed }];
	});
}

function readTest(directive: Directive, notes: Notes): { test: Test; closed?: string } | undefined {
	const { args } = directive;
	let [modifier = "", path] = args as [string?, string?];
	if (path === undefined) {
		// `location =/x` and `location ~*\.php$` are possible without the blank.
		const joined = /^(=|\^~|~\*|~)(.+)$/.exec(modifier);
		[modifier, path] = joined ? [joined[1] as string, joined[2] as string] : ["", modifier];
	}
	switch (modifier) {
		case "=":
			return { test: { kind: "exact", path: spellPath(path) } };
		case "^~":
		case "":
			if (path.startsWith("@")) return undefined;
			return { test: { kind: "prefix", path: spellPath(path), firm: modifier === "^~" } };
		default: {
			const translated = translatePattern(path, modifier === "~*", "path");
			const { pattern, problem } = translated;
			if (pattern) return { test: { kind: "regex", pattern } };
			notes.add(
				directive,
				`${problem}; all requests that it could match are refused: rewrite the expression and import again`,
				"refused",
			);
			return { test: { kind: "regex", pattern: translated.wider }, closed: problem };
		}
	}
}
