/** `clawgate connections`: who is connected to a running gateway. */
import type { AdminClient } from "./admin-client.ts";
import { ADMIN_HELP, type AdminCommand, readFilter, refuseOthers, runAdminCommand, UsageError } from "./arguments.ts";
import type { Command, CommandIo } from "./command.ts";
import { FILTER_HELP, FILTER_KEYS } from "./connection-filter.ts";
import { age, bytes, type Column, counted, table } from "./table.ts";
import { unknownNames } from "./unknown-names.ts";

const SORTS = ["opened", "bytes_in", "bytes_out", "messages_in", "messages_out", "rtt"];
const DEFAULT_LIMIT = 100;
/** The most that the API gives at once. */
const PAGE = 1000;

const HELP = `Usage: clawgate connections [FILTER…] [--limit N|all] [--sort KEY] [--json]

Lists open connections of a running gateway, the newest first.

${FILTER_HELP}
  --limit N|all      how many are listed (default: ${DEFAULT_LIMIT})
  --sort KEY         the largest first, by ${SORTS.slice(1).join(", ")}
${ADMIN_HELP}
  clawgate connections route=chat client_ip=10.0.0.0/8
  clawgate connections endpoint=10.0.1.10:8080 --limit all --json
`;

/** What is shown of a connection. */
interface Row {
	readonly connection_id: string;
	readonly kind?: string;
	readonly client_ip: string;
	readonly route?: string;
	readonly upstream?: string;
	readonly endpoint?: string;
	readonly subprotocol?: string;
	readonly user?: string;
	readonly age_ms: number;
	readonly bytes_in: number;
	readonly bytes_out: number;
	readonly messages_in: number;
	readonly messages_out: number;
	readonly rtt_ms: { readonly client?: number; readonly backend?: number };
	readonly draining: boolean;
	readonly closing: boolean;
}

interface Page {
	readonly connections: Row[];
	readonly total: number;
	readonly next_cursor: number | null;
}

const COLUMNS: readonly Column<Row>[] = [
	{ title: "CONNECTION", value: (row) => row.connection_id },
	{ title: "KIND", value: (row) => row.kind ?? "" },
	{ title: "CLIENT", value: (row) => row.client_ip || "(unix)" },
	{ title: "USER", value: (row) => row.user ?? "" },
	{ title: "ROUTE", value: (row) => row.route ?? "" },
	{ title: "ENDPOINT", value: (row) => row.endpoint ?? "" },
	{ title: "SUBPROTOCOL", value: (row) => row.subprotocol ?? "" },
	{ title: "AGE", value: (row) => age(row.age_ms), right: true },
	{ title: "MSGS IN", value: (row) => String(row.messages_in), right: true },
	{ title: "MSGS OUT", value: (row) => String(row.messages_out), right: true },
	{ title: "BYTES IN", value: (row) => bytes(row.bytes_in), right: true },
	{ title: "BYTES OUT", value: (row) => bytes(row.bytes_out), right: true },
	{ title: "RTT", value: (row) => rtt(row.rtt_ms.client), right: true },
	{
		title: "STATE",
		value: (row) => (row.closing ? "closing" : row.draining ? "draining" : ""),
		colour: () => "yellow",
	},
];

const command: AdminCommand = {
	name: "connections",
	help: HELP,
	options: { limit: { type: "string" }, sort: { type: "string" } },
	run: async ({ values, positionals, client }, io) => {
		const { filter, others } = readFilter(positionals, FILTER_KEYS);
		refuseOthers(others, "a filter such as route=chat");
		const limit = limitOf(values.limit);
		const sort = values.sort as string | undefined;
		if (sort !== undefined && !SORTS.includes(sort)) throw new UsageError(`--sort takes one of ${SORTS.join(", ")}`);
		const found = await list(client, filter, limit, sort);
		if (values.json === true) io.stdout(`${JSON.stringify(found, null, 2)}\n`);
		else print(found, io);
		if (found.total === 0) {
			for (const line of await unknownNames(client, filter)) io.stderr(`clawgate connections: ${line}\n`);
		}
		return 0;
	},
};

export const connections: Command = (argv, io) => runAdminCommand(command, argv, io);

function limitOf(text: string | boolean | undefined): number {
	if (text === undefined) return DEFAULT_LIMIT;
	if (text === "all") return Number.POSITIVE_INFINITY;
	const limit = typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : 0;
	if (limit < 1) throw new UsageError("--limit takes a whole number from 1 on, or all");
	return limit;
}

/** Page by page. By age the pages stay where they are while connections come and go. */
async function list(
	client: AdminClient,
	filter: Readonly<Record<string, string>>,
	limit: number,
	sort: string | undefined,
): Promise<{ connections: Row[]; total: number }> {
	const rows: Row[] = [];
	const byAge = sort === undefined || sort === "opened";
	let cursor: number | null = null;
	for (;;) {
		const page: Page = await client.get("connections", {
			...filter,
			limit: String(Math.min(PAGE, limit - rows.length)),
			...(byAge
				? { cursor: cursor === null ? undefined : String(cursor) }
				: { sort, offset: rows.length === 0 ? undefined : String(rows.length) }),
		});
		rows.push(...page.connections);
		cursor = page.next_cursor;
		const more = byAge ? cursor !== null : page.connections.length > 0 && rows.length < page.total;
		if (!more || rows.length >= limit) return { connections: rows, total: page.total };
	}
}

function print({ connections: rows, total }: { connections: Row[]; total: number }, io: CommandIo): void {
	if (rows.length > 0) io.stdout(table(rows, COLUMNS, io));
	const shown = rows.length < total ? `, ${rows.length} of them shown (--limit N, or --limit all, shows more)` : "";
	io.stderr(`${counted(total, "connection")}${shown}\n`);
}

function rtt(milliseconds: number | undefined): string {
	if (milliseconds === undefined) return "";
	return milliseconds < 10 ? `${milliseconds.toFixed(1)}ms` : `${Math.round(milliseconds)}ms`;
}
