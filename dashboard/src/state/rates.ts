/** How fast counters rise, from two looks at them. */
import { useRef } from "preact/hooks";

interface Look<K extends string> {
	readonly at: number;
	readonly counters: ReadonlyMap<string, Readonly<Record<K, number>>>;
}

/** Per second; undefined for what was not there before. */
export type RateOf<K extends string> = (id: string, key: K) => number | undefined;

/** Shorter times than this between two looks say little. */
const SHORTEST_MS = 500;

/**
 * Keeps the last two looks. `looked` is a new object for each look; the same one again changes nothing.
 * @param now ms
 */
export function useRates<T, K extends string>(
	looked: readonly T[] | undefined,
	idOf: (item: T) => string,
	countersOf: (item: T) => Readonly<Record<K, number>>,
	now: () => number,
): RateOf<K> {
	const last = useRef<{ source: unknown; before: Look<K> | undefined; current: Look<K> | undefined }>({
		source: undefined,
		before: undefined,
		current: undefined,
	});
	const kept = last.current;
	if (looked && kept.source !== looked) {
		const current = { at: now(), counters: new Map(looked.map((item) => [idOf(item), countersOf(item)])) };
		if (!kept.current || current.at - kept.current.at >= SHORTEST_MS) kept.before = kept.current;
		kept.current = current;
		kept.source = looked;
	}
	return (id, key) => {
		const before = kept.before?.counters.get(id);
		const current = kept.current?.counters.get(id);
		if (!before || !current || !kept.before || !kept.current) return undefined;
		const seconds = (kept.current.at - kept.before.at) / 1000;
		return seconds <= 0 ? undefined : Math.max(0, (current[key] - before[key]) / seconds);
	};
}
