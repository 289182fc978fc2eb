/** `proxy_pass`: where requests go, and what becomes of their path. */
import { groupCount } from "../../protocol/regex.ts";
import { parseTarget as parseRequestTarget } from "../../protocol/target.ts";
import type { LocationNode } from "./location-tree.ts";
import { pathPattern } from "./path-spelling.ts";
import { type Pattern, patternText, wholeText } from "./patterns.ts";

/** The target of a `proxy_pass` without variables. */
export interface Target {
	readonly secure: boolean;
	/** A host, the name of an `upstream`, or the path of a unix socket. */
	readonly host: string;
	readonly port: number | undefined;
	readonly socketPath: string | undefined;
	/** `$proxy_host`: what nginx puts into Host unless it is told otherwise. */
	readonly authority: string;
	/** The URI part; undefined when there is none, and the path stays as it is. */
	readonly uri: string | undefined;
}

/** Variables that start with a slash, so that host and port end before them. */
const PATH_VARIABLE = /^(?:request_uri|uri|document_uri)$/;

/**
 * Splits `http://host:port/uri`; undefined when it is none, or has a variable in its host or port: `http://app$sub` is not
 * the host `app`.
 * @param hasSlash whether a group of the location, such as `$1`, is known to start with one
 */
export function parseTarget(text: string, hasSlash: (variable: string) => boolean = () => false): Target | undefined {
	const unix = /^(https?):\/\/unix:([^:]+)(?::(\/.*)?)?$/.exec(text);
	if (unix) {
		const [, scheme, path, uri] = unix;
		return {
			secure: scheme === "https",
			host: "localhost",
			port: undefined,
			socketPath: path,
			authority: "localhost",
			uri,
		};
	}
	const match = /^(https?):\/\/([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d+))?((?:\/|\?|\$).*)?$/.exec(text);
	if (!match) return undefined;
	const [, scheme, host, port, uri] = match as unknown as [string, string, string, string?, string?];
	const variable = /^\$\{?(\w+)/.exec(uri ?? "")?.[1];
	if (variable !== undefined && !PATH_VARIABLE.test(variable) && !hasSlash(variable)) return undefined;
	const ownPort = scheme === "https" ? 443 : 80;
	const number = port === undefined ? undefined : Number(port);
	const authority = number === undefined || number === ownPort ? host : `${host}:${number}`;
	return { secure: scheme === "https", host, port: number, socketPath: undefined, authority, uri };
}

/** Keys of `rewrite`, without `host`. */
export type PathRewrite = Readonly<Record<string, string>>;

/** The rewrite, or why there is none that does the same; `remark` is for one that does nearly the same. */
export type Rewritten =
	| { readonly rewrite: PathRewrite; readonly remark?: string | undefined; readonly problem?: undefined }
	| { readonly problem: string };

const AS_IT_IS = /^(?:\$request_uri|\$uri(?:\$is_args\$args)?|\$uri\?\$args)$/;

/** What `proxy_pass` does to the path in a location. */
export function rewriteFor({ test }: LocationNode, uri: string | undefined): Rewritten {
	if (uri === undefined || AS_IT_IS.test(uri)) return { rewrite: {} };
	if (uri.includes("$")) return rewriteByGroups(test.kind === "regex" ? test.pattern : undefined, uri);
	if (uri.includes("?") || uri.includes("#")) {
		return {
			problem:
				"a query in proxy_pass cannot be added: let the backend do without it, or write rewrite.path_regex by hand",
		};
	}
	if (parseRequestTarget(uri) === undefined) {
		return { problem: "this URI is no path that can be asked for: percent-encode it, without dot segments" };
	}
	switch (test.kind) {
		case "regex":
			return { problem: "nginx takes no URI here" };
		case "exact":
			return { rewrite: test.path === uri ? {} : { path: uri } };
		default: {
			if (test.path === uri) return { rewrite: {} };
			const whole = test.path.endsWith("/");
			if (whole && uri === "/") return { rewrite: { strip_prefix: test.path.slice(0, -1) } };
			const remark =
				!whole && uri.endsWith("/")
					? `for ${test.path}/x nginx asks for ${uri}/x, Clawgate for ${`${uri}/x`.replace(/^\/\/+/, "/")}; a slash at the end of the location, too, is what is usually meant`
					: undefined;
			return {
				rewrite: { path_regex: `^${pathPattern(test.path)}`, replacement: uri.replaceAll("$", "$$$$") },
				remark,
			};
		}
	}
}

/** `http://backend/$1` in a location with a regular expression. */
function rewriteByGroups(pattern: Pattern | undefined, uri: string): Rewritten {
	const path = uri.replace(/\$is_args\$args$|\?\$args$/, "");
	if (pattern === undefined || /\$(?!\d|\{\d\}|[A-Za-z_]\w*)/.test(path))
		return { problem: "the path is made of variables that only nginx knows" };
	const named = [...pattern.source.matchAll(/\(\?<([A-Za-z_]\w*)>/g)].map(([, name]) => name as string);
	const replacement = replacementOf(path, named, groupCount(patternText(pattern)));
	if (replacement === undefined) return { problem: "the path is made of variables that only nginx knows" };
	return {
		rewrite: { path_regex: patternText(wholeText(pattern)), replacement },
		remark: path === uri ? "nginx drops the query here, Clawgate keeps it" : undefined,
	};
}

/** `rewrite PATTERN REPLACEMENT break`: the whole path is replaced where the pattern is found. */
export function rewriteByDirective(pattern: Pattern, replacement: string): Rewritten {
	const dropsQuery = replacement.endsWith("?");
	const path = dropsQuery ? replacement.slice(0, -1) : replacement;
	const named = [...pattern.source.matchAll(/\(\?<([A-Za-z_]\w*)>/g)].map(([, name]) => name as string);
	const text = replacementOf(path, named, groupCount(patternText(pattern)));
	if (text === undefined || (!text.startsWith("/") && !text.startsWith("$")))
		return { problem: "the new path is made of variables that only nginx knows" };
	return {
		rewrite: { path_regex: patternText(wholeText(pattern)), replacement: text },
		remark: dropsQuery ? "nginx drops the query here, Clawgate keeps it" : undefined,
	};
}

/** nginx's `$1` and `$name` as in JavaScript; undefined when there are other variables. */
function replacementOf(path: string, named: readonly string[], groups: number): string | undefined {
	let unknown = false;
	const text = path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
		const name = (braced ?? plain) as string;
		// nginx reads one digit only.
		if (/^\d/.test(name) && Number(name.charAt(0)) >= 1 && Number(name.charAt(0)) <= groups) return `$${name}`;
		if (named.includes(name)) return `$<${name}>`;
		unknown = true;
		return "";
	});
	return unknown || /[^\x21-\x7e]|[\\#]/.test(text) ? undefined : text;
}
