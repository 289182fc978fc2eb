/** The commands by name. Each is loaded when it is asked for: a gateway needs none of the others. */
import { didYouMean } from "../config/nearest.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { type Completable, completion } from "./completion.ts";
import { FILTER_KEYS } from "./connection-filter.ts";

interface Entry extends Completable {
	readonly run: Command;
}

/** Of the commands that talk to a running gateway. */
const ADMIN_OPTIONS = ["--admin", "--config", "--token", "--json", "--help"];
const FILTERS = FILTER_KEYS.map((key) => `${key}=`);

const COMMANDS: Readonly<Record<string, Entry>> = {
	run: {
		run: async (argv, io) => (await import("./run.ts")).run(argv, io),
		summary: "run the gateway: run [-c routes.yaml] [--demo]",
		options: ["--config", "--demo", "--help"],
	},
	check: {
		run: async (argv, io) => (await import("./check.ts")).check(argv, io),
		summary: "report every problem of a configuration: check [-c routes.yaml]",
		options: ["--config", "--help"],
	},
	explain: {
		run: async (argv, io) => (await import("./explain.ts")).explain(argv, io),
		summary: "tell where a handshake would go, and why: explain [-c routes.yaml] URL",
		options: [
			"--config",
			"--header",
			"--subprotocol",
			"--client-ip",
			"--listener",
			"--hub",
			"--topic",
			"--claims",
			"--json",
			"--help",
		],
	},
	doctor: {
		run: async (argv, io) => (await import("./doctor.ts")).doctor(argv, io),
		summary: "open a WebSocket step by step and say what is wrong: doctor URL",
		options: [
			...[
				"--header",
				"--origin",
				"--subprotocol",
				"--hold",
				"--ping-every",
				"--timeout",
				"--insecure",
				"--ca",
				"--cert",
			],
			...["--key", "--ipv4", "--ipv6", "--resolve", "--verbose", "--json", "--causes", "--help"],
		],
	},
	connections: {
		run: async (argv, io) => (await import("./connections.ts")).connections(argv, io),
		summary: "list the open connections of a running gateway: connections [FILTER…]",
		options: ["--limit", "--sort", ...ADMIN_OPTIONS],
		words: FILTERS,
	},
	endpoints: {
		run: async (argv, io) => (await import("./endpoints.ts")).endpoints(argv, io),
		summary: "list the endpoints of a running gateway, or change one: endpoints [UPSTREAM [ENDPOINT]]",
		options: ["--state", "--weight", "--reset", ...ADMIN_OPTIONS],
	},
	drain: {
		run: async (argv, io) => (await import("./drain.ts")).drain(argv, io),
		summary: "have connections come back, spread over time: drain endpoint=ID [--spread 5m] [--wait]",
		options: [
			...["--all", "--spread", "--timeout", "--close-code", "--reason", "--wait", "--status"],
			...ADMIN_OPTIONS,
		],
		words: ["route=", "upstream=", "endpoint="],
	},
	close: {
		run: async (argv, io) => (await import("./close.ts")).close(argv, io),
		summary: "close connections at once: close CONNECTION_ID… | FILTER… | --all",
		options: ["--all", "--close-code", "--reason", ...ADMIN_OPTIONS],
		words: FILTERS,
	},
	hub: {
		run: async (argv, io) => (await import("./hub.ts")).hub(argv, io),
		summary: "show hubs and topics of a running gateway, publish, tell why something did not reach a user",
		options: ["--hub", "--prefix", "--topic", "--limit", ...ADMIN_OPTIONS],
		words: ["topics", "topic", "publish", "missed"],
	},
	subscribe: {
		run: async (argv, io) => (await import("./subscribe.ts")).subscribe(argv, io),
		summary: "follow topics of a hub as a client does: subscribe URL TOPIC…",
		options: ["--token", "--plain", "--count", "--help"],
	},
	reload: {
		run: async (argv, io) => (await import("./reload.ts")).reload(argv, io),
		summary: "have a running gateway read its configuration again: reload [--force]",
		options: ["--force", ...ADMIN_OPTIONS],
	},
	import: {
		run: async (argv, io) => (await import("./import.ts")).importConfig(argv, io),
		summary: "make a routes.yaml from an nginx configuration: import nginx FILE",
		options: ["--listen", "--help"],
		words: ["nginx"],
	},
	schema: {
		run: async (argv, io) => (await import("./schema.ts")).schema(argv, io),
		summary: "print the JSON Schema of routes.yaml for editors",
		options: ["--help"],
	},
	version: {
		run: async (argv, io) => (await import("./version.ts")).version(argv, io),
		summary: "print the version of Clawgate, of Node.js, and the platform",
		options: ["--json", "--help"],
	},
	completion: {
		run: (argv, io) => completion(argv, io, COMMANDS),
		summary: "print a completion script for a shell: completion bash|zsh|fish",
		options: ["--help"],
		words: ["bash", "zsh", "fish"],
	},
};

/** Options that stand for a command. */
const WORDS: Readonly<Record<string, string>> = { "--version": "version", "-v": "version" };

/** For completion, and for the test that compares it with what each command's help says. */
export const commands: Readonly<Record<string, Completable>> = COMMANDS;

/** Runs `argv[0]`; resolves with the exit code. */
export async function runCommand(argv: readonly string[], io: CommandIo): Promise<number> {
	const [first, ...others] = argv;
	const asksForHelp = first === "help" || first === "--help" || first === "-h";
	// `help drain` is `drain --help`.
	const [name, rest] = asksForHelp ? [others[0], ["--help"]] : [WORDS[first ?? ""] ?? first, others];
	if (name === undefined) {
		io[asksForHelp ? "stdout" : "stderr"](usage());
		return asksForHelp ? 0 : EXIT_USAGE;
	}
	const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
	if (!command) {
		const meant = didYouMean(name, Object.keys(COMMANDS));
		io.stderr(`clawgate: there is no command ${JSON.stringify(name)}${meant}\nclawgate help lists them\n`);
		return EXIT_USAGE;
	}
	return command.run(rest, io);
}

function usage(): string {
	const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
	const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
	return `Usage: clawgate COMMAND\n\n${lines.join("\n")}\n\nclawgate help COMMAND tells more about one.\n`;
}
