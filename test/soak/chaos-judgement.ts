/** How much more than at the start the gateway may hold after the chaos run. */
import type { ChaosResult } from "./chaos.ts";

const MiB = 2 ** 20;
/** A look-up or a look at a file may be under way. */
const FDS = 3;
/** Compiled code and caches that are bounded: tables by address, names, passwords that were right. */
const HEAP = 10 * MiB;
/** What malloc keeps of buffers that were needed at once, and V8's young generation. */
const RSS = 100 * MiB;

/** What is more than that, in words. A worker of the end is compared with the one of the start that held most. */
export function heldMore({ before, after }: Pick<ChaosResult, "before" | "after">): string[] {
	const most = (of: "fds" | "heap" | "rss") => Math.max(...before.slice(1).map((held) => held[of]));
	const allowed = { fds: FDS, heap: HEAP, rss: RSS };
	return after.flatMap((held, index) =>
		(["fds", "heap", "rss"] as const).flatMap((of) => {
			const start = index === 0 ? (before[0]?.[of] ?? 0) : most(of);
			return held[of] > start + allowed[of] ? [`process ${index}: ${of} ${start} before, ${held[of]} after`] : [];
		}),
	);
}
