/** Axes of a chart. */

/** The end of an axis and its ticks, at round numbers: 0 is the first one. */
export interface Axis {
	readonly max: number;
	readonly ticks: readonly number[];
}

const STEPS = [1, 2, 2.5, 5, 10];

/**
 * @param highest largest value that has to fit
 * @param whole whether values are whole numbers, so that ticks are too
 */
export function axisFor(highest: number, whole: boolean, maxTicks = 4): Axis {
	const least = whole ? 1 : 0.1;
	const wanted = Math.max(highest, least * 2) / maxTicks;
	const magnitude = 10 ** Math.floor(Math.log10(wanted));
	const step = Math.max(
		least,
		(STEPS.find((each) => each * magnitude >= wanted && (!whole || Number.isInteger(each * magnitude))) ?? 10) *
			magnitude,
	);
	const count = Math.ceil(Math.max(highest, least) / step - 1e-9);
	const ticks = Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
	return { max: ticks.at(-1) as number, ticks };
}

const TIME_STEPS = [60_000, 120_000, 300_000, 900_000, 1_800_000];

/** Whole minutes of the wall clock between two times. */
export function timeTicks(start: number, end: number, maxTicks: number): number[] {
	const step = TIME_STEPS.find((each) => (end - start) / each <= maxTicks) ?? 3_600_000;
	const ticks: number[] = [];
	for (let time = Math.ceil(start / step) * step; time <= end; time += step) ticks.push(time);
	return ticks;
}

export interface Area {
	readonly left: number;
	readonly top: number;
	readonly width: number;
	readonly height: number;
}

/** Where the values of a series are drawn. */
export function points(
	values: readonly number[],
	max: number,
	area: Area,
): { readonly x: number; readonly y: number }[] {
	const step = values.length > 1 ? area.width / (values.length - 1) : 0;
	return values.map((value, index) => ({
		x: round(area.left + index * step),
		y: round(area.top + area.height * (1 - value / max)),
	}));
}

/** An SVG path through the points. */
export function linePath(through: readonly { readonly x: number; readonly y: number }[]): string {
	return through.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}
