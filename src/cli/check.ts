/** `clawgate check`: everything that is wrong with a configuration file. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Loaded, readConfigOnce } from "../config/load.ts";
import { formatProblem, hasErrors } from "../config/problem.ts";
import { argumentMessage } from "./argument-error.ts";
import type { CommandIo } from "./command.ts";

const HELP = `Usage: clawgate check [-c FILE]

  -c, --config FILE  the configuration (default: routes.yaml)

Prints each problem as FILE:LINE:COLUMN: KEY: MESSAGE. Exit 0 when there are warnings at most, 1 for errors.
`;

/**
 * Prints each problem as a line on stdout and a summary on stderr.
 * @returns the exit code: 0 when there are warnings at most, 1 when there is an error, 2 for wrong arguments
 */
export async function check(argv: readonly string[], io: CommandIo): Promise<number> {
	const options = {
		config: { type: "string", short: "c", default: "routes.yaml" },
		help: { type: "boolean", short: "h" },
	} as const;
	let values: { config: string; help?: boolean | undefined };
	try {
		({ values } = parseArgs({ args: [...argv], options }));
	} catch (error) {
		io.stderr(`clawgate check: ${argumentMessage(error, Object.keys(options))}\n`);
		return 2;
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	const file = values.config;
	const loaded = readConfigOnce(resolve(io.cwd, file), io.env);
	// The operator's own name for the file: what an editor or a terminal opens from here.
	for (const problem of loaded.problems) io.stdout(`${formatProblem({ ...problem, file })}\n`);
	io.stderr(`${file}: ${summary(loaded)}\n`);
	return hasErrors(loaded.problems) ? 1 : 0;
}

function summary({ config, problems }: Loaded): string {
	const warnings = problems.filter(({ severity }) => severity === "warning").length;
	if (!config) {
		return warnings === 0
			? count(problems.length, "problem")
			: `${count(problems.length, "problem")} (${count(warnings, "warning")} among them)`;
	}
	const parts = [
		"ok",
		count(config.listeners.length, "listener"),
		count(Object.keys(config.upstreams).length, "upstream"),
		count(config.routes.length, "route"),
	];
	if (warnings > 0) parts.push(count(warnings, "warning"));
	return parts.join(", ");
}

function count(number: number, word: string): string {
	return `${number} ${word}${number === 1 ? "" : "s"}`;
}
