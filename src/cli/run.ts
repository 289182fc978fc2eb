/** `clawgate run`: the gateway itself. Exit 0 after a drain, 1 for a bad configuration, 2 for bad arguments. */
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ConfigSource, type RunningGateway, startGateway } from "../app.ts";
import { StartCancelled } from "../cancellable.ts";
import { type Loaded, readConfigOnce } from "../config/load.ts";
import { readConfigLater } from "../config/load-later.ts";
import { formatProblem, hasErrors } from "../config/problem.ts";
import { workerCount } from "../config/workers.ts";
import { installLastResort } from "../last-resort.ts";
import { startSupervisor } from "../supervisor/supervisor.ts";
import { argumentMessage } from "./argument-error.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { announceDemo, startDemoBackends } from "./demo.ts";
import { RunSignals } from "./signals.ts";
import { counted } from "./table.ts";

const DEFAULT_CONFIG = "routes.yaml";
const EXIT_BAD_CONFIG = 1;
const EXIT_FAILED = 1;
/** After the second signal all connections are cut off; what is not over after this time is left as it is, ms. */
const CUT_MS = 5_000;

export const run: Command = async (argv, io) => {
	const signals = io.signals ?? new RunSignals();
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
		gateway = await start({ config, source, loaded, cancelled: signals.stop });
	} catch (error) {
		if (error instanceof StartCancelled) {
			await stopBackends?.();
			return 0;
		}
		io.stderr(`clawgate: ${(error as Error).message}\n`);
		await stopBackends?.();
		return EXIT_BAD_CONFIG;
	}
	if (values.demo) announceDemo(io, gateway, config);
	const exitCode = await untilStopped(gateway, signals);
	await stopBackends?.();
	return exitCode;
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

/**
 * SIGHUP reloads. Waits for SIGTERM or SIGINT and for the drain after it; a second signal cuts the drain off. Whatever
 * goes wrong, the process ends: within the time that a stop may take, soon after the second signal, at once after a third.
 * Resolves with the exit code, if it does.
 */
async function untilStopped(gateway: RunningGateway, signals: RunSignals): Promise<number> {
	const failing = new AbortController();
	installLastResort(gateway.events, () => failing.abort());
	signals.onReload(() => gateway.reload("signal"));
	await aborted(AbortSignal.any([signals.stop, failing.signal]));
	const over = (why: string) => () => {
		gateway.events.notice("error", "gateway.cut", { pid: process.pid, message: `${why}: what is left is given up` });
		gateway.abandon();
		process.exit(EXIT_FAILED);
	};
	const { longestStop } = gateway;
	setTimeout(over(`the stop took longer than ${longestStop} ms`), longestStop).unref();
	void aborted(signals.stopNow).then(() => {
		void gateway.stop({ immediately: true });
		setTimeout(over(`the gateway did not end within ${CUT_MS} ms after a second signal`), CUT_MS).unref();
	});
	void aborted(signals.abandon).then(over("a third signal came"));
	await gateway.stop();
	return failing.signal.aborted ? EXIT_FAILED : 0;
}

async function aborted(signal: AbortSignal): Promise<void> {
	if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
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
SIGTERM and SIGINT drain: no new connections, every open one is told to come back, exit 0. A second one cuts
everything off, exit 0 too; exit 1 when that did not end the process within five seconds. A third one ends it as it is.
`;
