/** One location as routes: what is refused first, then where its requests go. */
import { deniesAll } from "./access.ts";
import { onlyWhen, passRoutes } from "./backend-choice.ts";
import { readComparison } from "./conditions.ts";
import type { ServerContext } from "./context.ts";
import type { Directive } from "./directive.ts";
import type { LocationNode } from "./location-tree.ts";
import type { LocationRoute } from "./proxied-route.ts";
import { outcomeOf, refusals } from "./refusals.ts";
import { Scope } from "./scope.ts";

const OTHER_PASSES = ["fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"];
const LOCAL = [
	"root",
	"alias",
	"try_files",
	"autoindex",
	"stub_status",
	"empty_gif",
	"content_by_lua_block",
	"js_content",
];

/** Whether nginx redirects requests for the location's path without its slash: it does where it passes requests on. */
export function redirectsToSlash({ scope }: LocationNode): boolean {
	return scope.directives.some(({ name }) => name === "proxy_pass" || OTHER_PASSES.includes(name));
}

/** The routes of a location, in order; the last one takes all requests that are left. */
export function locationRoutes(node: LocationNode, context: ServerContext): LocationRoute[] {
	const { refusals: refused, closed, rewrites } = refusals(node.scope, context);
	const before = refused.map(({ match, reason }): LocationRoute => ({ match, fields: undefined, reason }));
	const refuseRest = (reason: string): LocationRoute[] => [...before, { match: {}, fields: undefined, reason }];
	if (node.closed !== undefined) return refuseRest(node.closed);
	if (closed !== undefined) return refuseRest(closed);
	if (node.scope.own("internal").length > 0) return refuseRest("internal");
	const handler = handlerOf(node, context);
	if (handler === undefined) return refuseRest(deniesAll(node.scope) ? "deny all" : noteLocal(node, context));
	if (refusesGet(node, context)) return refuseRest("limit_except");
	const directive = handler.own("proxy_pass")[0] as Directive;
	return [
		...before,
		...conditionalPasses(node, rewrites, context),
		...passRoutes({ node, scope: handler, directive, rewrites, context }),
	];
}

/** Where the `proxy_pass` is: in the location, or in the named one that `try_files` leads to. */
function handlerOf(node: LocationNode, context: ServerContext): Scope | undefined {
	if (node.scope.own("proxy_pass").length > 0) return node.scope;
	const files = node.scope.own("try_files")[0];
	const name = files?.args.at(-1);
	if (files === undefined || !name?.startsWith("@")) return undefined;
	const named = context.server.scope.own("location").find(({ args }) => args[0] === name);
	if (!named?.block?.some((directive) => directive.name === "proxy_pass")) return undefined;
	context.notes.add(files, `files are not served: everything here goes to ${name}`, "status");
	return new Scope(named.block, context.server.scope);
}

function noteLocal(node: LocationNode, { notes }: ServerContext): string {
	const handler = node.scope.directives.find(({ name }) => LOCAL.includes(name) || OTHER_PASSES.includes(name));
	const what = handler?.name ?? "files of the root around it";
	const { file, line, text } = node.origin;
	const words = `not a proxy_pass (${what}), so it is refused: keep nginx for it, or write a backend that answers`;
	notes.add({ file, line, name: text }, words, "refused");
	return what;
}

/** `limit_except`: whether GET, which WebSockets use, is not free. */
function refusesGet({ scope }: LocationNode, { notes }: ServerContext): boolean {
	const except = scope.own("limit_except")[0];
	if (except === undefined) return false;
	const limited = !except.args.includes("GET");
	const words = limited
		? "it limits GET, which WebSockets use, so all requests are refused: write allow, deny or auth by hand"
		: "methods are not compared: plain HTTP requests with other methods are passed on";
	notes.add(except, words, limited ? "refused" : "status");
	return limited;
}

/** `if (…) { proxy_pass … }` */
function conditionalPasses(
	node: LocationNode,
	rewrites: readonly Directive[],
	context: ServerContext,
): LocationRoute[] {
	return node.scope.own("if").flatMap((condition) => {
		const scope = new Scope(condition.block ?? [], node.scope);
		const [directive] = scope.own("proxy_pass");
		if (directive === undefined) return [];
		const comparison = readComparison(condition.args);
		const outcome = comparison === undefined ? "unknown" : outcomeOf(comparison, context);
		if (outcome === "never") return [];
		if (outcome === "unknown") {
			const words = "which requests this is for cannot be said in a route: they go where the others of the location go";
			context.notes.add(condition, words, "backend");
			return [];
		}
		const routes = passRoutes({ node, scope, directive, rewrites, context });
		return outcome === "always" ? routes : onlyWhen(outcome, routes);
	});
}
