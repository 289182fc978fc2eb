/**
 * Watches the files of a configuration. Folders are watched, not files: editors and Kubernetes replace files by rename,
 * and a watch on the old file would see nothing any more. What counts is the content, so touching a file does nothing.
 */
import { createHash } from "node:crypto";
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";

/** Several events of one save, or of several files written together, make one look. */
const DEBOUNCE_MS = 100;
/** Network file systems give no events; a folder can vanish for a moment. */
const POLL_MS = 5_000;

export interface WatchedFiles {
	/**
	 * Absolute paths to watch from now on. A new list leads to one call of `changed`: a file may have changed between
	 * being read and being watched.
	 */
	set(files: readonly string[]): void;
	stop(): void;
}

/** Calls `changed` after the content of a watched file became different, appeared or vanished. */
export function watchFiles(changed: () => void): WatchedFiles {
	let files: readonly string[] = [];
	let known = "";
	let debounce: NodeJS.Timeout | undefined;
	const folders = new Map<string, FSWatcher>();

	const look = (): void => {
		watchFolders();
		const now = fingerprint(files);
		if (now === known) return;
		known = now;
		changed();
	};
	const soon = (): void => {
		clearTimeout(debounce);
		debounce = setTimeout(look, DEBOUNCE_MS);
		debounce.unref();
	};
	const watchFolders = (): void => {
		const wanted = new Set(files.map((file) => dirname(file)));
		for (const [folder, watcher] of folders) {
			if (wanted.has(folder)) continue;
			watcher.close();
			folders.delete(folder);
		}
		for (const folder of wanted) {
			if (folders.has(folder)) continue;
			try {
				const watcher = watch(folder, { persistent: false }, soon);
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
	const poll = setInterval(look, POLL_MS);
	poll.unref();

	return {
		set(next) {
			const list = [...new Set(next)];
			if (isDeepStrictEqual(list, files)) return;
			files = list;
			known = "";
			watchFolders();
			soon();
		},
		stop() {
			clearInterval(poll);
			clearTimeout(debounce);
			for (const watcher of folders.values()) watcher.close();
			folders.clear();
		},
	};
}

/** A digest of the files' contents; a file that cannot be read counts as empty in its own way. */
export function fingerprint(files: readonly string[]): string {
	const hash = createHash("sha256");
	for (const file of files) {
		hash.update(`\0${file}\0`);
		try {
			hash.update(readFileSync(file));
		} catch (error) {
			hash.update(`\0${(error as NodeJS.ErrnoException).code}`);
		}
	}
	return hash.digest("base64");
}
