/** From the gateway's intervals to the points of a chart. */
import type { CloseCount, Initiator, Interval } from "../api/model.ts";

export interface Bins {
	/** ms since the epoch of the first bin. */
	readonly start: number;
	/** Length of a bin, ms. */
	readonly step: number;
	readonly count: number;
}

/** One value for each bin. */
export interface Series {
	readonly label: string;
	readonly values: readonly number[];
	/** Of the stylesheet: `series-…`; sets colour and dash or pattern. */
	readonly look: string;
}

/**
 * Whole bins that end before `now`: the interval that still grows is left out, its rate would always look too low.
 *
 * @param span length of the chart, ms
 * @param interval length of the gateway's intervals, ms
 * @param maxPoints no more bins than this; bins are multiples of the interval
 */
export function binsFor(now: number, span: number, interval: number, maxPoints: number): Bins {
	const step = interval * Math.max(1, Math.ceil(span / interval / maxPoints));
	const end = Math.floor(now / step) * step;
	const count = Math.ceil(span / step);
	return { start: end - count * step, step, count };
}

/** Events per second in each bin. */
export function ratesOf(intervals: readonly Interval[], bins: Bins, count: (interval: Interval) => number): number[] {
	return countsOf(intervals, bins, count).map((events) => (events * 1000) / bins.step);
}

/** Events in each bin. */
export function countsOf(intervals: readonly Interval[], bins: Bins, count: (interval: Interval) => number): number[] {
	const values = new Array<number>(bins.count).fill(0);
	for (const interval of intervals) {
		const index = Math.floor((interval.start - bins.start) / bins.step);
		if (index >= 0 && index < bins.count) values[index] = (values[index] as number) + count(interval);
	}
	return values;
}

/** How many connections were open at the end of each bin, worked out from how many are open now. */
export function openOf(intervals: readonly Interval[], bins: Bins, openNow: number): number[] {
	const end = bins.start + bins.count * bins.step;
	const change = (interval: Interval): number => interval.opened - closedIn(interval);
	let open = openNow;
	for (const interval of intervals) if (interval.start >= end) open -= change(interval);
	const changes = countsOf(intervals, bins, change);
	const values = new Array<number>(bins.count);
	for (let index = bins.count - 1; index >= 0; index--) {
		values[index] = Math.max(0, open);
		open -= changes[index] as number;
	}
	return values;
}

export function closedIn({ closed }: Interval, initiator?: Initiator): number {
	return closed.reduce((sum, each) => (initiator && each.initiator !== initiator ? sum : sum + each.count), 0);
}

export function rejectedIn({ rejected }: Interval): number {
	return rejected.reduce((sum, { count }) => sum + count, 0);
}

/** Closes since `since` by code, initiator and termination, the most frequent first. */
export function closeTotals(intervals: readonly Interval[], since: number): CloseCount[] {
	return totals(
		intervals.flatMap(({ start, closed }) => (start >= since ? closed : [])),
		({ close_code, initiator, termination }) => `${close_code} ${initiator} ${termination}`,
	);
}

/** Rejections since `since` by code and route, the most frequent first. */
export function rejectionTotals(intervals: readonly Interval[], since: number): Interval["rejected"] {
	return totals(
		intervals.flatMap(({ start, rejected }) => (start >= since ? rejected : [])),
		({ code, route }) => `${code} ${route ?? ""}`,
	);
}

function totals<T extends { readonly count: number }>(counts: readonly T[], keyOf: (item: T) => string): T[] {
	const sums = new Map<string, T>();
	for (const item of counts) {
		const key = keyOf(item);
		const known = sums.get(key);
		sums.set(key, known ? { ...known, count: known.count + item.count } : item);
	}
	return [...sums.values()].sort((a, b) => b.count - a.count);
}
