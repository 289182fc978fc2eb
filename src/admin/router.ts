/** The admin port's routes: method and path to a handler. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface AdminRequest {
	readonly method: string;
	/** Without the query. */
	readonly path: string;
	/** Values of the `{name}` segments of the route's path, percent-decoded. */
	readonly params: Readonly<Record<string, string>>;
	readonly query: URLSearchParams;
	/** For the body and what else a handler may need. */
	readonly http: IncomingMessage;
}

/** Answers the request itself; what it throws becomes a 500 as long as no head was sent. */
export type AdminHandler = (request: AdminRequest, response: ServerResponse) => void | Promise<void>;

export interface AdminRoute {
	/** GET also answers HEAD. */
	readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
	/** Exact segments, or `{name}` for any one: `/api/v1/connections/{id}`. */
	readonly path: string;
	/** Needs no token: what load balancers and orchestrators ask. */
	readonly public?: boolean;
	/** Answered also to a connection that no other place was left for. */
	readonly probe?: boolean;
	readonly handler: AdminHandler;
}

export type RouteMatch =
	| { readonly kind: "found"; readonly route: AdminRoute; readonly params: Readonly<Record<string, string>> }
	/** The path exists, but not with this method. `allow` is the value of the Allow header. */
	| { readonly kind: "wrong_method"; readonly allow: string; readonly public: boolean }
	| { readonly kind: "not_found" };

interface CompiledRoute {
	readonly route: AdminRoute;
	readonly segments: readonly string[];
}

export class AdminRouter {
	readonly #routes: readonly CompiledRoute[];

	constructor(routes: readonly AdminRoute[]) {
		this.#routes = routes.map((route) => ({ route, segments: route.path.split("/") }));
	}

	match(method: string, path: string): RouteMatch {
		const segments = path.split("/");
		const wanted = method === "HEAD" ? "GET" : method;
		const others: AdminRoute[] = [];
		for (const { route, segments: pattern } of this.#routes) {
			const params = matchSegments(pattern, segments);
			if (!params) continue;
			if (route.method === wanted) return { kind: "found", route, params };
			others.push(route);
		}
		if (others.length === 0) return { kind: "not_found" };
		const methods = new Set(others.flatMap((route) => (route.method === "GET" ? ["GET", "HEAD"] : [route.method])));
		return { kind: "wrong_method", allow: [...methods].join(", "), public: others.every((route) => route.public) };
	}
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
	if (pattern.length !== segments.length) return undefined;
	const params: Record<string, string> = {};
	for (const [index, expected] of pattern.entries()) {
		const actual = segments[index] as string;
		if (!expected.startsWith("{")) {
			if (expected !== actual) return undefined;
			continue;
		}
		const value = decoded(actual);
		if (!value) return undefined;
		params[expected.slice(1, -1)] = value;
	}
	return params;
}

function decoded(segment: string): string | undefined {
	try {
		return decodeURIComponent(segment);
	} catch {
		// Not valid percent-encoding: no such thing exists.
		return undefined;
	}
}
