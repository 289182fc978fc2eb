/** The `admin` section of a configuration, whatever is wrong with the rest: what talks to a running gateway needs no more. */
import { adminOptions } from "./admin.ts";
import { readText } from "./files.ts";
import { checkSchema } from "./issues.ts";
import { readConfig } from "./load.ts";
import { parseYaml } from "./parse.ts";
import { hasErrors, type Problem } from "./problem.ts";
import type { AdminConfig } from "./schema.ts";
import type { Environment } from "./substitute.ts";

export interface AdminSection {
	/** Undefined when there is none, or when it cannot be used. */
	readonly admin?: AdminConfig | undefined;
	/** Why it cannot be used: mistakes of its own, or a file that is not YAML. Empty when there just is none. */
	readonly mistakes: readonly Problem[];
	/** Every error of the file; the section can be used in spite of those elsewhere. */
	readonly errors: readonly Problem[];
}

/**
 * Reads it alone where the whole cannot be used. Never throws for what the file says.
 * @param environment for `${NAME}`; a token whose variable is not set is empty
 */
export function readAdminSection(file: string, environment: Environment): AdminSection {
	const { config, problems } = readConfig(file, environment);
	if (config) return { admin: config.admin, mistakes: [], errors: [] };
	const errors = problems.filter((problem) => hasErrors([problem]));
	const { text = "" } = readText(file) as { text?: string };
	const { data, source } = parseYaml(text, file, environment);
	if (typeof data !== "object" || data === null) return { mistakes: errors, errors };
	if (!("admin" in data)) return { mistakes: [], errors };
	const { value: admin, problems: mistakes } = checkSchema(adminOptions, data.admin, source, ["admin"]);
	return { admin, mistakes, errors };
}
