/** routes.yaml to a {@link GatewayConfig}, or everything that is wrong with it. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { CHECKS } from "./checks/index.ts";
import { defaultName } from "./checks/names.ts";
import { withDefaults } from "./defaults.ts";
import {
	type FileContent,
	type FileContents,
	filesIn,
	isPipe,
	makeFilesAbsolute,
	type ReadContent,
	readContent,
} from "./files.ts";
import { checkSchema } from "./issues.ts";
import { parseYaml, type Source } from "./parse.ts";
import { hasErrors, type Problem, sortProblems } from "./problem.ts";
import { routeOptions } from "./route.ts";
import { configSchema, type GatewayConfig, type RouteConfig } from "./schema.ts";
import type { Environment } from "./substitute.ts";

export interface Loaded {
	/** Only when no problem is an error. */
	readonly config?: GatewayConfig;
	/** In the order of the file. */
	readonly problems: readonly Problem[];
	/** Absolute paths of the files that it names, as far as they could be found out. */
	readonly files: readonly string[];
	/** What was read of these files; they may change after they were checked. */
	readonly contents: FileContents;
}

/** A file that was read as YAML; the files that it names have not been read yet. */
export interface Parsed {
	/** {@link Loaded.files} */
	readonly files: readonly string[];
	/** Checks everything. Never throws for what the text says. */
	check(read: ReadContent): Loaded;
}

/**
 * Reads a configuration from text. Never throws for what the text says.
 * @param file names the file in problems; relative paths inside start at its folder
 * @param environment for `${NAME}`
 */
export function parseConfig(text: string, file: string, environment: Environment): Parsed {
	const { data, source, problems } = parseYaml(text, file, environment);
	if (data === undefined) {
		const loaded = { problems: sortProblems(problems), files: [], contents: new Map() };
		return { files: [], check: () => loaded };
	}
	const folder = dirname(resolve(file));
	makeFilesAbsolute(data, folder);
	const files = [...new Set(filesIn(data).map(({ value }) => value))];
	const check = (readOnce: ReadContent): Loaded => {
		const contents = new Map<string, FileContent>();
		const read: ReadContent = (path) => {
			let content = contents.get(path);
			if (content === undefined) {
				content = readOnce(path);
				contents.set(path, content);
			}
			return content;
		};
		const checked = checkSchema(configSchema, data, source);
		const found = [...problems, ...checked.problems, ...CHECKS.flatMap((one) => one({ data, source, folder, read }))];
		if (hasErrors(found) || !checked.value) return { problems: sortProblems(found), files, contents };
		return { ...complete(checked.value, data as z.input<typeof configSchema>, source, found), files, contents };
	};
	return { files, check };
}

/** {@link parseConfig}, and the files that it names are read at once. */
export function loadConfig(text: string, file: string, environment: Environment): Loaded {
	return parseConfig(text, file, environment).check(readContent);
}

/** Reads a configuration file at once; one that cannot be read is a problem too. */
export function readConfig(file: string, environment: Environment): Loaded {
	const content = readContent(file);
	if (content.trouble !== undefined) return unreadableConfig(file, content.trouble);
	return loadConfig(Buffer.from(content.bytes).toString("utf8"), file, environment);
}

/** {@link readConfig} for a command that reads it once: `-c` may also name a pipe, as in `-c <(…)`, whose end it waits for. */
export function readConfigOnce(file: string, environment: Environment): Loaded {
	try {
		if (!isPipe(file)) return readConfig(file, environment);
		return loadConfig(readFileSync(file, "utf8"), file, environment);
	} catch (error) {
		return unreadableConfig(file, (error as Error).message);
	}
}

/** What is loaded of a configuration file that cannot be read. */
export function unreadableConfig(file: string, trouble: string): Loaded {
	const message = `cannot read the configuration: ${trouble}`;
	const problem: Problem = { file, line: 1, col: 1, path: "", message, severity: "error" };
	return { problems: [problem], files: [], contents: new Map() };
}

/** Names the nameless and merges `defaults` into each route; only now do an option's own defaults count. */
function complete(
	checked: z.output<typeof configSchema>,
	data: z.input<typeof configSchema>,
	source: Source,
	found: readonly Problem[],
): Pick<Loaded, "config" | "problems"> {
	const routes: RouteConfig[] = [];
	const problems = [...found];
	for (const [index, route] of data.routes.entries()) {
		const merged = checkSchema(routeOptions, withDefaults(data.defaults, route), source, ["routes", index]);
		problems.push(...merged.problems);
		if (merged.value) routes.push({ ...merged.value, name: merged.value.name ?? defaultName("route", index) });
	}
	if (hasErrors(problems)) return { problems: sortProblems(problems) };
	const listeners = checked.listeners.map((listener, index) => {
		return { ...listener, name: listener.name ?? defaultName("listener", index) };
	});
	const { defaults: _, ...rest } = checked;
	return { config: { ...rest, listeners, routes }, problems: sortProblems(problems) };
}
