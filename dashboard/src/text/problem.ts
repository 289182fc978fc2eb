/** Problems of a configuration as the gateway writes them: `F:line:col: key.path: message`. */

export interface Problem {
	readonly file: string;
	/** From 1; undefined when the problem is not one of a place in the file. */
	readonly line: number | undefined;
	readonly column: number | undefined;
	/** Key path and message, without the place. */
	readonly text: string;
	readonly severity: "error" | "warning";
}

const WARNING = /(^|: )warning: /;

export function parseProblem(problem: string): Problem {
	const match = /^(.+?):(\d+):(\d+): ([\s\S]*)$/.exec(problem);
	const text = match?.[4] ?? problem;
	return {
		file: match?.[1] ?? "",
		line: match ? Number(match[2]) : undefined,
		column: match ? Number(match[3]) : undefined,
		text: text.replace(WARNING, "$1"),
		severity: WARNING.test(text) ? "warning" : "error",
	};
}

/** The last part of a path: the file's name is enough where the folder is always the same. */
export function fileName(path: string): string {
	return path.split(/[\\/]/).at(-1) ?? path;
}
