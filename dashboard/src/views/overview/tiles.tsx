/** The numbers of this moment. */
import type { ComponentChildren } from "preact";
import { binsFor, closedIn, ratesOf, rejectedIn } from "../../charts/bins.ts";
import type { ActivityState } from "../../state/activity.ts";
import { formatBytes, formatCount, formatRate, plural } from "../../text/format.ts";

export function Tiles({ state: { activity, intervals, rates } }: { state: ActivityState }) {
	// The last two whole intervals: one alone jumps too much.
	const bins = binsFor(activity.time, 2 * activity.interval_ms, activity.interval_ms, 2);
	const recent = (count: Parameters<typeof ratesOf>[2]): string => {
		const values = ratesOf(intervals, bins, count);
		return formatRate(values.reduce((sum, value) => sum + value, 0) / values.length);
	};
	const { serving, configured } = activity.workers;
	const workers = configured > 1 ? [plural(serving, "worker")] : [];
	return (
		<dl class="tiles">
			<Tile
				label="Connections"
				detail={[`${plural(activity.handshakes, "handshake")} under way`, ...workers].join(", ")}
			>
				{formatCount(activity.connections)}
			</Tile>
			<Tile label="Opened">
				{recent(({ opened }) => opened)} <Unit>/s</Unit>
			</Tile>
			<Tile label="Closed">
				{recent((interval) => closedIn(interval))} <Unit>/s</Unit>
			</Tile>
			<Tile label="Rejected">
				{recent(rejectedIn)} <Unit>/s</Unit>
			</Tile>
			<Tile label="Messages from clients" detail={rates ? `${formatRate(rates.messages_out)} /s to clients` : ""}>
				{rates ? formatRate(rates.messages_in) : "–"} <Unit>/s</Unit>
			</Tile>
			<Tile label="Data from clients" detail={rates ? `${formatBytes(rates.bytes_out)} /s to clients` : ""}>
				{rates ? formatBytes(rates.bytes_in) : "–"} <Unit>/s</Unit>
			</Tile>
		</dl>
	);
}

function Tile({ label, detail, children }: { label: string; detail?: string; children: ComponentChildren }) {
	return (
		<div class="tile">
			<dt>{label}</dt>
			<dd>
				<span class="tile-value">{children}</span>
				{detail !== undefined && <span class="tile-detail">{detail}</span>}
			</dd>
		</div>
	);
}

function Unit({ children }: { children: ComponentChildren }) {
	return <span class="unit">{children}</span>;
}
