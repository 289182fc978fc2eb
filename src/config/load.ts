/** routes.yaml to a {@link GatewayConfig}, or everything that is wrong with it. */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { CHECKS } from "./checks/index.ts";
import { defaultName } from "./checks/names.ts";
import { withDefaults } from "./defaults.ts";
import { filesIn, makeFilesAbsolute, readText } from "./files.ts";
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
}

/**
 * Reads a configuration from text. Never throws for what the text says.
 * @param file names the file in problems; relative paths inside start at its folder
 * @param environment for `${NAME}`
 */
export function loadConfig(text: string, file: string, environment: Environment): Loaded {
	const { data, source, problems } = parseYaml(text, file, environment);
	if (data === undefined) return { problems: sortProblems(problems), files: [] };
	const folder = dirname(resolve(file));
	makeFilesAbsolute(data, folder);
	const files = filesIn(data).map(({ value }) => value);
	const checked = checkSchema(configSchema, data, source);
	const found = [...problems, ...checked.problems, ...CHECKS.flatMap((check) => check({ data, source, folder }))];
	if (hasErrors(found) || !checked.value) return { problems: sortProblems(found), files };
	return { ...complete(checked.value, data as z.input<typeof configSchema>, source, found), files };
}

/** Reads a configuration file; one that cannot be read is a problem too. */
export function readConfig(file: string, environment: Environment): Loaded {
	const { text, trouble } = readText(file) as { text?: string; trouble?: string };
	if (text !== undefined) return loadConfig(text, file, environment);
	const message = `cannot read the configuration: ${trouble}`;
	return { problems: [{ file, line: 1, col: 1, path: "", message, severity: "error" }], files: [] };
}

/** Names the nameless and merges `defaults` into each route; only now do an option's own defaults count. */
function complete(
	checked: z.output<typeof configSchema>,
	data: z.input<typeof configSchema>,
	source: Source,
	found: readonly Problem[],
): Omit<Loaded, "files"> {
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
