/** The metrics of several worker processes as those of one gateway. */
import { type Aggregator, AggregatorRegistry } from "prom-client";
import type { WorkerFacts } from "./source.ts";

/** A metric as `Registry.getMetricsAsJSON()` gives it. */
export interface MetricObject {
	readonly name: string;
	readonly help: string;
	readonly type: "counter" | "gauge" | "histogram" | "summary";
	readonly aggregator: Aggregator;
	readonly values: readonly MetricValue[];
}

export interface MetricValue {
	readonly value: number;
	readonly labels: Readonly<Record<string, string | number | undefined>>;
	/** Of a histogram: with `_bucket`, `_sum` or `_count`. */
	readonly metricName?: string;
}

/** Known to the supervisor; what a worker says about them is about itself only. */
const SUPERVISORS: ReadonlySet<string> = new Set([
	"clawgate_config_reloads_total",
	"clawgate_config_last_reload_success_timestamp_seconds",
	"clawgate_config_last_reload_successful",
	"clawgate_limiter_entries",
	"clawgate_workers",
	"clawgate_workers_configured",
	// prom-client leaves it out of a sum; the gateway started when the supervisor did.
	"process_start_time_seconds",
]);

/** What the supervisor counts too: refused clients, connections of lost workers, its own errors and what it costs. */
const ADDED: ReadonlySet<string> = new Set([
	"clawgate_handshakes_total",
	"clawgate_handshake_duration_seconds",
	"clawgate_connections_closed_total",
	"clawgate_connection_duration_seconds",
	"clawgate_internal_errors_total",
	"clawgate_log_lines_lost_total",
	"process_cpu_user_seconds_total",
	"process_cpu_system_seconds_total",
	"process_cpu_seconds_total",
	"process_resident_memory_bytes",
]);

/** The part of the supervisor's own registry that counts for the gateway. */
export function supervisorPart(metrics: readonly MetricObject[], workers: WorkerFacts): MetricObject[] {
	const known: Readonly<Record<string, number>> = {
		clawgate_workers: workers.serving,
		clawgate_workers_configured: workers.configured,
	};
	return metrics
		.filter(({ name }) => SUPERVISORS.has(name) || ADDED.has(name))
		.map((metric) => {
			const value = known[metric.name];
			if (value !== undefined) return { ...metric, values: [{ value, labels: {} }] };
			return metric.aggregator === "omit" ? { ...metric, aggregator: "first" } : metric;
		});
}

/** The part of a worker's registry that counts for the gateway. */
export function workerPart(metrics: readonly MetricObject[]): MetricObject[] {
	return metrics.filter(({ name }) => !SUPERVISORS.has(name)).map(worstLag);
}

/** What stays true of a process that is gone: how often something happened. */
export function countsOf(metrics: readonly MetricObject[]): MetricObject[] {
	return metrics.filter(({ type }) => type === "counter" || type === "histogram");
}

/** One of all, each metric by its aggregator. */
export function merge(parts: readonly (readonly MetricObject[])[]): MetricObject[] {
	// What `aggregate` registers are such objects, and their `get`.
	const merged = registryOf(parts).getMetricsAsArray() as unknown as MetricObject[];
	return merged.map(({ name, help, type, aggregator, values }) => ({ name, help, type, aggregator, values }));
}

/** Like {@link merge}, in the text exposition format. */
export function metricsText(parts: readonly (readonly MetricObject[])[]): Promise<string> {
	return registryOf(parts).metrics();
}

function registryOf(parts: readonly (readonly MetricObject[])[]) {
	const registry = AggregatorRegistry.aggregate(parts as unknown as object[]);
	for (const { type, values } of registry.getMetricsAsArray() as unknown as MetricObject[]) {
		if (type !== "counter" && type !== "histogram") continue;
		for (const each of values as unknown as { value: number }[]) each.value = settled(each.value);
	}
	return registry;
}

/** What is added has at most six decimals. */
const DECIMALS = 1e9;

/**
 * Without the last digits of a sum of floating-point numbers. They depend on the order of adding, which changes when a
 * worker ends; a counter that is less than before by the smallest part is one that began anew, to Prometheus.
 */
function settled(sum: number): number {
	if (Number.isInteger(sum) || sum * DECIMALS > Number.MAX_SAFE_INTEGER) return sum;
	return Math.round(sum * DECIMALS) / DECIMALS;
}

/** One stuck event loop among many would vanish in the average that prom-client takes. */
function worstLag(metric: MetricObject): MetricObject {
	if (!metric.name.startsWith("nodejs_eventloop_lag") || metric.aggregator !== "average") return metric;
	return { ...metric, aggregator: "max" };
}
