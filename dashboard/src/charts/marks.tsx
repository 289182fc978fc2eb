/** What a chart is drawn of. */
import { formatShortTime } from "../text/format.ts";
import type { Bins, Series } from "./bins.ts";
import { type Area, type Axis, linePath, points, timeTicks } from "./scale.ts";

/** Pixels that a time of day needs at the axis. */
const TIME_LABEL = 70;

interface AxesProps {
	readonly area: Area;
	readonly axis: Axis;
	readonly bins: Bins;
	readonly format: (value: number) => string;
}

export function Axes({ area, axis, bins, format }: AxesProps) {
	const bottom = area.top + area.height;
	const end = bins.start + bins.count * bins.step;
	const times = timeTicks(bins.start, end, Math.max(1, Math.floor(area.width / TIME_LABEL)));
	return (
		<g class="axes">
			{axis.ticks.map((tick) => {
				const y = Math.round(bottom - (tick / axis.max) * area.height) + 0.5;
				return (
					<g key={tick}>
						<path class={tick === 0 ? "base" : "grid"} d={`M${area.left} ${y}h${area.width}`} />
						<text x={area.left - 6} y={y + 3.5} text-anchor="end">
							{format(tick)}
						</text>
					</g>
				);
			})}
			{times.map((time) => {
				const x = area.left + ((time - bins.start) / (end - bins.start)) * area.width;
				return (
					<text key={time} x={x} y={bottom + 15} text-anchor={x > area.left + area.width - 16 ? "end" : "middle"}>
						{formatShortTime(time)}
					</text>
				);
			})}
		</g>
	);
}

interface MarksProps {
	readonly area: Area;
	readonly series: readonly Series[];
	readonly max: number;
}

/** The first series is filled when it stands alone. */
export function Lines({ area, series, max }: MarksProps) {
	const bottom = area.top + area.height;
	return (
		<g>
			{series.map(({ label, values, look }) => {
				const path = linePath(points(values, max, area));
				return (
					<g class={look} key={label}>
						{series.length === 1 && (
							<path class="fill" d={`${path}L${area.left + area.width} ${bottom}L${area.left} ${bottom}Z`} />
						)}
						<path class="line" d={path} />
					</g>
				);
			})}
		</g>
	);
}

/** One path for each series: hundreds of elements would be slow. */
export function Bars({ area, series, max, count }: MarksProps & { readonly count: number }) {
	const bottom = area.top + area.height;
	const slot = area.width / count;
	const width = Math.max(1, slot - (slot > 4 ? 1 : 0));
	const stacked = new Array<number>(count).fill(0);
	return (
		<g>
			{series.map(({ label, values, look }) => {
				let path = "";
				for (let index = 0; index < count; index++) {
					const value = values[index] ?? 0;
					if (value <= 0) continue;
					const below = stacked[index] as number;
					const height = (value / max) * area.height;
					const y = bottom - (below / max) * area.height - height;
					path += `M${(area.left + index * slot).toFixed(1)} ${y.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${(-width).toFixed(1)}z`;
					stacked[index] = below + value;
				}
				return (
					<g class={look} key={label}>
						<path class="bar" d={path} />
					</g>
				);
			})}
		</g>
	);
}
