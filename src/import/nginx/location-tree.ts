/** `location` blocks as a tree: how each is compared with a path, and what is inside it. */
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
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
}

/** The locations of a block, in the order of the file; named ones are never compared with a path. */
export function locationTree(scope: Scope, notes: Notes): LocationNode[] {
	return scope.own("location").flatMap((directive) => {
		const test = readTest(directive, notes);
		if (test === undefined) return [];
		const inner = new Scope(directive.block ?? [], scope);
		const text = `location ${directive.args.join(" ")}`;
		const label =
			test.kind === "prefix" ? test.path : test.kind === "exact" ? `= ${test.path}` : directive.args.join(" ");
		const { file, line, endLine } = directive;
		return [{ test, scope: inner, origin: { file, line, endLine, text, label }, children: locationTree(inner, notes) }];
	});
}

function readTest(directive: Directive, notes: Notes): Test | undefined {
	const { args } = directive;
	let [modifier = "", path] = args as [string?, string?];
	if (path === undefined) {
		// `location =/x` and `location ~*\.php$` are possible without the blank.
		const joined = /^(=|\^~|~\*|~)(.+)$/.exec(modifier);
		[modifier, path] = joined ? [joined[1] as string, joined[2] as string] : ["", modifier];
	}
	switch (modifier) {
		case "=":
			return { kind: "exact", path: decodePath(path) };
		case "^~":
		case "":
			return path.startsWith("@") ? undefined : { kind: "prefix", path: decodePath(path), firm: modifier === "^~" };
		default: {
			const { pattern, problem } = translatePattern(path, modifier === "~*");
			if (pattern) return { kind: "regex", pattern };
			notes.add(
				directive,
				`${problem}; requests for it go to the locations after it: rewrite the expression and import again`,
				"backend",
			);
			return undefined;
		}
	}
}

/** A location is compared with the decoded path; Clawgate's rules are written encoded. */
function decodePath(path: string): string {
	return encodeURI(path).replaceAll("%25", "%").replaceAll("%5B", "[").replaceAll("%5D", "]");
}
