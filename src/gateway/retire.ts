/** After a swap of snapshots: who stays as if nothing had happened, and who has to be told to come back. */
import { isDeepStrictEqual } from "node:util";
import type { RouteConfig } from "../config/schema.ts";
import type { Connection } from "./connections.ts";
import type { Drains } from "./drains.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/** Names that the configuration's loader gives to nameless routes: they move when a route is put before them. */
const GIVEN_NAME = /^route-\d+$/;

/**
 * Drains the connections whose route or endpoint is gone, each by the policy of its route. The others go over to the
 * new snapshot. Returns how many are drained.
 */
export function retire(connections: Iterable<Connection>, old: Snapshot, next: Snapshot, drains: Drains): number {
	const successors = new Map<Route, Route | undefined>();
	const gone: [Connection, Route][] = [];
	for (const connection of connections) {
		const { route, endpoint, facts } = connection;
		if (!route || !endpoint) continue;
		if (!successors.has(route)) successors.set(route, successorOf(route, old, next));
		const successor = successors.get(route);
		const upstream = successor?.upstreams.find(({ name }) => name === facts.upstream);
		const sameEndpoint = upstream?.endpoints.find(({ id }) => id === endpoint.id);
		if (successor && sameEndpoint) {
			connection.route = successor;
			connection.endpoint = sameEndpoint;
			continue;
		}
		// The new file's policy where the route is still there: it is the operator's latest word.
		gone.push([connection, successor ?? route]);
	}
	drainByRoute(gone, (route) => `route ${route.name} (changed by a reload)`, drains);
	return gone.length;
}

/** Moves people off an endpoint that went down (`on_unhealthy: close`), each by the policy of its route. */
export function leaveEndpoint(
	connections: Iterable<Connection>,
	upstream: string,
	endpoint: string,
	drains: Drains,
): void {
	const affected: [Connection, Route][] = [];
	for (const connection of connections) {
		const { route, facts } = connection;
		if (route && facts.upstream === upstream && facts.endpoint === endpoint) affected.push([connection, route]);
	}
	drainByRoute(affected, (route) => `endpoint ${endpoint} (down), route ${route.name}`, drains);
}

function drainByRoute(affected: Iterable<[Connection, Route]>, target: (route: Route) => string, drains: Drains): void {
	const byRoute = new Map<Route, Connection[]>();
	for (const [connection, route] of affected) {
		const together = byRoute.get(route);
		if (together) together.push(connection);
		else byRoute.set(route, [connection]);
	}
	for (const [route, connections] of byRoute) {
		drains.start({ target: target(route), connections, policy: route.drain, termination: "drain" });
	}
}

/** The route that a route lives on as: the one of its name, or, for a nameless one, the one with the same match. */
function successorOf(route: Route, old: Snapshot, next: Snapshot): Route | undefined {
	if (!GIVEN_NAME.test(route.name)) return next.routes.find(({ name }) => name === route.name);
	const config = configOf(route, old);
	if (!config) return undefined;
	return next.routes.find((candidate) => {
		const other = configOf(candidate, next);
		return GIVEN_NAME.test(candidate.name) && other !== undefined && isDeepStrictEqual(other.match, config.match);
	});
}

function configOf(route: Route, { config }: Snapshot): RouteConfig | undefined {
	return config.routes.find(({ name }) => name === route.name);
}
