/** After a swap of snapshots: who stays as if nothing had happened, and who has to be told to come back. */
import type { Sliced } from "../slices.ts";
import type { Drains } from "./drains.ts";
import type { Place, Session } from "./session.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/**
 * Drains the connections whose route or endpoint is gone, each by the policy of its route. The others go over to the
 * snapshot. Gives how many are drained. Connections may come and go meanwhile: those that come have the snapshot already.
 */
export function* retire(connections: Iterable<Session>, next: Snapshot, drains: Drains): Sliced<number> {
	const gone: [Session, Route][] = [];
	for (const connection of connections) {
		yield;
		const { route } = connection;
		if (!route) continue;
		const place = placeIn(next, connection, route);
		if (place) {
			connection.route = place.route;
			connection.endpoint = place.endpoint;
			continue;
		}
		// The new file's policy where the route is still there: it is the operator's latest word.
		gone.push([connection, next.successors.get(route.identity) ?? route]);
	}
	drainByRoute(gone, (route) => `route ${route.name} (changed by a reload)`, drains);
	return gone.length;
}

/** How many connections {@link retire} would drain. */
export function* countRetired(connections: Iterable<Session>, next: Snapshot): Sliced<number> {
	let count = 0;
	for (const connection of connections) {
		yield;
		const { route } = connection;
		if (route && !placeIn(next, connection, route)) count++;
	}
	return count;
}

/** Undefined when the snapshot has no place for it. */
function placeIn(next: Snapshot, session: Session, { identity }: Route): Place | undefined {
	const successor = next.successors.get(identity);
	return successor && session.placeIn(successor);
}

/** Moves people off an endpoint that went down (`on_unhealthy: close`), each by the policy of its route. */
export function leaveEndpoint(
	connections: Iterable<Session>,
	upstream: string,
	endpoint: string,
	drains: Drains,
): void {
	const affected: [Session, Route][] = [];
	for (const connection of connections) {
		const { route, facts } = connection;
		if (route && facts.upstream === upstream && facts.endpoint === endpoint) affected.push([connection, route]);
	}
	drainByRoute(affected, (route) => `endpoint ${endpoint} (down), route ${route.name}`, drains);
}

function drainByRoute(affected: Iterable<[Session, Route]>, target: (route: Route) => string, drains: Drains): void {
	const byRoute = new Map<Route, Session[]>();
	for (const [connection, route] of affected) {
		const together = byRoute.get(route);
		if (together) together.push(connection);
		else byRoute.set(route, [connection]);
	}
	for (const [route, connections] of byRoute) {
		drains.start({ target: target(route), connections, policy: route.drain, termination: "drain" });
	}
}
