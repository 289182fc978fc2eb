/** Arguments of the commands that talk to a running gateway. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { didYouMean } from "../config/nearest.ts";
import { AdminClient, AdminError } from "./admin-client.ts";
import { adminTarget } from "./admin-target.ts";
import { argumentMessage } from "./argument-error.ts";
import { type CommandIo, EXIT_USAGE } from "./command.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Options that all of them have. */
export const ADMIN_OPTIONS = {
	admin: { type: "string" },
	token: { type: "string" },
	config: { type: "string", short: "c" },
	json: { type: "boolean" },
	help: { type: "boolean", short: "h" },
} as const satisfies Options;

/** Their lines in a command's help. */
export const ADMIN_HELP = `  --admin URL        address of the admin port, such as http://10.0.0.5:9090 or unix:/run/admin.sock
                     (default: the admin section of the configuration, or http://127.0.0.1:9090)
  -c, --config FILE  the configuration that names the admin port (default: routes.yaml, if there is one)
  --token TOKEN      admin token; better in the environment, as CLAWGATE_ADMIN_TOKEN or ADMIN_TOKEN
  --json             prints JSON
  -h, --help         prints this
`;

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export interface Arguments {
	readonly values: Values;
	readonly positionals: readonly string[];
	/** Connects when it is first asked. */
	readonly client: AdminClient;
}

/** A mistake in the arguments; the message says which. */
export class UsageError extends Error {
	override readonly name = "UsageError";
}

/** What a command is made of. */
export interface AdminCommand {
	readonly name: string;
	readonly help: string;
	readonly options?: Options;
	/** @throws UsageError, AdminError */
	run(parsed: Arguments, io: CommandIo): Promise<number>;
}

/**
 * Runs such a command: reads its arguments, and turns what goes wrong into a line and an exit code.
 * @returns 0; 1 when the gateway could not be reached or said no; 2 for wrong arguments
 */
export async function runAdminCommand(command: AdminCommand, argv: readonly string[], io: CommandIo): Promise<number> {
	try {
		const { values, positionals } = parse(command, argv);
		if (values.help === true) {
			io.stdout(command.help);
			return 0;
		}
		const client = new AdminClient(adminTarget(values as Readonly<Record<string, string | undefined>>, io));
		const code = await command.run({ values, positionals, client }, io);
		const silent = [...client.missingWorkers].join(", ");
		if (silent !== "") {
			io.stderr(`warning: worker ${silent} did not answer, so its connections are missing here and stay as they are\n`);
		}
		return code;
	} catch (error) {
		const usage = error instanceof UsageError || (error instanceof AdminError && error.usage);
		if (!usage && !(error instanceof AdminError)) throw error;
		io.stderr(`clawgate ${command.name}: ${(error as Error).message}\n`);
		if (!usage) return 1;
		io.stderr(`clawgate ${command.name} --help tells more\n`);
		return EXIT_USAGE;
	}
}

function parse({ options }: AdminCommand, argv: readonly string[]): { values: Values; positionals: readonly string[] } {
	const all = { ...ADMIN_OPTIONS, ...options };
	try {
		const { values, positionals } = parseArgs({ args: [...argv], options: all, allowPositionals: true });
		return { values: values as Values, positionals };
	} catch (error) {
		throw new UsageError(argumentMessage(error, Object.keys(all)));
	}
}

/** The words `key=value` by key. Others are given back, in order. */
export function readFilter(
	words: readonly string[],
	keys: readonly string[],
): { filter: Record<string, string>; others: string[] } {
	const filter: Record<string, string> = {};
	const others: string[] = [];
	for (const word of words) {
		const equals = word.indexOf("=");
		const key = word.slice(0, Math.max(0, equals));
		if (equals < 0) others.push(word);
		else if (!keys.includes(key)) {
			throw new UsageError(
				`there is no filter ${JSON.stringify(key)}${didYouMean(key, keys)}; possible are ${keys.join(", ")}`,
			);
		} else if (equals === word.length - 1) throw new UsageError(`${key}= needs a value`);
		else filter[key] = word.slice(equals + 1);
	}
	return { filter, others };
}

/** Words that a command does not take. */
export function refuseOthers(others: readonly string[], expected: string): void {
	if (others[0] !== undefined) throw new UsageError(`${JSON.stringify(others[0])} is not ${expected}`);
}

/** A whole number in an option; undefined when it was not given. */
export function integerOption(values: Values, name: string): number | undefined {
	const text = values[name];
	if (text === undefined) return undefined;
	if (typeof text !== "string" || !/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} takes a whole number`);
	return Number(text);
}
