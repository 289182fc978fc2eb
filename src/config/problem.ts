/** What is wrong with a configuration, and where. */

/** Map keys and list indices from the top of the file down to a value. */
export type KeyPath = readonly (string | number)[];

export interface Problem {
	/** The configuration file, as the operator named it. */
	readonly file: string;
	/** From 1. */
	readonly line: number;
	/** From 1, in characters. */
	readonly col: number;
	/** Key path such as `routes[0].match.path_regex`; "" for the file as a whole. */
	readonly path: string;
	readonly message: string;
	readonly severity: "error" | "warning";
}

/** One line for the operator: `F:line:col: key.path: message`. A warning's message starts with `warning: `. */
export function formatProblem(problem: Problem): string {
	const where = `${problem.file}:${problem.line}:${problem.col}: `;
	const path = problem.path === "" ? "" : `${problem.path}: `;
	return `${where}${path}${problem.severity === "warning" ? "warning: " : ""}${problem.message}`;
}

/** Whether any of the problems keeps the configuration from being used. */
export function hasErrors(problems: readonly Problem[]): boolean {
	return problems.some((problem) => problem.severity === "error");
}

/** By position in the file, each said once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
	const seen = new Set<string>();
	return [...problems]
		.sort((a, b) => a.line - b.line || a.col - b.col)
		.filter((problem) => {
			const line = formatProblem(problem);
			return !seen.has(line) && seen.add(line);
		});
}

/** Writes a path the way an operator would: `routes[0].match`, `upstreams["my chat"]`. */
export function formatPath(path: KeyPath): string {
	let text = "";
	for (const step of path) {
		if (typeof step === "number") text += `[${step}]`;
		else if (/^[\p{L}\p{N}_-]+$/u.test(step)) text += text === "" ? step : `.${step}`;
		else text += `[${JSON.stringify(step)}]`;
	}
	return text;
}
