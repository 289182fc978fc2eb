/** The commands by name. */
import { check } from "./check.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { run } from "./run.ts";
import { schema } from "./schema.ts";

const COMMANDS: Readonly<Record<string, { run: Command; summary: string }>> = {
	run: { run, summary: "run the gateway: run [-c routes.yaml] [--demo]" },
	check: { run: check, summary: "report every problem of a configuration: check [-c routes.yaml]" },
	schema: { run: schema, summary: "print the JSON Schema of routes.yaml for editors" },
};

/** Runs `argv[0]`; resolves with the exit code. */
export async function runCommand(argv: readonly string[], io: CommandIo): Promise<number> {
	const [name, ...rest] = argv;
	if (name === undefined || name === "help" || name === "--help" || name === "-h") {
		io[name === undefined ? "stderr" : "stdout"](usage());
		return name === undefined ? EXIT_USAGE : 0;
	}
	const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
	if (!command) {
		io.stderr(`clawgate: there is no command ${JSON.stringify(name)}\n\n${usage()}`);
		return EXIT_USAGE;
	}
	return command.run(rest, io);
}

function usage(): string {
	const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
	const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
	return `Usage: clawgate COMMAND\n\n${lines.join("\n")}\n`;
}
