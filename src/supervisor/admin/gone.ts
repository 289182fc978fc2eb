/** What processes that have ended counted, so that no sum goes down with them. */
import type { Activity } from "../../admin/api/activity.ts";
import type { RouteCounts } from "../../admin/api/route-counts.ts";
import type { MetricObject, MetricValue } from "../../telemetry/merge.ts";

export type RouteTotals = Readonly<RouteCounts>;

/** Connections of a route, out of their metrics. */
export function routeTotals(metrics: readonly MetricObject[], route: string): RouteTotals {
	const ofRoute = ({ labels }: MetricValue): boolean => labels.route === route;
	return {
		opened: sum(metrics, "connections_opened_total", ofRoute),
		closed: sum(metrics, "connections_closed_total", ofRoute),
		rejected: sum(metrics, "handshakes_total", (value) => ofRoute(value) && value.labels.result !== "ok"),
	};
}

/** What went through them, out of their metrics. */
export function trafficTotals(metrics: readonly MetricObject[]): Activity["traffic"] {
	const from = (direction: string) => ({
		bytes: sum(metrics, "bytes_total", ({ labels }) => labels.direction === direction),
		messages: sum(
			metrics,
			"messages_total",
			({ labels }) => labels.direction === direction && (labels.opcode === "text" || labels.opcode === "binary"),
		),
	});
	const client = from("client_to_backend");
	const backend = from("backend_to_client");
	return {
		messages_in: client.messages,
		messages_out: backend.messages,
		bytes_in: client.bytes,
		bytes_out: backend.bytes,
	};
}

function sum(metrics: readonly MetricObject[], name: string, counts: (value: MetricValue) => boolean): number {
	const metric = metrics.find((each) => each.name === `clawgate_${name}`);
	let total = 0;
	for (const value of metric?.values ?? []) if (counts(value)) total += value.value;
	return total;
}
