/** `clawgate close`: ends connections of a running gateway now. */
import { ADMIN_HELP, type AdminCommand, integerOption, readFilter, runAdminCommand, UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { FILTER_HELP, FILTER_KEYS } from "./connection-filter.ts";
import { counted } from "./table.ts";
import { unknownNames } from "./unknown-names.ts";

const HELP = `Usage: clawgate close CONNECTION_ID…
       clawgate close FILTER…
       clawgate close --all

Closes connections of a running gateway at once, each with a Close frame. To spread that over time: clawgate drain.

${FILTER_HELP}
  --all              every connection
  --close-code CODE  what the client is told (default: 1008; 1001 asks most clients to come back)
  --reason TEXT      text of the Close frame, at most 123 bytes
${ADMIN_HELP}
  clawgate close user=mallory --reason "account closed"
`;

interface Closed {
	readonly closed: number;
	readonly already_closing: number;
}

const command: AdminCommand = {
	name: "close",
	help: HELP,
	options: { all: { type: "boolean" }, "close-code": { type: "string" }, reason: { type: "string" } },
	run: async ({ values, positionals, client }, io) => {
		const { filter, others: ids } = readFilter(positionals, FILTER_KEYS);
		const filters = Object.keys(filter).length;
		const kinds = Number(filters > 0) + Number(ids.length > 0) + Number(values.all === true);
		if (kinds !== 1) throw new UsageError("name connections by id, or by a filter such as user=alice, or give --all");
		const body = closeBody(integerOption(values, "close-code"), values.reason as string | undefined);
		const answers: Closed[] = [];
		if (ids.length === 0) {
			answers.push(await client.change("DELETE", "connections", body, values.all === true ? { all: "true" } : filter));
		}
		for (const id of ids) answers.push(await client.change("DELETE", `connections/${encodeURIComponent(id)}`, body));
		const closed = answers.reduce((sum, answer) => sum + answer.closed, 0);
		const already_closing = answers.reduce((sum, answer) => sum + answer.already_closing, 0);
		if (values.json === true) io.stdout(`${JSON.stringify({ closed, already_closing }, null, 2)}\n`);
		else {
			io.stdout(
				`closed ${counted(closed, "connection")}${already_closing > 0 ? `, ${already_closing} were closing already` : ""}\n`,
			);
		}
		const unknown = closed + already_closing === 0 ? await unknownNames(client, filter) : [];
		for (const line of unknown) io.stderr(`clawgate close: ${line}\n`);
		return unknown.length === 0 ? 0 : 1;
	},
};

export const close: Command = (argv, io) => runAdminCommand(command, argv, io);

/** The fields that were given. */
export function closeBody(
	close_code: number | "none" | undefined,
	reason: string | undefined,
): Record<string, unknown> {
	return { ...(close_code !== undefined && { close_code }), ...(reason !== undefined && { reason }) };
}
