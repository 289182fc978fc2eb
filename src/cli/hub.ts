/** `clawgate hub`: the hubs of a running gateway, their topics, and what did not reach somebody. */
import { didYouMean } from "../config/nearest.ts";
import type { AdminClient } from "./admin-client.ts";
import {
	ADMIN_HELP,
	type AdminCommand,
	type Arguments,
	integerOption,
	refuseOthers,
	runAdminCommand,
	UsageError,
	type Values,
} from "./arguments.ts";
import type { Command, CommandIo } from "./command.ts";
import { age, type Column, counted, printable, table } from "./table.ts";

const HELP = `Usage: clawgate hub
       clawgate hub topics [--prefix PREFIX] [--limit N]
       clawgate hub topic TOPIC [--limit N]
       clawgate hub publish TOPIC JSON
       clawgate hub missed USER [--topic TOPIC] [--limit N]

Shows the hubs of a running gateway; topics: those that somebody follows, with most subscribers first; topic: the rule of
one topic, the last publications, who is there; publish: publishes a JSON value; missed: why something did not reach a user.

  --hub NAME         which hub; needed where there are several
  --prefix PREFIX    only topics whose names begin with it
  --topic TOPIC      only what concerns this topic, and how the user stands to it now
  --limit N          topics, publications or happenings to list
${ADMIN_HELP}
  clawgate hub publish rating.game.42 '{"rating": 1510}'
  clawgate hub missed alice --topic rating.game.42
`;

interface Rule {
	readonly match: string;
	readonly subscriptions: number;
	readonly publications: { readonly client: number; readonly api: number };
	readonly deliveries: { readonly sent: number; readonly skipped: number; readonly dropped: number };
	readonly recoveries: { readonly recovered: number; readonly lost: number };
}

interface Hub {
	readonly name: string;
	readonly connections: number;
	readonly topics: number;
	readonly publications_per_second: number;
	readonly rules: readonly Rule[];
}

interface TopicRow {
	readonly topic: string;
	readonly rule: string | null;
	readonly subscribers: number;
	readonly publications_per_second: number;
}

interface Publication {
	readonly offset: number;
	readonly time: number;
	readonly data?: unknown;
	readonly data_base64?: string;
	readonly user?: string;
}

interface Topic extends TopicRow {
	readonly position: { readonly epoch: string; readonly offset: number } | null;
	readonly history: readonly Publication[] | null;
	readonly presence: {
		readonly connections: number;
		readonly users: number;
		readonly list: readonly { readonly client: string; readonly user: string }[];
	} | null;
}

interface Missed {
	readonly kind: string;
	readonly client: string;
	readonly topic?: string;
	readonly action?: string;
	readonly error?: string;
	readonly code?: number;
	readonly reason?: string;
	readonly by?: string;
	readonly publications?: number;
	readonly time: number;
	readonly count: number;
}

interface MissedAnswer {
	readonly now: string | null;
	readonly connections: readonly { readonly client: string; readonly topics: readonly string[] }[];
	readonly missed: readonly Missed[];
}

const RULES: readonly Column<Rule & { readonly hub: Hub }>[] = [
	{ title: "HUB", value: ({ hub }) => hub.name },
	{ title: "CONNECTIONS", value: ({ hub }) => String(hub.connections), right: true },
	{ title: "TOPICS", value: ({ hub }) => String(hub.topics), right: true },
	{ title: "PER SECOND", value: ({ hub }) => String(hub.publications_per_second), right: true },
	{ title: "RULE", value: ({ match }) => match },
	{ title: "SUBSCRIPTIONS", value: ({ subscriptions }) => String(subscriptions), right: true },
	{ title: "PUBLISHED", value: ({ publications: { client, api } }) => String(client + api), right: true },
	{ title: "SENT", value: ({ deliveries }) => String(deliveries.sent), right: true },
	{
		title: "NOT SENT",
		value: ({ deliveries: { skipped, dropped } }) => String(skipped + dropped),
		right: true,
		colour: ({ deliveries: { skipped, dropped } }) => (skipped + dropped > 0 ? "yellow" : undefined),
	},
	{
		title: "NOT RECOVERED",
		value: ({ recoveries }) => String(recoveries.lost),
		right: true,
		colour: ({ recoveries }) => (recoveries.lost > 0 ? "yellow" : undefined),
	},
];

const TOPICS: readonly Column<TopicRow>[] = [
	{ title: "TOPIC", value: ({ topic }) => topic },
	{ title: "RULE", value: ({ rule }) => rule ?? "(none)" },
	{ title: "SUBSCRIBERS", value: ({ subscribers }) => String(subscribers), right: true },
	{ title: "PER SECOND", value: (row) => String(row.publications_per_second), right: true },
];

const PUBLICATIONS: readonly Column<Publication>[] = [
	{ title: "OFFSET", value: ({ offset }) => String(offset), right: true },
	{ title: "AGO", value: ({ time }) => age(Math.max(0, Date.now() - time)), right: true },
	{ title: "USER", value: ({ user }) => user ?? "" },
	{ title: "DATA", value: ({ data, data_base64 }) => data_base64 ?? JSON.stringify(data) },
];

const MISSED: readonly Column<Missed>[] = [
	{ title: "AGO", value: ({ time }) => age(Math.max(0, Date.now() - time)), right: true },
	{
		title: "WHAT",
		value: ({ kind, action }) => (action === "publish" ? `${kind} to publish` : kind),
		colour: ({ kind }) => (kind === "recovered" ? "green" : kind === "lost" || kind === "refused" ? "red" : "yellow"),
	},
	{ title: "TOPIC", value: ({ topic }) => topic ?? "(all)" },
	{ title: "TIMES", value: ({ count }) => (count > 1 ? String(count) : ""), right: true },
	{ title: "CONNECTION", value: ({ client }) => client },
	{ title: "WHY", value: whyOf },
];

/** How the user stands to the topic, in words. */
const NOW: Readonly<Record<string, string>> = {
	follows: "follows the topic now: what is published is sent to it",
	not_subscribed: "is connected and may follow the topic, but has not subscribed",
	not_allowed: "is connected, but the rule of the topic does not let it subscribe",
	not_connected: "has no open connection in this hub",
	unknown_topic: "cannot follow the topic: no rule of this hub matches it",
};

type Action = (parsed: Arguments, rest: readonly string[], io: CommandIo) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = {
	topics: async ({ client, values }, rest, io) => {
		refuseOthers(rest, "an option such as --prefix");
		const query = { prefix: values.prefix as string | undefined, limit: limitOf(values) };
		const found = await client.get<{ topics: TopicRow[]; total: number }>(
			`${await hubPath(client, values)}/topics`,
			query,
		);
		if (values.json === true) print(found, io);
		else if (found.topics.length === 0) io.stderr("nobody follows such a topic\n");
		else {
			io.stdout(table(found.topics, TOPICS, io));
			if (found.total > found.topics.length)
				io.stderr(`${counted(found.total, "topic")} in all; --limit N shows more\n`);
		}
		return 0;
	},
	topic: async ({ client, values }, rest, io) => {
		const [name] = exactly(rest, ["TOPIC"]);
		const query = { history: limitOf(values) };
		const topic = await client.get<Topic>(`${await hubPath(client, values)}/topics/${encodeURIComponent(name)}`, query);
		if (values.json === true) print(topic, io);
		else io.stdout(topicText(topic, io));
		return 0;
	},
	publish: async ({ client, values }, rest, io) => {
		const [topic, text] = exactly(rest, ["TOPIC", "JSON"]);
		let data: unknown;
		try {
			data = JSON.parse(text);
		} catch {
			throw new UsageError(`${JSON.stringify(text)} is not JSON; a text stands in quotes of its own: '"hello"'`);
		}
		const path = `${await hubPath(client, values)}/publish`;
		const done = await client.change<{ position: Topic["position"]; subscribers: number }>("POST", path, {
			topic,
			data,
		});
		if (values.json === true) print(done, io);
		else {
			const place = done.position === null ? "" : ` as number ${done.position.offset}`;
			io.stdout(`published${place} to ${counted(done.subscribers, "subscriber")}\n`);
		}
		return 0;
	},
	missed: async ({ client, values }, rest, io) => {
		const [user] = exactly(rest, ["USER"]);
		const topic = values.topic as string | undefined;
		const query = { user, topic, limit: limitOf(values) };
		const answer = await client.get<MissedAnswer>(`${await hubPath(client, values)}/missed`, query);
		if (values.json === true) print(answer, io);
		else {
			io.stdout(printable(`${user} ${standing(answer)}`).concat("\n"));
			if (answer.missed.length > 0) io.stdout(table(answer.missed, MISSED, io));
			else io.stdout("nothing is remembered that did not reach it\n");
		}
		return 0;
	},
};

const command: AdminCommand = {
	name: "hub",
	help: HELP,
	options: {
		hub: { type: "string" },
		prefix: { type: "string" },
		topic: { type: "string" },
		limit: { type: "string" },
	},
	run: async (parsed, io) => {
		const [name, ...rest] = parsed.positionals;
		if (name === undefined) return list(parsed, io);
		const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
		if (action) return action(parsed, rest, io);
		const known = Object.keys(ACTIONS);
		throw new UsageError(
			`there is no ${JSON.stringify(name)}${didYouMean(name, known)}; possible are ${known.join(", ")}`,
		);
	},
};

export const hub: Command = (argv, io) => runAdminCommand(command, argv, io);

async function list({ client, values }: Arguments, io: CommandIo): Promise<number> {
	const { hubs } = await client.get<{ hubs: Hub[] }>("hubs");
	if (values.json === true) print({ hubs }, io);
	else if (hubs.length === 0) io.stderr("the configuration has no hubs\n");
	else
		io.stdout(
			table(
				hubs.flatMap((each) => each.rules.map((rule) => ({ ...rule, hub: each }))),
				RULES,
				io,
			),
		);
	return 0;
}

/** The path of the hub that is meant. @throws UsageError when several could be */
async function hubPath(client: AdminClient, { hub: named }: Values): Promise<string> {
	if (typeof named === "string") return `hubs/${encodeURIComponent(named)}`;
	const { hubs } = await client.get<{ hubs: Hub[] }>("hubs");
	const [only, other] = hubs;
	if (only === undefined) throw new UsageError("the gateway's configuration has no hubs");
	if (other !== undefined) throw new UsageError(`which hub? --hub ${hubs.map(({ name }) => name).join(" or --hub ")}`);
	return `hubs/${encodeURIComponent(only.name)}`;
}

/** @throws UsageError when there are other arguments than these */
function exactly<const Names extends readonly string[]>(
	rest: readonly string[],
	names: Names,
): { readonly [Place in keyof Names]: string } {
	const missing = names[rest.length];
	if (missing !== undefined) throw new UsageError(`${missing} is missing`);
	const surplus = rest[names.length];
	if (surplus !== undefined) throw new UsageError(`${JSON.stringify(surplus)} is too much`);
	return rest as unknown as { readonly [Place in keyof Names]: string };
}

function limitOf(values: Values): string | undefined {
	return integerOption(values, "limit")?.toString();
}

function topicText(topic: Topic, io: CommandIo): string {
	const { position, history, presence } = topic;
	const lines = [table([topic], TOPICS, io)];
	if (history === null) lines.push("the rule keeps no history\n");
	else if (history.length === 0) lines.push(`nothing is kept; the topic stands at ${position?.offset ?? 0}\n`);
	else lines.push(`\n${table(history, PUBLICATIONS, io)}`);
	if (presence === null) lines.push("the rule keeps no presence\n");
	else {
		const users = presence.list.map(({ user, client }) => user || client);
		const more = presence.connections - users.length;
		const named = [...new Set(users), ...(more > 0 ? [`${more} more`] : [])].join(", ");
		const who = named === "" ? "" : `: ${printable(named)}`;
		lines.push(`there: ${counted(presence.connections, "connection")} of ${counted(presence.users, "user")}${who}\n`);
	}
	return lines.join("");
}

function standing({ now, connections }: MissedAnswer): string {
	if (now !== null) return NOW[now] ?? now;
	if (connections.length === 0) return NOW.not_connected as string;
	const topics = new Set(connections.flatMap((each) => each.topics));
	return `has ${counted(connections.length, "open connection")} and follows ${counted(topics.size, "topic")}`;
}

function whyOf({ error, code, reason, by, publications }: Missed): string {
	if (publications !== undefined) return `${counted(publications, "publication")} came later`;
	const parts = [error, by && `by the ${by}`, code === undefined ? undefined : String(code), reason];
	return parts.filter((part) => part !== undefined && part !== "").join(", ");
}

function print(answer: unknown, io: CommandIo): void {
	io.stdout(`${JSON.stringify(answer, null, 2)}\n`);
}
