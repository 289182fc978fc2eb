/** What this process holds: for tests that look for leaks. */
import { readdirSync, readlinkSync } from "node:fs";

export interface Resources {
	/** Open file descriptors; -1 where /proc does not exist. */
	readonly fds: number;
	/** Bytes of live JavaScript heap; only meaningful after a collection. */
	readonly heap: number;
	/** Handles and requests that keep the event loop alive, by kind. */
	readonly active: Readonly<Record<string, number>>;
}

/** Counts what is open now. Collects garbage first when Node runs with `--expose-gc`. */
export function resources(): Resources {
	globalThis.gc?.();
	const active: Record<string, number> = {};
	for (const kind of process.getActiveResourcesInfo()) active[kind] = (active[kind] ?? 0) + 1;
	return { fds: openFds(), heap: process.memoryUsage().heapUsed, active };
}

/** Open file descriptors of a process (default: this one); -1 where /proc does not exist. */
export function openFds(pid: number | "self" = "self"): number {
	try {
		return readdirSync(`/proc/${pid}/fd`).length;
	} catch {
		return -1;
	}
}

/** What a process has open, by kind: `socket`, `pipe`, `anon_inode` and so on; files as `file`. */
export function openKinds(pid: number): Record<string, number> {
	const kinds: Record<string, number> = {};
	for (const fd of readdirSync(`/proc/${pid}/fd`)) {
		const kind = kindOf(`/proc/${pid}/fd/${fd}`);
		if (kind !== undefined) kinds[kind] = (kinds[kind] ?? 0) + 1;
	}
	return kinds;
}

function kindOf(link: string): string | undefined {
	try {
		const target = readlinkSync(link);
		return target.startsWith("/") ? "file" : target.replace(/:\[?[0-9]+\]?$/, "");
	} catch {
		// It was closed meanwhile.
		return undefined;
	}
}
