/** The gateway's activity of the past hour, kept up to date with small questions. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { GatewayApi } from "../api/gateway.ts";
import type { Activity, Interval, Rejection, Traffic } from "../api/model.ts";

const HOUR = 3_600_000;
const MAX_REJECTIONS = 200;

/** Per second, since the question before. */
export type TrafficRates = Traffic;

export interface ActivityState {
	readonly activity: Activity;
	/** The past hour, oldest first; intervals in which nothing happened are missing. */
	readonly intervals: readonly Interval[];
	/** The latest rejection of each code and route, the newest first. */
	readonly rejections: readonly Rejection[];
	/** Undefined after the first answer. */
	readonly rates: TrafficRates | undefined;
}

export interface ActivityStore {
	readonly state: ReadonlySignal<ActivityState | undefined>;
	/** Asks for what is new. Throws what the client throws. */
	refresh(abort: AbortSignal): Promise<void>;
}

export function createActivityStore(api: GatewayApi): ActivityStore {
	const state = signal<ActivityState | undefined>(undefined);
	return {
		state,
		refresh: async (abort) => {
			const known = state.value;
			// The last interval may have grown since.
			const since = known?.intervals.at(-1)?.start ?? 0;
			const activity = await api.activity(since, abort);
			state.value = joined(known, activity, since);
		},
	};
}

/** What was known, with what an answer adds to it. After a restart of the gateway its counters begin anew: so does this. */
export function joined(known: ActivityState | undefined, activity: Activity, since: number): ActivityState {
	const restarted = known !== undefined && wentBack(known.activity.traffic, activity.traffic);
	const base = restarted ? undefined : known;
	const earlier = base?.intervals.filter(({ start }) => start < since && start >= activity.time - HOUR) ?? [];
	return {
		activity,
		intervals: [...earlier, ...activity.intervals],
		rejections: newestFirst(base?.rejections ?? [], activity.last_rejections),
		rates: base && rates(base.activity, activity),
	};
}

function newestFirst(earlier: readonly Rejection[], later: readonly Rejection[]): readonly Rejection[] {
	if (later.length === 0) return earlier;
	const byKind = new Map<string, Rejection>();
	for (const rejection of [...earlier, ...later]) {
		const key = `${rejection.code} ${rejection.route ?? ""}`;
		const known = byKind.get(key);
		if (!known || known.time <= rejection.time) byKind.set(key, rejection);
	}
	return [...byKind.values()].sort((a, b) => b.time - a.time).slice(0, MAX_REJECTIONS);
}

function rates(before: Activity, now: Activity): TrafficRates | undefined {
	const seconds = (now.time - before.time) / 1000;
	if (seconds <= 0) return undefined;
	const rate = (key: keyof Traffic): number => Math.max(0, (now.traffic[key] - before.traffic[key]) / seconds);
	return {
		messages_in: rate("messages_in"),
		messages_out: rate("messages_out"),
		bytes_in: rate("bytes_in"),
		bytes_out: rate("bytes_out"),
	};
}

function wentBack(before: Traffic, now: Traffic): boolean {
	return now.bytes_in < before.bytes_in || now.bytes_out < before.bytes_out;
}
