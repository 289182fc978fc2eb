/**
 * Watches the files of a configuration. Folders are watched, not files: editors and Kubernetes replace files by rename,
 * and a watch on the old file would see nothing any more. Only what the folder says about a file is looked at (size, times,
 * which file it is), one after the other and never at the cost of the event loop: what it holds is read by the reload.
 */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { asked } from "./files.ts";

/** Several events of one save make one look. */
const DEBOUNCE_MS = 50;
/** A file that is being written changes again within this; so do several that belong together. */
const STABLE_MS = 500;
/** Network file systems give no events; a folder can vanish for a moment. */
const POLL_MS = 5_000;

export interface WatchedFiles {
	/**
	 * Absolute paths to watch from now on. A file that was not in the list before leads to one call of `changed`: it may
	 * have changed between being read and being watched.
	 */
	set(files: readonly string[]): void;
	stop(): void;
}

/** Calls `changed` when a watched file was written, appeared or vanished, and then stayed as it is for half a second. */
export function watchFiles(changed: () => void): WatchedFiles {
	let files: readonly string[] = [];
	/** How the files were at the last call of `changed`, and at the last look. */
	let known: Appearance = new Map();
	let seen: Appearance = new Map();
	let timer: NodeJS.Timeout | undefined;
	let looking = false;
	/** An event came while it looked. */
	let missed = false;
	let stopped = false;
	const folders = new Map<string, FSWatcher>();

	const again = (delay: number): void => {
		clearTimeout(timer);
		if (stopped) return;
		timer = setTimeout(() => void look(), delay);
		timer.unref();
	};
	const look = async (): Promise<void> => {
		if (looking) {
			missed = true;
			return;
		}
		looking = true;
		missed = false;
		await watchFolders();
		const now = await appearance(files);
		looking = false;
		const stable = isDeepStrictEqual(now, seen) && !missed;
		seen = now;
		if (stopped || (isDeepStrictEqual(now, known) && !missed)) return;
		if (!stable) {
			again(STABLE_MS);
			return;
		}
		known = now;
		changed();
	};
	const watchFolders = async (): Promise<void> => {
		const wanted = new Set(files.map((file) => dirname(file)));
		for (const [folder, watcher] of folders) {
			if (wanted.has(folder)) continue;
			watcher.close();
			folders.delete(folder);
		}
		for (const folder of wanted) {
			if (folders.has(folder)) continue;
			try {
				// To watch a folder is a call that waits for it.
				await asked(folder, () => stat(folder));
				if (stopped || folders.has(folder)) continue;
				const watcher = watch(folder, { persistent: false }, () => again(DEBOUNCE_MS));
				watcher.on("error", () => {
					watcher.close();
					folders.delete(folder);
				});
				folders.set(folder, watcher);
			} catch {
				// The folder is not there now, or this system has no more watches to give: the poll goes on looking.
			}
		}
	};
	const poll = setInterval(() => void look(), POLL_MS);
	poll.unref();

	return {
		set(next) {
			const list = [...new Set(next)];
			if (isDeepStrictEqual(list, files)) return;
			files = list;
			known = only(list, known);
			seen = only(list, seen);
			void look();
		},
		stop() {
			stopped = true;
			clearInterval(poll);
			clearTimeout(timer);
			for (const watcher of folders.values()) watcher.close();
			folders.clear();
		},
	};
}

/** By file: what tells a changed one from an unchanged one, without its content. */
type Appearance = Map<string, string>;

async function appearance(files: readonly string[]): Promise<Appearance> {
	const found: Appearance = new Map();
	for (const file of files) {
		try {
			const { dev, ino, mode, size, mtimeNs, ctimeNs } = await asked(file, () => stat(file, { bigint: true }));
			found.set(file, [dev, ino, mode, size, mtimeNs, ctimeNs].join(" "));
		} catch (error) {
			found.set(file, (error as NodeJS.ErrnoException).code ?? "silent");
		}
	}
	return found;
}

function only(files: readonly string[], found: Appearance): Appearance {
	return new Map([...found].filter(([file]) => files.includes(file)));
}
