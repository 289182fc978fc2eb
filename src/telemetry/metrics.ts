/** Prometheus metrics: events are counted as they happen, everything else is read when Prometheus asks. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type {
	CloseReport,
	ConnectionFacts,
	Direction,
	EventSink,
	LogLevel,
	OpenReport,
	RejectReport,
} from "../gateway/events.ts";
import { INTERNAL_ERROR } from "../gateway/internal-error.ts";
import { COLLECTED_METRICS, type CollectedMetric } from "./collected-metrics.ts";
import { type RouteMetrics, RouteSeries } from "./route-series.ts";
import type { MetricsSource } from "./source.ts";

const PREFIX = "clawgate_";

/** 1 s to 24 h: WebSocket connections live for hours, a web server's buckets would put them all into +Inf. */
const CONNECTION_SECONDS = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400];
const HANDSHAKE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const PING_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** 50 µs to 2.5 s: a fan-out, not a handshake. */
const DELIVERY_SECONDS = [0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/** Gauges of prom-client that are named like counters; the ones without `_total` say the same by type. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** `config.reload` and `config.rejected` notices as values of the label `result`. */
const RELOAD_RESULTS: ReadonlyMap<string, string> = new Map([
	["config.reload", "success"],
	["config.rejected", "rejected"],
]);

export interface MetricsOptions {
	readonly source: MetricsSource;
	/** Milliseconds since the epoch. */
	readonly now?: () => number;
	/** Also Node's own metrics (`process_*`, `nodejs_*`); true when absent. */
	readonly nodeMetrics?: boolean;
}

/**
 * An event sink with its own registry. Every label value comes from the config or from a fixed list, so the number of
 * series is bounded. A connection without route or upstream is counted under the empty name.
 */
export class Metrics implements EventSink {
	/** For aggregation across processes; a scrape uses {@link render}. */
	readonly registry = new Registry();
	readonly #now: () => number;
	readonly #routes = new Map<string, Map<string, RouteSeries>>();
	readonly #routeMetrics: RouteMetrics = {
		opened: this.#tallied("connections_opened_total", "WebSocket connections opened.", ["route", "upstream"]),
		closed: this.#tallied(
			"connections_closed_total",
			"WebSocket connections ended, by close code and by who and why.",
			["route", "upstream", "close_code", "initiator", "termination"],
		),
		connectionSeconds: this.#histogram(
			"connection_duration_seconds",
			"How long WebSocket connections were open.",
			["route", "upstream"],
			CONNECTION_SECONDS,
		),
		handshakes: this.#tallied("handshakes_total", "Opening handshakes by result: ok or an error code.", [
			"route",
			"upstream",
			"result",
		]),
		handshakeSeconds: this.#histogram(
			"handshake_duration_seconds",
			"Time from the request to the answer of an opening handshake, refused ones too.",
			["route", "upstream"],
			HANDSHAKE_SECONDS,
		),
	};
	readonly #pingSeconds = this.#histogram(
		"ping_rtt_seconds",
		"Time until the Pong to one of the gateway's own Pings.",
		["route", "side"],
		PING_SECONDS,
	);
	readonly #pauses = this.#counter(
		"backpressure_pauses_total",
		"Times that reading was stopped because the other side is slow.",
		["route", "direction"],
	);
	readonly #limited = this.#counter(
		"rate_limited_total",
		"Times that a limit of a route refused, closed or slowed down a connection.",
		["route", "limit"],
	);
	readonly #hubDelivery = this.#histogram(
		"hub_delivery_seconds",
		"Time from a publication to its last write, of what one turn of the event loop brought.",
		["hub"],
		DELIVERY_SECONDS,
	);
	readonly #hubRpc = this.#histogram(
		"hub_rpc_seconds",
		"Time that a hub's backend took for a question, by result: ok, refused, failed.",
		["hub", "result"],
		HANDSHAKE_SECONDS,
	);
	readonly #hubEvents = this.#counter("hub_events_total", "Events for a hub's backend: sent or dropped.", [
		"hub",
		"result",
	]);
	readonly #internalErrors = this.#counter(
		"internal_errors_total",
		"Mistakes in the gateway itself; each leaves a line internal.error.",
		[],
	);
	readonly #reloads = this.#counter("config_reloads_total", "Reloads of the configuration.", ["result"]);
	readonly #lastReload = new Gauge({
		name: `${PREFIX}config_last_reload_success_timestamp_seconds`,
		help: "When the running configuration was loaded, in seconds since the epoch.",
		registers: [this.registry],
		aggregator: "min",
	});
	readonly #lastReloadGood = new Gauge({
		name: `${PREFIX}config_last_reload_successful`,
		help: "Whether the configuration that was read last is the running one (1), or was rejected (0).",
		registers: [this.registry],
		aggregator: "min",
	});

	constructor(options: MetricsOptions) {
		this.#now = options.now ?? Date.now;
		for (const metric of COLLECTED_METRICS) this.#collected(metric, options.source);
		// A rate() over a counter that appears with its first event misses that event.
		for (const result of RELOAD_RESULTS.values()) this.#reloads.inc({ result }, 0);
		this.#lastReload.set(this.#now() / 1000);
		this.#lastReloadGood.set(1);
		if (!(options.nodeMetrics ?? true)) return;
		// What prom-client starts for this (a delay sampler, a GC observer) is unreferenced: it keeps no process alive.
		collectDefaultMetrics({ register: this.registry });
		for (const name of MISNAMED) this.registry.removeSingleMetric(name);
	}

	/** Value for Content-Type of what {@link render} gives. */
	get contentType(): string {
		return this.registry.contentType;
	}

	/** All metrics in the text exposition format. Rejects when the source throws. */
	render(): Promise<string> {
		return this.registry.metrics();
	}

	/** Forgets all metrics; nothing of the source is referenced afterwards. ({@link close} is the event.) */
	stop(): void {
		this.registry.clear();
		this.#routes.clear();
	}

	open(facts: ConnectionFacts, report: OpenReport): void {
		const series = this.#series(facts);
		series.open();
		series.handshake("ok", report.handshake_ms);
	}

	reject(facts: ConnectionFacts, report: RejectReport): void {
		this.#series(facts).handshake(report.code, report.handshake_ms);
	}

	close(facts: ConnectionFacts, report: CloseReport): void {
		this.#series(facts).close(report);
	}

	pingRtt(route: string, side: "client" | "backend", seconds: number): void {
		this.#pingSeconds.observe({ route, side }, seconds);
	}

	pause(route: string, direction: Direction): void {
		this.#pauses.inc({ route, direction });
	}

	limited(route: string, limit: string): void {
		this.#limited.inc({ route, limit });
	}

	/** What one turn of the event loop published in a hub is written. */
	hubDelivered(hub: string, seconds: number): void {
		this.#hubDelivery.observe({ hub }, seconds);
	}

	/** A hub's backend was asked something. */
	hubAsked(hub: string, result: string, seconds: number): void {
		this.#hubRpc.observe({ hub, result }, seconds);
	}

	/** A hub's backend was told events, or they were dropped. */
	hubTold(hub: string, result: "sent" | "dropped", count: number): void {
		this.#hubEvents.inc({ hub, result }, count);
	}

	notice(_level: LogLevel, event: string): void {
		if (event === INTERNAL_ERROR) this.#internalErrors.inc();
		// The file is the running configuration again after somebody took a mistake back.
		if (event === "config.unchanged") this.#lastReloadGood.set(1);
		const result = RELOAD_RESULTS.get(event);
		if (result === undefined) return;
		this.#reloads.inc({ result });
		this.#lastReloadGood.set(result === "success" ? 1 : 0);
		if (result === "success") this.#lastReload.set(this.#now() / 1000);
	}

	#series(facts: ConnectionFacts): RouteSeries {
		const route = facts.route ?? "";
		const upstream = facts.upstream ?? "";
		let upstreams = this.#routes.get(route);
		if (!upstreams) {
			upstreams = new Map();
			this.#routes.set(route, upstreams);
		}
		let series = upstreams.get(upstream);
		if (!series) {
			series = new RouteSeries(this.#routeMetrics, route, upstream);
			upstreams.set(upstream, series);
		}
		return series;
	}

	#counter(name: string, help: string, labelNames: string[]): Counter {
		return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
	}

	/** A counter that {@link RouteSeries} tells what it counted when somebody asks. */
	#tallied(name: string, help: string, labelNames: string[]): Counter {
		const collect = (): void => {
			for (const upstreams of this.#routes.values()) for (const series of upstreams.values()) series.flush();
		};
		return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry], collect });
	}

	#histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
		return new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers: [this.registry] });
	}

	#collected(spec: CollectedMetric, source: MetricsSource): void {
		const options = {
			name: PREFIX + spec.name,
			help: spec.help,
			labelNames: spec.labels,
			registers: [this.registry],
			aggregator: spec.aggregator ?? ("sum" as const),
		};
		const labelled = (values: readonly string[]): Record<string, string> =>
			Object.fromEntries(spec.labels.map((label, index) => [label, values[index] ?? ""]));
		if (spec.type === "counter") {
			new Counter({
				...options,
				collect() {
					this.reset();
					for (const [values, total] of spec.read(source)) this.inc(labelled(values), total);
				},
			});
			return;
		}
		new Gauge({
			...options,
			collect() {
				this.reset();
				for (const [values, value] of spec.read(source)) this.set(labelled(values), value);
			},
		});
	}
}
