/** `clawgate run`: the gateway itself. Exit 0 after a drain, 1 for a bad configuration, 2 for bad arguments. */
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ConfigSource, type RunningGateway, startGateway } from "../app.ts";
import { type Loaded, readConfigOnce } from "../config/load.ts";
import { readConfigLater } from "../config/load-later.ts";
import { formatProblem, hasErrors } from "../config/problem.ts";
import { workerCount } from "../config/workers.ts";
import { startSupervisor } from "../supervisor/supervisor.ts";
import { argumentMessage } from "./argument-error.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { announceDemo, startDemoBackends } from "./demo.ts";
import { counted } from "./table.ts";

const DEFAULT_CONFIG = "routes.yaml";
const EXIT_BAD_CONFIG = 1;

export const run: Command = async (argv, io) => {
	const options = {
		config: { type: "string", short: "c" },
		demo: { type: "boolean" },
		help: { type: "boolean", short: "h" },
	} as const;
	let values: { config?: string | undefined; demo?: boolean | undefined; help?: boolean | undefined };
	try {
		({ values } = parseArgs({ args: argv, options }));
	} catch (error) {
		io.stderr(`clawgate run: ${argumentMessage(error, Object.keys(options))}\n`);
		return EXIT_USAGE;
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	const file = values.config ?? (values.demo ? demoConfig(io.cwd) : DEFAULT_CONFIG);
	const source = configSource(file, io);
	const loaded = named(file, readConfigOnce(source.file, io.env));
	const { config, problems } = loaded;
	for (const problem of problems) io.stderr(`${formatProblem(problem)}\n`);
	if (!config) {
		const errors = problems.filter((problem) => hasErrors([problem])).length;
		io.stderr(`clawgate run: not started, ${file} has ${counted(errors, "error")}\n`);
		return EXIT_BAD_CONFIG;
	}

	const stopBackends = values.demo ? await startDemoBackends(io) : undefined;
	if (values.demo && !stopBackends) return EXIT_BAD_CONFIG;
	const start = workerCount(config.workers) === 1 ? startGateway : startSupervisor;
	let gateway: RunningGateway;
	try {
		gateway = await start({ config, source, loaded });
	} catch (error) {
		io.stderr(`clawgate: ${(error as Error).message}\n`);
		await stopBackends?.();
		return EXIT_BAD_CONFIG;
	}
	if (values.demo) announceDemo(io, gateway, config);
	await signalled(gateway);
	await stopBackends?.();
	return 0;
};

/** Reads the file each time, in the background. */
function configSource(file: string, { cwd, env }: CommandIo): ConfigSource {
	const absolute = resolve(cwd, file);
	return { file: absolute, load: async () => named(file, await readConfigLater(absolute, env)) };
}

/** Problems name the file as the operator did. */
function named(file: string, loaded: Loaded): Loaded {
	return { ...loaded, problems: loaded.problems.map((problem) => ({ ...problem, file })) };
}

/** SIGHUP reloads. Waits for SIGTERM or SIGINT and for the drain after it; a second signal cuts the drain off. */
async function signalled(gateway: RunningGateway): Promise<void> {
	process.on("SIGHUP", () => void gateway.reload("signal"));
	await new Promise<void>((resolve, reject) => {
		let asked = false;
		const onSignal = (): void => {
			gateway.stop({ immediately: asked }).then(resolve, reject);
			asked = true;
		};
		process.on("SIGTERM", onSignal);
		process.on("SIGINT", onSignal);
	});
}

/** The package's own routes.yaml, next to `dist/` or `src/`. */
function demoConfig(cwd: string): string {
	const file = fileURLToPath(new URL("../../routes.yaml", import.meta.url));
	const near = relative(cwd, file);
	return near.startsWith("..") ? file : near;
}

const HELP = `Usage: clawgate run [-c FILE] [--demo]

  -c, --config FILE  the configuration (default: ${DEFAULT_CONFIG})
  --demo             start two sample chat servers and the configuration that stands before them

The file is read again when it changes and on SIGHUP; a file with mistakes changes nothing.
SIGTERM and SIGINT drain: no new connections, every open one is told to come back, exit 0. A second one ends at once.
`;
