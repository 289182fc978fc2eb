/** `match.host`: exact names and `*.` wildcards. */
import { z } from "zod";
import { oneOrMany } from "../../options.ts";
import { splitHost } from "../../protocol/target.ts";
import type { Matcher } from "./matcher.ts";

const hostPattern = z
	.string()
	.toLowerCase()
	.refine(isHostPattern, {
		error: "expected a host name without port such as chat.example.com, *.example.com (any name below it) or *",
	})
	.meta({ description: "chat.example.com, *.example.com or *" });

const options = {
	host: oneOrMany(hostPattern)
		.optional()
		.meta({ description: "the Host: exact names, *.example.com (one or more labels below it), * (any)" }),
};

/** `match.host`. */
export const host: Matcher<typeof options> = {
	options,
	compile(config) {
		if (config.host === undefined) return undefined;
		const { exact, suffixes, any } = sortHosts(config.host);
		if (any) return undefined;
		const names = new Set(exact);
		const expected = config.host.join(", ");
		return {
			test: (request) => names.has(request.host) || suffixes.some((suffix) => isBelow(request.host, suffix)),
			reason: () => `host is not ${config.host?.length === 1 ? "" : "one of "}${expected}`,
		};
	},
};

/** Host patterns by kind, as they are compared with `request.host`. */
export interface HostPatterns {
	readonly exact: readonly string[];
	/** With the leading dot: `.example.com`. */
	readonly suffixes: readonly string[];
	readonly any: boolean;
}

/** Sorts checked patterns by kind. */
export function sortHosts(patterns: readonly string[]): HostPatterns {
	const wildcards = patterns.filter((pattern) => pattern.startsWith("*."));
	return {
		exact: patterns.filter((pattern) => !pattern.startsWith("*")).map(plainHost),
		suffixes: wildcards.map((pattern) => `.${plainHost(pattern.slice(2))}`),
		any: patterns.includes("*"),
	};
}

/** Whether a name is below a suffix: at least one character, and so one label, stands before the dot. */
function isBelow(name: string, suffix: string): boolean {
	return name.length > suffix.length && name.endsWith(suffix);
}

function plainHost(name: string): string {
	return splitHost(name)?.host ?? name;
}

function isHostPattern(pattern: string): boolean {
	if (pattern === "*") return true;
	const name = pattern.startsWith("*.") ? pattern.slice(2) : pattern;
	return !/:\d*$/.test(name.slice(name.lastIndexOf("]") + 1)) && splitHost(name) !== undefined;
}
