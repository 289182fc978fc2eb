/** The files that a configuration consists of, and `include` patterns. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Where files come from: the disk, or the output of `nginx -T`. */
export interface ConfigFiles {
	/** The text; undefined when there is no such file. @throws Error when it is there and cannot be read */
	read(path: string): string | undefined;
	/** Names in a folder; empty when there is no such folder. */
	list(folder: string): readonly string[];
}

/** The files of this machine. */
export const diskFiles: ConfigFiles = {
	read(path) {
		try {
			return statSync(path).isFile() ? readFileSync(path, "utf8") : undefined;
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === "ENOENT" || code === "ENOTDIR") return undefined;
			throw new Error(code === "EACCES" ? "permission denied" : (code ?? String(error)), { cause: error });
		}
	},
	list(folder) {
		try {
			return readdirSync(folder);
		} catch {
			// As glob(3): a folder that cannot be listed matches nothing.
			return [];
		}
	},
};

const MARKER = /^# configuration file (\/.+):$/;

/** The files in what `nginx -T` prints, the main one first; undefined for any other text. */
export function dumpedFiles(text: string): { main: string; files: ConfigFiles } | undefined {
	const texts = new Map<string, string[]>();
	let main: string | undefined;
	let current: string[] | undefined;
	for (const line of text.split("\n")) {
		const path = MARKER.exec(line)?.[1];
		if (path === undefined) {
			current?.push(line);
			continue;
		}
		main ??= path;
		current = [];
		texts.set(path, current);
	}
	if (main === undefined) return undefined;
	const names = [...texts.keys()];
	return {
		main,
		files: {
			read: (path) => texts.get(path)?.join("\n"),
			list: (folder) => {
				const start = folder.endsWith("/") ? folder : `${folder}/`;
				const below = names.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
				return [...new Set(below.map((name) => name.split("/")[0] as string))];
			},
		},
	};
}

/** Whether a path is a pattern, and has not to match anything. */
export function isPattern(path: string): boolean {
	return /[*?[]/.test(path);
}

/** The paths that a pattern matches, in the order of glob(3). */
export function glob(pattern: string, files: ConfigFiles): string[] {
	let found = [pattern.startsWith("/") ? "/" : "."];
	for (const segment of pattern.split("/").filter((part) => part !== "")) {
		found = found.flatMap((folder) => {
			if (!isPattern(segment)) return [join(folder, segment)];
			const matches = segmentPattern(segment);
			return files
				.list(folder)
				.filter((name) => matches.test(name) && (!name.startsWith(".") || segment.startsWith(".")))
				.map((name) => join(folder, name));
		});
	}
	return found.sort();
}

function segmentPattern(segment: string): { test(name: string): boolean } {
	const source = segment.replace(/\[!?[^\]]+\]|[*?]|[^*?[\]]+|[[\]]/g, (part) => {
		if (part === "*") return ".*";
		if (part === "?") return ".";
		if (part.length > 1 && part.startsWith("["))
			return `[${part.slice(1, -1).replace(/^!/, "^").replaceAll("\\", "\\\\")}]`;
		return part.replace(/[\\^$.|()[\]{}+]/g, "\\$&");
	});
	try {
		return new RegExp(`^${source}$`);
	} catch {
		// A range out of order matches nothing, as in glob(3).
		return { test: () => false };
	}
}
