/** Values over time, drawn as SVG: lines, or bars on top of each other. A cursor tells the values of one moment. */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatTime } from "../text/format.ts";
import type { Bins, Series } from "./bins.ts";
import { Axes, Bars, Lines } from "./marks.tsx";
import { type Area, axisFor } from "./scale.ts";

export interface TimeChartProps {
	readonly label: string;
	readonly kind: "lines" | "bars";
	readonly bins: Bins;
	readonly series: readonly Series[];
	/** Whole numbers only. */
	readonly whole?: boolean;
	readonly format: (value: number) => string;
}

const HEIGHT = 150;
const MARGIN = { left: 44, right: 10, top: 8, bottom: 20 };

export function TimeChart({ label, kind, bins, series, whole = false, format }: TimeChartProps) {
	const frame = useRef<HTMLDivElement>(null);
	const width = useWidth(frame);
	const [cursor, setCursor] = useState<number | undefined>(undefined);
	const area: Area = {
		left: MARGIN.left,
		top: MARGIN.top,
		width: Math.max(10, width - MARGIN.left - MARGIN.right),
		height: HEIGHT - MARGIN.top - MARGIN.bottom,
	};
	const highest = highestOf(series, kind, bins.count);
	const axis = axisFor(highest, whole);
	const last = bins.count - 1;
	const shown = Math.min(cursor ?? last, last);
	const moment = bins.start + shown * bins.step;
	const words = series.map((each) => `${each.label} ${format(each.values[shown] ?? 0)}`).join(", ");

	const move = (clientX: number): void => {
		const left = frame.current?.getBoundingClientRect().left ?? 0;
		const share = (clientX - left - area.left) / area.width;
		setCursor(Math.min(last, Math.max(0, Math.round(share * last))));
	};
	const onKey = (event: KeyboardEvent): void => {
		const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -last, End: last }[event.key];
		if (step === undefined) return;
		event.preventDefault();
		setCursor(Math.min(last, Math.max(0, shown + step)));
	};

	return (
		<div class="chart">
			<ul class="legend">
				{series.map((each) => (
					<li key={each.label}>
						<svg class={`legend-mark ${each.look}`} width="18" height="10" aria-hidden="true">
							{kind === "lines" ? (
								<path class="line" d="M0 5H18" />
							) : (
								<rect class="bar" width="18" height="10" rx="2" />
							)}
						</svg>
						{each.label} <b>{format(each.values[shown] ?? 0)}</b>
					</li>
				))}
				<li class="legend-time">{cursor === undefined ? "latest" : formatTime(moment)}</li>
			</ul>
			<div
				class="chart-frame"
				ref={frame}
				role="slider"
				tabIndex={0}
				aria-label={`${label}: moment`}
				aria-valuemin={0}
				aria-valuemax={last}
				aria-valuenow={shown}
				aria-valuetext={`${formatTime(moment)}: ${words}`}
				onPointerMove={(event) => move(event.clientX)}
				onPointerDown={(event) => move(event.clientX)}
				onPointerLeave={() => setCursor(undefined)}
				onBlur={() => setCursor(undefined)}
				onKeyDown={onKey}
			>
				<svg width={width} height={HEIGHT} aria-hidden="true">
					<Axes area={area} axis={axis} bins={bins} format={format} />
					{kind === "lines" ? (
						<Lines area={area} series={series} max={axis.max} />
					) : (
						<Bars area={area} series={series} max={axis.max} count={bins.count} />
					)}
					{cursor !== undefined && (
						<path
							class="cursor"
							d={`M${area.left + (shown / Math.max(1, last)) * area.width} ${area.top}v${area.height}`}
						/>
					)}
				</svg>
			</div>
		</div>
	);
}

function highestOf(series: readonly Series[], kind: TimeChartProps["kind"], count: number): number {
	if (kind === "lines") return Math.max(0, ...series.flatMap(({ values }) => values));
	let highest = 0;
	for (let index = 0; index < count; index++) {
		highest = Math.max(
			highest,
			series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
		);
	}
	return highest;
}

/** The width of an element, followed as it changes. */
function useWidth(element: { readonly current: HTMLElement | null }): number {
	const [width, setWidth] = useState(0);
	useEffect(() => {
		const { current } = element;
		if (!current) return;
		const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
		observer.observe(current);
		return () => observer.disconnect();
	}, [element]);
	return width;
}
