/** `clawgate reload`: a running gateway reads its configuration again. */
import { AdminError } from "./admin-client.ts";
import { ADMIN_HELP, type AdminCommand, refuseOthers, runAdminCommand } from "./arguments.ts";
import type { Command, CommandIo } from "./command.ts";
import { printable } from "./table.ts";

const HELP = `Usage: clawgate reload [--force]

Has a running gateway read its configuration file again, and shows what is wrong with it. With any mistake nothing changes.
A file that would drain more than half of all open connections is taken only when it is still the same five seconds later.

  --force            takes such a file at once
${ADMIN_HELP}
Exit 0 when the file was taken, or is the one that runs already; 1 when it was not taken.
`;

/** A large configuration takes a while; ms. */
const RELOAD_MS = 130_000;

interface Outcome {
	readonly result: "success" | "unchanged" | "rejected";
	readonly problems: readonly string[];
}

const command: AdminCommand = {
	name: "reload",
	help: HELP,
	options: { force: { type: "boolean" } },
	run: async ({ values, positionals, client }, io) => {
		refuseOthers(positionals, "an option of this command");
		const outcome = await client
			.withTimeout(RELOAD_MS)
			.change<Outcome>("POST", "reload", values.force === true ? { force: true } : {})
			.catch(rejection);
		if (values.json === true) {
			const { result, problems } = outcome;
			io.stdout(`${JSON.stringify({ result, problems }, null, 2)}\n`);
		} else print(outcome, io);
		return outcome.result === "rejected" ? 1 : 0;
	},
};

export const reload: Command = (argv, io) => runAdminCommand(command, argv, io);

/** @throws whatever is no answer about a configuration */
function rejection(error: unknown): Outcome {
	const outcome = error instanceof AdminError ? (error.answer as Partial<Outcome> | undefined) : undefined;
	if (outcome?.result === "rejected" && outcome.problems) return outcome as Outcome;
	throw error;
}

function print({ result, problems }: Outcome, io: CommandIo): void {
	for (const problem of problems) io.stderr(`${printable(problem)}\n`);
	if (result === "success") io.stdout("the configuration was taken\n");
	else if (result === "unchanged") io.stdout("nothing has changed: this is the configuration that runs\n");
	else io.stderr("clawgate reload: nothing was changed\n");
}
