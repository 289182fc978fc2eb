/** What a new configuration changes, by name; what is equal keeps its identity, so that it is not compiled again. */
import { isDeepStrictEqual } from "node:util";
import type { Sliced } from "../slices.ts";
import type { GatewayConfig, RouteConfig, UpstreamConfig } from "./schema.ts";

/** Names of entries. */
export interface Difference {
	readonly added: readonly string[];
	readonly removed: readonly string[];
	readonly changed: readonly string[];
}

export interface Comparison {
	/** Equal to the new configuration; every route and upstream that is as before is the old object. */
	readonly config: GatewayConfig;
	/** Whether nothing differs. */
	readonly equal: boolean;
	readonly routes: Difference;
	readonly upstreams: Difference;
	/** Endpoints as the operator writes them, `upstream url`, of upstreams that are in both. */
	readonly endpoints: Pick<Difference, "added" | "removed">;
}

/** Compares piece by piece. */
export function* compareConfigs(old: GatewayConfig, next: GatewayConfig): Sliced<Comparison> {
	const routes = yield* compareRoutes(old.routes, next.routes);
	const upstreams = yield* compareUpstreams(old.upstreams, next.upstreams);
	const rest = isDeepStrictEqual(withoutEntries(old), withoutEntries(next));
	return {
		config: { ...next, routes: routes.entries, upstreams: upstreams.entries },
		equal: rest && routes.equal && upstreams.equal,
		routes: routes.difference,
		upstreams: upstreams.difference,
		endpoints: upstreams.endpoints,
	};
}

function* compareRoutes(old: readonly RouteConfig[], next: readonly RouteConfig[]) {
	const known = new Map(old.map((route) => [route.name, route]));
	const [added, changed]: [string[], string[]] = [[], []];
	const entries: RouteConfig[] = [];
	for (const route of next) {
		const before = known.get(route.name);
		known.delete(route.name);
		const same = before !== undefined && isDeepStrictEqual(before, route);
		entries.push(same ? before : route);
		if (!same) (before ? changed : added).push(route.name);
		yield;
	}
	const equal = old.length === entries.length && entries.every((route, index) => route === old[index]);
	return { entries, equal, difference: { added, changed, removed: [...known.keys()] } };
}

function* compareUpstreams(old: GatewayConfig["upstreams"], next: GatewayConfig["upstreams"]) {
	const known = new Map(Object.entries(old));
	const [added, changed]: [string[], string[]] = [[], []];
	const endpoints: { added: string[]; removed: string[] } = { added: [], removed: [] };
	const entries: Record<string, UpstreamConfig> = {};
	for (const [name, upstream] of Object.entries(next)) {
		const before = known.get(name);
		known.delete(name);
		const same = before !== undefined && isDeepStrictEqual(before, upstream);
		entries[name] = same ? before : upstream;
		if (before === undefined) added.push(name);
		else if (!same) {
			changed.push(name);
			const [was, is] = [urlsOf(before), urlsOf(upstream)];
			for (const url of is) if (!was.has(url)) endpoints.added.push(`${name} ${url}`);
			for (const url of was) if (!is.has(url)) endpoints.removed.push(`${name} ${url}`);
		}
		yield;
	}
	const removed = [...known.keys()];
	const equal = added.length + changed.length + removed.length === 0;
	return { entries, equal, endpoints, difference: { added, changed, removed } };
}

function urlsOf({ endpoints }: UpstreamConfig): Set<string> {
	return new Set(endpoints.map(({ url }) => url));
}

function withoutEntries({ routes: _, upstreams: __, ...rest }: GatewayConfig): object {
	return rest;
}
