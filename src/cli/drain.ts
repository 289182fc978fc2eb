/** `clawgate drain`: tells connections of a running gateway to come back, spread over time. */

import type { DrainProgress } from "../gateway/drains.ts";
import {
	ADMIN_HELP,
	type AdminCommand,
	integerOption,
	readFilter,
	refuseOthers,
	runAdminCommand,
	UsageError,
} from "./arguments.ts";
import { closeBody } from "./close.ts";
import type { Command, CommandIo } from "./command.ts";
import { followDrain } from "./drain-progress.ts";
import { age, type Column, counted, printable, table } from "./table.ts";

const KEYS = ["route", "upstream", "endpoint"] as const;

const HELP = `Usage: clawgate drain route=NAME | upstream=NAME | endpoint=ID … [--wait]
       clawgate drain --all [--wait]
       clawgate drain --status

Closes connections of a running gateway politely: in random order, spread over time, each with a Close frame that asks
the client to come back. An endpoint that is named takes no new clients from then on (clawgate endpoints … --state ready
brings it back). Several words narrow it down.

  --all              every connection of the gateway
  --spread TIME      over how long: 90s, 5m, 1h (default: the route's drain, or shutdown.drain)
  --timeout TIME     after this what is still open is cut off
  --close-code CODE  what the client is told, or none (default: 1001, or as configured)
  --reason TEXT      text of the Close frame, at most 123 bytes
  --wait             shows the progress until the last connection has ended
  --status           drains that run and the last ones that ended
${ADMIN_HELP}
  clawgate drain endpoint=10.0.1.10:8080 --spread 5m --wait
`;

const COLUMNS: readonly Column<DrainProgress>[] = [
	{ title: "DRAIN", value: ({ id }) => String(id), right: true },
	{ title: "TARGET", value: ({ target }) => target },
	{ title: "STATE", value: ({ state }) => state, colour: ({ state }) => (state === "running" ? "yellow" : undefined) },
	{ title: "CONNECTIONS", value: ({ total }) => String(total), right: true },
	{ title: "STILL OPEN", value: ({ remaining }) => String(remaining), right: true },
	{ title: "SPREAD", value: ({ spread_ms }) => age(spread_ms), right: true },
	{ title: "STARTED", value: ({ started_at }) => started_at },
];

const command: AdminCommand = {
	name: "drain",
	help: HELP,
	options: {
		all: { type: "boolean" },
		spread: { type: "string" },
		timeout: { type: "string" },
		"close-code": { type: "string" },
		reason: { type: "string" },
		wait: { type: "boolean" },
		status: { type: "boolean" },
	},
	run: async ({ values, positionals, client }, io) => {
		const { filter, others } = readFilter(positionals, KEYS);
		refuseOthers(others, "route=NAME, upstream=NAME or endpoint=ID");
		const named = Object.keys(filter).length > 0;
		if (values.status === true) {
			if (named || values.all === true) throw new UsageError("--status stands alone");
			printStatus(await client.get<{ drains: DrainProgress[] }>("drain"), values.json === true, io);
			return 0;
		}
		if (named === (values.all === true)) {
			throw new UsageError("say what: route=NAME, upstream=NAME or endpoint=ID, or --all for every connection");
		}
		const { spread, timeout, reason } = values as Readonly<Record<string, string | undefined>>;
		const started = await client.change<DrainProgress>("POST", "drain", {
			...filter,
			...(spread !== undefined && { spread }),
			...(timeout !== undefined && { timeout }),
			...closeBody(values["close-code"] === "none" ? "none" : integerOption(values, "close-code"), reason),
		});
		if (values.json !== true) io.stdout(begun(started, values.wait === true));
		const last = values.wait === true ? await followDrain(client, started, io) : started;
		if (values.json === true) io.stdout(`${JSON.stringify(last, null, 2)}\n`);
		return 0;
	},
};

export const drain: Command = (argv, io) => runAdminCommand(command, argv, io);

function begun({ id, target, total, spread_ms }: DrainProgress, waits: boolean): string {
	const follow = waits ? "" : "; clawgate drain --status tells how far it is";
	return `drain ${id} of ${printable(target)}: ${counted(total, "connection")} over ${age(spread_ms)}${follow}\n`;
}

function printStatus(answer: { readonly drains: readonly DrainProgress[] }, json: boolean, io: CommandIo): void {
	if (json) io.stdout(`${JSON.stringify(answer, null, 2)}\n`);
	else if (answer.drains.length === 0) io.stderr("no drain since the gateway started\n");
	else io.stdout(table(answer.drains, COLUMNS, io));
}
