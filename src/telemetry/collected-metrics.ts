/** The metrics that are read from the gateway at scrape time. A further one is one entry here. */
import type { Aggregator } from "prom-client";
import type { DirectionTotals, MetricsSource } from "./source.ts";

/** Label values in the order of `labels`, and the value. */
export type Sample = readonly [labels: readonly string[], value: number];

export interface CollectedMetric {
	readonly type: "counter" | "gauge";
	/** Without the prefix. */
	readonly name: string;
	readonly help: string;
	readonly labels: readonly string[];
	/** How the values of several workers become one; the sum when absent. */
	readonly aggregator?: Aggregator;
	/** Samples of a counter with the same labels are added, of a gauge the last one counts. */
	read(source: MetricsSource): Iterable<Sample>;
}

export const COLLECTED_METRICS: readonly CollectedMetric[] = [
	{
		type: "gauge",
		name: "connections_active",
		help: "WebSocket connections open now.",
		labels: ["listener", "route", "upstream"],
		*read(source) {
			for (const item of source.connections()) yield [[item.listener, item.route, item.upstream], item.active];
		},
	},
	{
		type: "counter",
		name: "messages_total",
		help: "WebSocket messages by direction and opcode (text, binary, ping, pong, close).",
		labels: ["route", "upstream", "direction", "opcode"],
		*read(source) {
			for (const { route, upstream, clientToBackend, backendToClient } of source.traffic()) {
				yield* messages(route, upstream, "client_to_backend", clientToBackend);
				yield* messages(route, upstream, "backend_to_client", backendToClient);
			}
		},
	},
	{
		type: "counter",
		name: "bytes_total",
		help: "Bytes carried after the opening handshake, by direction.",
		labels: ["route", "upstream", "direction"],
		*read(source) {
			for (const { route, upstream, clientToBackend, backendToClient } of source.traffic()) {
				yield [[route, upstream, "client_to_backend"], clientToBackend.bytes];
				yield [[route, upstream, "backend_to_client"], backendToClient.bytes];
			}
		},
	},
	{
		type: "gauge",
		name: "hub_connections",
		help: "Connections to a hub open now.",
		labels: ["hub", "route"],
		*read(source) {
			for (const { hub, route, active } of source.hubConnections()) yield [[hub, route], active];
		},
	},
	{
		type: "gauge",
		name: "hub_subscriptions",
		help: "Subscriptions now, by the rule of their topic.",
		labels: ["hub", "rule"],
		*read(source) {
			for (const { hub, rule, subscriptions } of source.hubRules()) yield [[hub, rule], subscriptions];
		},
	},
	{
		type: "counter",
		name: "hub_publications_total",
		help: "Publications that the engine has taken, by the rule of their topic and who published: client or api.",
		labels: ["hub", "rule", "source"],
		read: (source) => byWord(source, "publications"),
	},
	{
		type: "counter",
		name: "hub_deliveries_total",
		help: "Publications for subscribers: sent, skipped (a newer one took its place), or dropped (the connection ended).",
		labels: ["hub", "rule", "result"],
		read: (source) => byWord(source, "deliveries"),
	},
	{
		type: "counter",
		name: "hub_recoveries_total",
		help: "Subscriptions with a position: recovered, or lost where the history does not reach back to it.",
		labels: ["hub", "result"],
		*read(source) {
			const sums = new Map<string, Sample>();
			for (const { hub, recoveries } of source.hubRules()) {
				for (const [result, count] of Object.entries(recoveries)) {
					const key = `${hub}\0${result}`;
					sums.set(key, [[hub, result], (sums.get(key)?.[1] ?? 0) + count]);
				}
			}
			yield* sums.values();
		},
	},
	{
		type: "gauge",
		name: "endpoint_connections",
		help: "WebSocket connections open now, by endpoint.",
		labels: ["upstream", "endpoint"],
		*read(source) {
			for (const item of source.endpoints()) yield [[item.upstream, item.endpoint], item.active];
		},
	},
	{
		type: "gauge",
		name: "endpoint_up",
		help: "1 when new connections go to the endpoint and its last attempts did not all fail, else 0.",
		labels: ["upstream", "endpoint"],
		aggregator: "min",
		*read(source) {
			for (const item of source.endpoints()) yield [[item.upstream, item.endpoint], item.up ? 1 : 0];
		},
	},
	{
		type: "counter",
		name: "endpoint_ejections_total",
		help: "Times that outlier detection took the endpoint out of service for a while.",
		labels: ["upstream", "endpoint"],
		*read(source) {
			for (const { upstream, endpoint, ejections } of source.endpoints()) {
				if (ejections !== undefined) yield [[upstream, endpoint], ejections];
			}
		},
	},
	{
		type: "gauge",
		name: "circuit_breaker_state",
		help: "The endpoint's circuit breaker: 0 closed, 1 half-open, 2 open.",
		labels: ["upstream", "endpoint"],
		aggregator: "max",
		*read(source) {
			for (const { upstream, endpoint, breaker } of source.endpoints()) {
				if (breaker !== undefined) yield [[upstream, endpoint], BREAKER_STATES.indexOf(breaker)];
			}
		},
	},
	{
		type: "gauge",
		name: "draining_connections",
		help: "Open connections that a drain is going to close.",
		labels: [],
		*read(source) {
			yield [[], source.draining()];
		},
	},
	{
		type: "gauge",
		name: "limiter_entries",
		help: "Addresses, users and routes that a limit of connections keeps state for.",
		labels: ["limit"],
		*read(source) {
			for (const { limit, entries } of source.limiters()) yield [[limit], entries];
		},
	},
	{
		type: "counter",
		name: "log_lines_lost_total",
		help: "Log lines that nobody took: too many were waiting, or a reader went away in the middle of one.",
		labels: [],
		*read(source) {
			yield [[], source.logLinesLost()];
		},
	},
	{
		type: "gauge",
		name: "workers",
		help: "Worker processes that serve now; 1 when there is a single process.",
		labels: [],
		*read(source) {
			yield [[], source.workers().serving];
		},
	},
	{
		type: "gauge",
		name: "workers_configured",
		help: "Worker processes that there are to be, by the key workers of the configuration.",
		labels: [],
		*read(source) {
			yield [[], source.workers().configured];
		},
	},
	{
		type: "gauge",
		name: "tls_certificate_expiry_timestamp_seconds",
		help: "When the certificate stops being valid, in seconds since the epoch.",
		labels: ["listener", "server_name"],
		aggregator: "min",
		*read(source) {
			for (const item of source.certificates()) yield [[item.listener, item.serverName], item.expiresAt / 1000];
		},
	},
];

const BREAKER_STATES = ["closed", "half_open", "open"] as const;

const OPCODES = ["text", "binary", "ping", "pong", "close"] as const;

function* messages(route: string, upstream: string, direction: string, totals: DirectionTotals): Iterable<Sample> {
	for (const opcode of OPCODES) yield [[route, upstream, direction, opcode], totals[opcode]];
}

function* byWord(source: MetricsSource, counts: "publications" | "deliveries"): Iterable<Sample> {
	for (const facts of source.hubRules()) {
		for (const [word, count] of Object.entries(facts[counts])) yield [[facts.hub, facts.rule, word], count];
	}
}
