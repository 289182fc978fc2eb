/** What a scrape reads of the gateway. */
import type { Gateway } from "./gateway/gateway.ts";
import type { Listeners } from "./server/listeners.ts";
import type {
	ActiveConnections,
	CertificateFacts,
	EndpointFacts,
	HubConnections,
	HubRuleFacts,
	MetricsSource,
} from "./telemetry/source.ts";
import { failingReason } from "./upstreams/attempts/failing.ts";

/** Joins the gateway's state to the metrics; nothing is read before a scrape. */
export function gatewaySource(gateway: Gateway, listeners: Listeners, log: { readonly lost: number }): MetricsSource {
	return {
		connections: () => active(gateway),
		traffic: () => gateway.connections.traffic.totals(gateway.connections.tunnels()),
		endpoints: () => endpoints(gateway),
		draining: () => {
			let draining = 0;
			for (const connection of gateway.connections.list()) if (connection.draining) draining++;
			return draining;
		},
		certificates: () => certificates(listeners),
		hubRules: () => hubRules(gateway),
		hubConnections: () => hubConnections(gateway),
		workers: () => ({ serving: 1, configured: 1 }),
		logLinesLost: () => log.lost,
		limiters: () => gateway.policies.counters.sizes(),
	};
}

function active(gateway: Gateway): Iterable<ActiveConnections> {
	const sums = new Map<string, { listener: string; route: string; upstream: string; active: number }>();
	for (const { facts, kind } of gateway.connections.list()) {
		if (kind !== "websocket") continue;
		const { listener, route = "", upstream = "" } = facts;
		const key = `${listener}\0${route}\0${upstream}`;
		const sum = sums.get(key);
		if (sum) sum.active++;
		else sums.set(key, { listener, route, upstream, active: 1 });
	}
	return sums.values();
}

function* hubRules(gateway: Gateway): Iterable<HubRuleFacts> {
	for (const [name, hub] of gateway.hubs.all()) {
		for (const [rule, counts] of hub.counts()) {
			const { subscriptions, publications, recoveries, sent, skipped, dropped } = counts;
			yield { hub: name, rule, subscriptions, publications, recoveries, deliveries: { sent, skipped, dropped } };
		}
	}
}

function hubConnections(gateway: Gateway): Iterable<HubConnections> {
	const sums = new Map<string, { hub: string; route: string; active: number }>();
	for (const { facts } of gateway.connections.list()) {
		const { hub, route = "" } = facts;
		if (hub === undefined) continue;
		const key = `${hub}\0${route}`;
		const sum = sums.get(key);
		if (sum) sum.active++;
		else sums.set(key, { hub, route, active: 1 });
	}
	return sums.values();
}

function* endpoints(gateway: Gateway): Iterable<EndpointFacts> {
	for (const upstream of gateway.snapshot.upstreams.values()) {
		for (const endpoint of upstream.endpoints) {
			yield {
				upstream: upstream.name,
				endpoint: endpoint.id,
				active: endpoint.state.active,
				up: upstream.ineligible(endpoint) === undefined && failingReason(endpoint.state) === undefined,
				ejections: upstream.ejects ? endpoint.state.outlier.total : undefined,
				breaker: upstream.breaks ? (endpoint.state.breaker?.state ?? "closed") : undefined,
			};
		}
	}
}

function* certificates(listeners: Listeners): Iterable<CertificateFacts> {
	for (const { name, certificates } of listeners.list()) {
		for (const { names, expiresAt } of certificates?.served ?? []) {
			for (const serverName of names) yield { listener: name, serverName, expiresAt };
		}
	}
}
