/** A `proxy_pass` whose target is known, as the keys of a route. */
import { access } from "./access.ts";
import type { ServerContext } from "./context.ts";
import type { Directive } from "./directive.ts";
import { limits } from "./limits.ts";
import type { LocationNode } from "./location-tree.ts";
import { translatePattern } from "./patterns.ts";
import { proxyHeaders } from "./proxy-headers.ts";
import { type Rewritten, rewriteByDirective, rewriteFor, type Target } from "./proxy-pass.ts";
import { locationRewrite } from "./redirects.ts";
import type { Match, RouteFields } from "./row.ts";
import type { Scope } from "./scope.ts";
import { retries, timeouts } from "./timing.ts";

/** A route of a location, without the host and path of that; no fields: it is refused. */
export interface LocationRoute {
	readonly match: Match;
	readonly fields: RouteFields | undefined;
	readonly reason?: string | undefined;
}

/** A `proxy_pass` in its place. */
export interface Passing {
	readonly node: LocationNode;
	/** The block it stands in: the location, an `if` in it, or a named location. */
	readonly scope: Scope;
	readonly directive: Directive;
	/** `rewrite … break` before it. */
	readonly rewrites: readonly Directive[];
	readonly context: ServerContext;
}

/** Reads everything that holds for the requests of a `proxy_pass`. */
export function proxiedRoute(passing: Passing, target: Target): LocationRoute[] {
	const { node, scope, directive, rewrites, context } = passing;
	const { notes, upstreams, http, variables, arrival, serverName, folder, locations } = context;
	const refuse = (reason: string): LocationRoute[] => [{ match: {}, fields: undefined, reason }];
	const resolve = (text: string, from: Scope = scope): string => variables.resolve(text, from);
	const path = pathRewrite(passing, target);
	if (path.problem !== undefined) {
		notes.add(rewrites[0] ?? directive, `${path.problem}; its requests are refused until then`, "refused");
		return refuse("its path cannot be rewritten");
	}
	if (Object.keys(path.rewrite).length > 0 || (target.uri !== undefined && !target.uri.includes("$"))) {
		const { file, line, name } = rewrites[0] ?? directive;
		const words =
			"nginx writes the new path in its own way (x for %78, / for //); Clawgate leaves what the client wrote";
		notes.add({ file, line, name }, words, "spelling");
	}
	if (path.remark !== undefined) notes.add(rewrites[0] ?? directive, path.remark, "path");
	const upstream = upstreams.nameFor(target, scope, notes);
	if (upstream === undefined) {
		const words = "no server of it can be an endpoint, so its requests are refused: write the upstream by hand";
		notes.add(directive, words, "refused");
		return refuse(`proxy_pass ${directive.args[0] ?? ""}`);
	}
	const oddPort = arrival.port !== 0 && arrival.port !== (arrival.ssl ? 443 : 80);
	const isGroup = upstreams.isGroup(target);
	const headers = proxyHeaders({ scope, target, isGroup, serverName, oddPort, resolve, notes });
	const allowed = access({ scope, locations, upstreams, folder, copied: headers.copied, resolve, notes });
	if (allowed.closed) return refuse(allowed.closed.name);
	if (!headers.upgrades) {
		const { file, line, text } = node.origin;
		const words = "nginx takes Upgrade out here, so WebSockets did not pass; with Clawgate they do";
		notes.add({ file, line, name: text }, words, "websocket");
	}
	const keepsHost = headers.host === undefined;
	const location = locationRewrite({ scope, directive, target, rewrite: path.rewrite, keepsHost, resolve, notes });
	const optional = {
		rewrite: { ...path.rewrite, ...location, ...(headers.host !== undefined && { host: headers.host }) },
		request_headers: headers.request,
		response_headers: headers.response,
		timeouts: timeouts(scope),
		// nginx drops these names as the gateway does, unless it is told otherwise.
		underscore_headers: scope.isOn("underscores_in_headers") ? "keep" : "",
		retries: retries(scope, upstreams.size(upstream), notes),
		...allowed.fields,
		limits: limits(scope, http, notes),
	};
	const written = Object.entries(optional).filter(([, value]) => Object.keys(value).length > 0);
	const fields = { upstream, ...Object.fromEntries(written) };
	if (allowed.free.length === 0) return [{ match: {}, fields }];
	const { auth: _, ...unchecked } = fields as typeof fields & { auth?: unknown };
	return [
		{ match: { client_ip: allowed.free }, fields: unchecked },
		{ match: {}, fields },
	];
}

function pathRewrite({ node, rewrites }: Passing, target: Target): Rewritten {
	const [first, second] = rewrites;
	if (first === undefined) return rewriteFor(node, target.uri);
	if (second !== undefined) {
		return { problem: "several rewrites cannot be carried over: write one rewrite.path_regex by hand" };
	}
	const { pattern, problem } = translatePattern(first.args[0] ?? "", false, "path");
	// The URI of proxy_pass does not count after a rewrite.
	return pattern ? rewriteByDirective(pattern, first.args[1] ?? "") : { problem };
}
