/** `clawgate run`: the gateway itself. Exit 0 after a drain, 1 for a bad configuration, 2 for bad arguments. */
import { isAbsolute, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startGateway } from "../app.ts";
import { readConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, EXIT_USAGE } from "./command.ts";
import { announceDemo, startDemoBackends } from "./demo.ts";

const DEFAULT_CONFIG = "routes.yaml";
const EXIT_BAD_CONFIG = 1;

export const run: Command = async (argv, io) => {
	let values: { config?: string | undefined; demo?: boolean | undefined; help?: boolean | undefined };
	try {
		({ values } = parseArgs({
			args: argv,
			options: {
				config: { type: "string", short: "c" },
				demo: { type: "boolean" },
				help: { type: "boolean", short: "h" },
			},
		}));
	} catch (error) {
		io.stderr(`clawgate run: ${(error as Error).message}\n`);
		return EXIT_USAGE;
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	const file = values.config ?? (values.demo ? demoConfig(io.cwd) : DEFAULT_CONFIG);
	const { config, problems } = readConfig(isAbsolute(file) ? file : resolve(io.cwd, file), io.env);
	for (const problem of problems) io.stderr(`${formatProblem({ ...problem, file })}\n`);
	if (!config) return EXIT_BAD_CONFIG;

	const stopBackends = values.demo ? await startDemoBackends(io) : undefined;
	if (values.demo && !stopBackends) return EXIT_BAD_CONFIG;
	let gateway: Awaited<ReturnType<typeof startGateway>>;
	try {
		gateway = await startGateway({ config });
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

/** Waits for SIGTERM or SIGINT and for the drain after it; a second signal cuts the drain off. */
async function signalled(gateway: { stop(options?: { immediately?: boolean }): Promise<void> }): Promise<void> {
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

SIGTERM and SIGINT drain: no new connections, every open one is told to come back, exit 0. A second one ends at once.
`;
