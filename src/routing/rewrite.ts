/** `routes[].rewrite`: what the backend is asked for instead of what the client asked for. */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { compilePattern, groupCount, pattern } from "../protocol/regex.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { behindPrefix, equivalentPath, parseTarget, splitHost } from "../protocol/target.ts";
import { compileAnswerRewrite } from "./answer-rewrite.ts";
import { pathProblem, plainPrefix, startsWithSegments } from "./paths.ts";

const prefixText = z.string().superRefine((path, context) => {
	const problem = pathProblem(path);
	if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: path });
});

const targetText = z.string().refine((text) => parseTarget(text) !== undefined, {
	error: "expected a path that starts with /, percent-encoded, without dot segments or fragment",
});

const hostText = z.string().refine((text) => splitHost(text) !== undefined, {
	error: "expected preserve, upstream or a host name with an optional port",
});

const PATH_OPERATIONS = ["strip_prefix", "path", "path_regex"] as const;

/** Option schema of `rewrite`. */
export const rewriteOptions = z
	.strictObject({
		strip_prefix: prefixText.optional().meta({ description: "whole segments to cut from the start of the path" }),
		path: targetText
			.optional()
			.meta({ description: "the path to ask for, whatever the client's is; the query is kept" }),
		path_regex: pattern.optional().meta({ description: "the part of the path that replacement stands for" }),
		replacement: z
			.string()
			.optional()
			.meta({ description: "what replaces path_regex, with $1, $<name>; after a ? it adds to the query" }),
		location: z.boolean().default(false).meta({
			description:
				"gives the prefix back: Location and the Path of Set-Cookie in the backend's answers get strip_prefix in front, unless it is there; a Location with the backend's own host becomes a path",
		}),
		host: z
			.union([z.enum(["preserve", "upstream"]), hostText])
			.default("preserve")
			.meta({ description: "the Host for the backend: the client's (preserve), the endpoint's (upstream) or a name" }),
	})
	.superRefine((rewrite, context) => {
		const issue = (key: string, message: string) =>
			context.addIssue({ code: "custom", message, path: [key], input: rewrite });
		const [first, second] = PATH_OPERATIONS.filter((key) => rewrite[key] !== undefined);
		if (second !== undefined) issue(second, `${second} cannot stand next to ${first}: write one of them`);
		if (rewrite.location && first !== undefined && first !== "strip_prefix")
			issue("location", `location cannot stand next to ${first}: only the way back of strip_prefix is known`);
		const { path_regex: source, replacement } = rewrite;
		if (source !== undefined && replacement === undefined) issue("path_regex", "path_regex needs a replacement");
		if (source === undefined && replacement !== undefined) issue("replacement", "replacement needs a path_regex");
		if (source === undefined || replacement === undefined) return;
		const problem = replacementProblem(source, replacement);
		if (problem !== undefined) issue("replacement", problem);
	})
	.meta({ description: "what the backend is asked for" });

export type RewriteConfig = z.output<typeof rewriteOptions>;

/** A compiled `rewrite`. */
export interface CompiledRewrite {
	/**
	 * The request target for the backend: path and, after `?`, the query.
	 * @throws GatewayError BAD_TARGET when the rewritten target is not one that this gateway would accept itself
	 */
	target(request: GatewayRequest): string;
	/** The Host for the backend. `endpointAuthority` is the chosen endpoint's `host[:port]`. */
	host(request: GatewayRequest, endpointAuthority: string): string;
	/** What `location` makes of the headers (a raw list) of the backend's answer; undefined without it. */
	readonly answer:
		| ((raw: readonly string[], request: GatewayRequest, endpointAuthority: string) => readonly string[])
		| undefined;
}

/** Compiles a checked `rewrite`; undefined forwards the client's bytes. */
export function compileRewrite(config?: RewriteConfig): CompiledRewrite {
	const host = compileHost(config?.host ?? "preserve");
	return { target: compileTarget(config), host, answer: compileAnswer(config, host) };
}

function compileAnswer(config: RewriteConfig | undefined, host: CompiledRewrite["host"]): CompiledRewrite["answer"] {
	if (!config?.location) return undefined;
	const rewrite = compileAnswerRewrite(plainPrefix(config.strip_prefix ?? "/"));
	return (raw, request, endpointAuthority) =>
		rewrite(raw, [endpointAuthority, host(request, endpointAuthority), request.authority]);
}

function compileHost(name: string): CompiledRewrite["host"] {
	if (name === "preserve") return (request, endpointAuthority) => request.authority || endpointAuthority;
	if (name === "upstream") return (_request, endpointAuthority) => endpointAuthority;
	return () => name;
}

function compileTarget(config: RewriteConfig | undefined): CompiledRewrite["target"] {
	const path = compilePath(config);
	if (path === undefined) return (request) => join(request.path, request.query);
	return (request) => {
		const rewritten = path(request);
		const target = join(rewritten, request.query);
		if (parseTarget(target)) return target;
		throw new GatewayError("BAD_TARGET", "the route's rewrite makes a request target that is not valid", {
			hint: "this path cannot be rewritten to a valid one for the backend",
		});
	};
}

/** How the path is made; it may bring a query of its own. Undefined when it is left alone. */
function compilePath(config: RewriteConfig | undefined): ((request: GatewayRequest) => string) | undefined {
	if (config?.path !== undefined) {
		const { path } = config;
		return () => path;
	}
	if (config?.strip_prefix !== undefined) {
		const prefix = plainPrefix(config.strip_prefix);
		// The bytes behind the prefix are kept as they were sent, however the prefix is spelled.
		return ({ path, matchPath }) => {
			if (startsWithSegments(path, prefix)) return oneSlash(path.slice(prefix.length));
			return startsWithSegments(matchPath, prefix)
				? oneSlash(behindPrefix(path, prefix).replace(/^(?:\/|%2f)+/i, "/"))
				: path;
		};
	}
	if (config?.path_regex !== undefined && config.replacement !== undefined) {
		const compiled = compilePattern(config.path_regex);
		const { replacement } = config;
		return ({ path }) => {
			if (compiled.test(path, "path")) return oneSlash(path.replace(compiled.regex, replacement));
			const equivalent = equivalentPath(path);
			return compiled.test(equivalent, "path") ? oneSlash(equivalent.replace(compiled.regex, replacement)) : path;
		};
	}
	return undefined;
}

/** Exactly one slash at the start: `//evil/x` would be a network-path reference (RFC 3986 §4.2) to a careless backend. */
function oneSlash(path: string): string {
	let start = 0;
	while (path.charCodeAt(start) === 0x2f) start++;
	return start === 1 ? path : `/${path.slice(start)}`;
}

function join(path: string, query: string | undefined): string {
	if (query === undefined) return path;
	if (!path.includes("?")) return `${path}?${query}`;
	if (query === "") return path;
	return path.endsWith("?") || path.endsWith("&") ? path + query : `${path}&${query}`;
}

function replacementProblem(source: string, replacement: string): string | undefined {
	if (/[^\x21-\x7e]|[\\#]/.test(replacement))
		return "a replacement has no spaces, control characters, backslashes or #; percent-encode them";
	const groups = groupCount(source);
	for (const [reference, digit] of replacement.replaceAll("$$", "").matchAll(/\$(\d)/g)) {
		if (digit === "0") return "$0 is not a group; write $& for the whole match";
		if (Number(digit) > groups) return `${reference} is not a group: path_regex has ${groups}`;
	}
	return undefined;
}
