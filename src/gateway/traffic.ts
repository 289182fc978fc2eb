/** Bytes and messages by route and upstream: what ended tunnels left behind, plus what the open ones show now. */
import type { Leg } from "../tunnel/leg.ts";
import type { Connection } from "./connections.ts";

/** Totals of one direction, by opcode. */
export interface DirectionTraffic {
	bytes: number;
	text: number;
	binary: number;
	ping: number;
	pong: number;
	close: number;
}

export interface RouteTraffic {
	readonly route: string;
	readonly upstream: string;
	readonly clientToBackend: DirectionTraffic;
	readonly backendToClient: DirectionTraffic;
}

export class Traffic {
	/** By route and upstream: both are names from the configuration, so it is bounded by it. */
	readonly #ended = new Map<string, RouteTraffic>();

	/** Takes over what a connection counted; called once for each, when it ends. */
	ended(connection: Connection): void {
		count(this.#ended, connection);
	}

	/** Totals that never go down: of the ended ones and of `open`. */
	totals(open: Iterable<Connection>): Iterable<RouteTraffic> {
		const sums = new Map<string, RouteTraffic>();
		for (const [key, { route, upstream, clientToBackend, backendToClient }] of this.#ended) {
			sums.set(key, {
				route,
				upstream,
				clientToBackend: { ...clientToBackend },
				backendToClient: { ...backendToClient },
			});
		}
		for (const connection of open) count(sums, connection);
		return sums.values();
	}
}

function count(sums: Map<string, RouteTraffic>, connection: Connection): void {
	const { tunnel, facts } = connection;
	if (!tunnel) return;
	const route = facts.route ?? "";
	const upstream = facts.upstream ?? "";
	const key = `${route}\0${upstream}`;
	let sum = sums.get(key);
	if (!sum) {
		sum = { route, upstream, clientToBackend: nothing(), backendToClient: nothing() };
		sums.set(key, sum);
	}
	add(sum.clientToBackend, tunnel.client);
	add(sum.backendToClient, tunnel.backend);
}

function nothing(): DirectionTraffic {
	return { bytes: 0, text: 0, binary: 0, ping: 0, pong: 0, close: 0 };
}

function add(sum: DirectionTraffic, leg: Leg): void {
	sum.bytes += leg.bytes;
	sum.text += leg.meter.text;
	sum.binary += leg.meter.binary;
	sum.ping += leg.meter.ping;
	sum.pong += leg.meter.pong;
	sum.close += leg.meter.close;
}
