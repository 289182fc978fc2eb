/** `activity` of all workers as one. */
import type { Activity } from "../../admin/api/activity.ts";

type Interval = Activity["intervals"][number];
type Rejection = Activity["last_rejections"][number];

/**
 * @param own the supervisor's: reloads, whether it stops
 * @param gone what went through processes that have ended
 */
export function mergedActivity(own: Activity, parts: readonly Activity[], gone: Activity["traffic"]): Activity {
	const all = [own, ...parts];
	const traffics = [gone, ...all.map(({ traffic }) => traffic)];
	const total = (key: keyof Activity["traffic"]): number => traffics.reduce((sum, each) => sum + each[key], 0);
	return {
		...own,
		connections: all.reduce((sum, { connections }) => sum + connections, 0),
		handshakes: all.reduce((sum, { handshakes }) => sum + handshakes, 0),
		traffic: {
			messages_in: total("messages_in"),
			messages_out: total("messages_out"),
			bytes_in: total("bytes_in"),
			bytes_out: total("bytes_out"),
		},
		intervals: mergedIntervals(all.flatMap(({ intervals }) => intervals)),
		last_rejections: latestOfEach(all.flatMap(({ last_rejections }) => last_rejections)),
	};
}

/** Those that began together are one. */
function mergedIntervals(intervals: readonly Interval[]): Interval[] {
	const byStart = new Map<number, Interval[]>();
	for (const interval of intervals) {
		const together = byStart.get(interval.start);
		if (together) together.push(interval);
		else byStart.set(interval.start, [interval]);
	}
	return [...byStart.entries()]
		.sort(([a], [b]) => a - b)
		.map(([start, together]) => ({
			start,
			opened: together.reduce((sum, { opened }) => sum + opened, 0),
			closed: added(
				together.flatMap(({ closed }) => closed),
				({ close_code, initiator, termination, route = "", endpoint = "" }) =>
					`${close_code} ${initiator} ${termination} ${route} ${endpoint}`,
			),
			rejected: added(
				together.flatMap(({ rejected }) => rejected),
				({ code, route }) => `${code} ${route ?? ""}`,
			),
		}));
}

function added<T extends { count: number }>(counts: readonly T[], keyOf: (count: T) => string): T[] {
	const sums = new Map<string, T>();
	for (const count of counts) {
		const key = keyOf(count);
		const known = sums.get(key);
		sums.set(key, { ...count, count: count.count + (known?.count ?? 0) });
	}
	return [...sums.values()];
}

/** Of each code and route, the oldest first. */
function latestOfEach(rejections: readonly Rejection[]): Rejection[] {
	const latest = new Map<string, Rejection>();
	for (const rejection of [...rejections].sort((a, b) => a.time - b.time)) {
		const key = `${rejection.code} ${rejection.route ?? ""}`;
		latest.delete(key);
		latest.set(key, rejection);
	}
	return [...latest.values()];
}
