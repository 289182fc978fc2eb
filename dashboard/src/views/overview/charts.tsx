/** Connections, their coming and going, and who closed them, over time. */
import { binsFor, closedIn, countsOf, openOf, ratesOf, rejectedIn, type Series } from "../../charts/bins.ts";
import { TimeChart } from "../../charts/time-chart.tsx";
import { Panel } from "../../parts/panel.tsx";
import type { ActivityState } from "../../state/activity.ts";
import { formatCount, formatRate } from "../../text/format.ts";

export interface Span {
	readonly ms: number;
	readonly label: string;
}

export const SPANS = [
	{ ms: 5 * 60_000, label: "5 min" },
	{ ms: 15 * 60_000, label: "15 min" },
	{ ms: 60 * 60_000, label: "1 h" },
] as const satisfies readonly Span[];

const MAX_POINTS = 180;
/** Bars need room. */
const MAX_BARS = 60;

export interface ActivityChartsProps {
	readonly state: ActivityState;
	readonly span: Span;
	readonly onSpan: (span: (typeof SPANS)[number]) => void;
}

export function ActivityCharts({ state: { activity, intervals }, span, onSpan }: ActivityChartsProps) {
	const { time, interval_ms: interval, connections } = activity;
	const bins = binsFor(time, span.ms, interval, MAX_POINTS);
	const bars = binsFor(time, span.ms, interval, MAX_BARS);
	const open: Series = { label: "open", look: "series-open", values: openOf(intervals, bins, connections) };
	const rates: readonly Series[] = [
		{ label: "opened", look: "series-opened", values: ratesOf(intervals, bins, ({ opened }) => opened) },
		{ label: "closed", look: "series-closed", values: ratesOf(intervals, bins, (each) => closedIn(each)) },
		{ label: "rejected", look: "series-rejected", values: ratesOf(intervals, bins, rejectedIn) },
	];
	const closes: readonly Series[] = (["client", "backend", "gateway"] as const).map((initiator) => ({
		label: initiator,
		look: `series-by-${initiator}`,
		values: countsOf(intervals, bars, (each) => closedIn(each, initiator)),
	}));
	return (
		<>
			<fieldset class="span-choice">
				<legend class="visually-hidden">Time shown</legend>
				{SPANS.map((each) => (
					<button type="button" key={each.ms} aria-pressed={each.ms === span.ms} onClick={() => onSpan(each)}>
						{each.label}
					</button>
				))}
			</fieldset>
			<Panel title="Connections" class="chart-panel">
				<TimeChart label="Connections" kind="lines" bins={bins} series={[open]} whole format={formatCount} />
			</Panel>
			<Panel title="Per second" class="chart-panel">
				<TimeChart label="Per second" kind="lines" bins={bins} series={rates} format={formatRate} />
			</Panel>
			<Panel title="Closes by initiator" class="chart-panel">
				<TimeChart label="Closes by initiator" kind="bars" bins={bars} series={closes} whole format={formatCount} />
			</Panel>
		</>
	);
}
