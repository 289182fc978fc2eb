/** `clawgate endpoints`: the endpoints of a running gateway, and changing one. */
import { didYouMean } from "../config/nearest.ts";
import { ADMIN_HELP, type AdminCommand, integerOption, runAdminCommand, UsageError } from "./arguments.ts";
import type { Command, CommandIo } from "./command.ts";
import { type Column, table } from "./table.ts";

const STATES = ["ready", "drain", "maint"];

const HELP = `Usage: clawgate endpoints [UPSTREAM]
       clawgate endpoints UPSTREAM ENDPOINT [--state ${STATES.join("|")}] [--weight N] [--reset]

Lists the endpoints of a running gateway with their health, or changes one. A change holds until the gateway restarts, or
until the configuration file says something else about that value. Open connections stay; clawgate drain ends them.

  --state STATE      drain: no new clients except those bound to it (sticky); maint: nobody; ready: back again
  --weight N         share of new connections, 0 to 1000
  --reset            back to what the configuration says
${ADMIN_HELP}
  clawgate endpoints chat 10.0.1.10:8080 --state maint
`;

interface Endpoint {
	readonly id: string;
	readonly state: string;
	readonly weight: number;
	readonly effective_weight: number;
	readonly configured: { readonly state: string; readonly weight: number };
	readonly backup: boolean;
	readonly available: boolean;
	readonly unavailable_reason?: string;
	readonly health: string;
	readonly health_reason?: string;
	readonly failing?: boolean;
	readonly failing_reason?: string;
	readonly breaker?: string;
	readonly ejected: boolean;
	readonly active: number;
	readonly pending: number;
}

interface Upstream {
	readonly name: string;
	readonly endpoints: readonly Endpoint[];
}

type Row = Endpoint & { readonly upstream: string };

const COLUMNS: readonly Column<Row>[] = [
	{ title: "UPSTREAM", value: ({ upstream }) => upstream },
	{ title: "ENDPOINT", value: ({ id }) => id },
	{ title: "STATE", value: ({ state }) => state, colour: ({ state }) => (state === "ready" ? undefined : "yellow") },
	{ title: "WEIGHT", value: weightOf, right: true },
	{
		title: "HEALTH",
		value: healthOf,
		colour: (row) => (({ unhealthy: "red", failing: "red", healthy: "green" }) as const)[healthOf(row)],
	},
	{
		title: "BREAKER",
		value: ({ breaker }) => breaker ?? "",
		colour: ({ breaker }) => (breaker === "open" ? "red" : breaker === "half_open" ? "yellow" : undefined),
	},
	{ title: "ACTIVE", value: ({ active }) => String(active), right: true },
	{ title: "PENDING", value: ({ pending }) => String(pending), right: true },
	{ title: "REMARKS", value: remarks, colour: ({ available }) => (available ? "dim" : "red") },
];

const command: AdminCommand = {
	name: "endpoints",
	help: HELP,
	options: { state: { type: "string" }, weight: { type: "string" }, reset: { type: "boolean" } },
	run: async ({ values, positionals, client }, io) => {
		const [upstream, endpoint, surplus] = positionals;
		if (surplus !== undefined) throw new UsageError("at most an upstream and an endpoint can be named");
		const weight = integerOption(values, "weight");
		const state = values.state as string | undefined;
		if (state !== undefined && !STATES.includes(state)) throw new UsageError(`--state takes ${STATES.join(", ")}`);
		const reset = values.reset === true;
		if (reset && (state !== undefined || weight !== undefined)) throw new UsageError("--reset stands alone");
		if (!reset && state === undefined && weight === undefined) {
			const { upstreams } = await client.get<{ upstreams: Upstream[] }>("upstreams");
			return list(upstreams, { upstream, endpoint, json: values.json === true }, io);
		}
		if (upstream === undefined || endpoint === undefined) {
			throw new UsageError("name the upstream and the endpoint to change: clawgate endpoints UPSTREAM ENDPOINT …");
		}
		const path = `upstreams/${encodeURIComponent(upstream)}/endpoints/${encodeURIComponent(endpoint)}`;
		const body = reset
			? { state: null, weight: null }
			: { ...(state !== undefined && { state }), ...(weight !== undefined && { weight }) };
		const now = await client.change<Endpoint>("PATCH", path, body);
		io.stdout(values.json === true ? `${JSON.stringify(now, null, 2)}\n` : table([{ ...now, upstream }], COLUMNS, io));
		return 0;
	},
};

export const endpoints: Command = (argv, io) => runAdminCommand(command, argv, io);

interface Wanted {
	readonly upstream: string | undefined;
	readonly endpoint: string | undefined;
	readonly json: boolean;
}

function list(upstreams: readonly Upstream[], { upstream, endpoint, json }: Wanted, io: CommandIo): number {
	const wanted = upstreams
		.filter(({ name }) => upstream === undefined || name === upstream)
		.map((each) => ({
			...each,
			endpoints: each.endpoints.filter(({ id }) => endpoint === undefined || id === endpoint),
		}));
	const rows = wanted.flatMap(({ name, endpoints: each }) => each.map((row) => ({ ...row, upstream: name })));
	const ids = upstreams.find(({ name }) => name === upstream)?.endpoints.map(({ id }) => id);
	if (upstream !== undefined && ids === undefined) {
		return noSuch(
			"upstream",
			upstream,
			upstreams.map(({ name }) => name),
			io,
		);
	}
	if (endpoint !== undefined && ids !== undefined && rows.length === 0) {
		return noSuch(`endpoint in ${upstream}`, endpoint, ids, io);
	}
	if (json) io.stdout(`${JSON.stringify({ upstreams: wanted }, null, 2)}\n`);
	else if (rows.length === 0)
		io.stderr(upstream === undefined ? "no endpoints\n" : `${upstream} has no endpoint now\n`);
	else io.stdout(table(rows, COLUMNS, io));
	return 0;
}

function noSuch(kind: string, name: string, known: readonly string[], io: CommandIo): number {
	const listed = known.length === 0 ? "" : `; there are ${known.join(", ")}`;
	io.stderr(`clawgate endpoints: there is no ${kind} ${JSON.stringify(name)}${didYouMean(name, known) || listed}\n`);
	return 1;
}

/** What probes say; of an endpoint that they do not know, or find well, how the last attempts went counts. */
function healthOf({ health, failing }: Row): string {
	if (failing && health !== "unhealthy") return "failing";
	return health === "unknown" ? "-" : health;
}

function weightOf({ weight, effective_weight }: Row): string {
	return weight === effective_weight ? String(weight) : `${effective_weight} of ${weight}`;
}

function remarks(row: Row): string {
	const { configured, state, weight, health_reason, unavailable_reason, backup } = row;
	const known = unavailable_reason === state || unavailable_reason === undefined;
	return [
		known ? undefined : unavailable_reason,
		row.health === "healthy" ? undefined : health_reason,
		row.failing ? `last attempts failed: ${row.failing_reason}` : undefined,
		backup ? "backup" : undefined,
		configured.state === state ? undefined : `configured: ${configured.state}`,
		configured.weight === weight ? undefined : `configured weight: ${configured.weight}`,
	]
		.filter((part) => part !== undefined)
		.join("; ");
}
