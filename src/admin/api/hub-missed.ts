/** `hubs/{hub}/missed`: why something did not reach somebody. */
import { z } from "zod";
import type { Hub } from "../../hub/hub.ts";
import { MISSED_KINDS, type Missed } from "../../hub/missed.ts";
import { missingWorkers } from "./api-gateway.ts";
import { queryInteger } from "./validate.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
/** Of one user, and topics of one of them. */
const MOST_CONNECTIONS = 100;
const MOST_TOPICS = 50;

export const missedQuery = z.strictObject({
	user: z
		.string()
		.optional()
		.meta({ description: "Only what concerns this user, as tokens name it; empty: those without a name." }),
	topic: z
		.string()
		.min(1)
		.optional()
		.meta({ description: "Only what concerns this topic; what ends a connection concerns all its topics." }),
	limit: queryInteger(1, MAX_LIMIT)
		.optional()
		.meta({ description: `Things that happened in the answer; default ${DEFAULT_LIMIT}.` }),
});

export type MissedQuery = z.output<typeof missedQuery>;

const missedEntrySchema = z
	.strictObject({
		kind: z.enum(MISSED_KINDS).meta({
			description:
				"`refused`: it may not, or the topic is unknown; `unsubscribed`: the subscription ended, the connection stayed; `skipped`: a slow reader got only the newest publication; `dropped`: the connection was on its way out; `slow`: the connection was closed since it read too slowly; `disconnected`: the connection ended; `recovered`: what was missed came later; `lost`: it was not kept any more.",
		}),
		user: z.string().meta({ description: "Empty: without a name." }),
		client: z.string().meta({ description: "Id of the connection." }),
		topic: z.string().optional().meta({ description: "Absent: all that the connection followed." }),
		action: z.enum(["subscribe", "publish"]).optional().meta({ description: "What was refused." }),
		error: z.string().optional().meta({ description: "Why it was refused: `PERMISSION_DENIED`, `UNKNOWN_TOPIC` …" }),
		code: z.int().optional().meta({ description: "What the client was told at the end." }),
		reason: z.string().optional(),
		by: z.enum(["client", "gateway"]).optional().meta({ description: "Who ended it." }),
		publications: z.int().nonnegative().optional().meta({ description: "How many came later." }),
		first: z.number().meta({ description: "The first time, ms since the epoch." }),
		time: z.number().meta({ description: "The last time, ms since the epoch." }),
		count: z.int().positive(),
	})
	.meta({ id: "HubMissed" });

export const missedSchema = z
	.strictObject({
		now: z.enum(["follows", "not_subscribed", "not_allowed", "not_connected", "unknown_topic"]).nullable().meta({
			description:
				"How the user stands to the topic now, when both were asked for. `not_subscribed`: it may follow the topic, and does not.",
		}),
		connections: z
			.array(
				z.strictObject({
					client: z.string(),
					topics: z.array(z.string()).meta({ description: `At most ${MOST_TOPICS}.` }),
					follows: z.boolean().optional().meta({ description: "Whether it follows the topic asked for." }),
					may_follow: z.boolean().optional().meta({ description: "Whether the topic's rule lets it." }),
				}),
			)
			.meta({ description: `The user's open connections in this hub, at most ${MOST_CONNECTIONS}.` }),
		missed: z.array(missedEntrySchema),
		...missingWorkers,
	})
	.meta({ id: "HubMissedList" });

export type MissedAnswer = z.output<typeof missedSchema>;

export function missedAnswer(hub: Hub, query: MissedQuery): MissedAnswer {
	const { user, topic, limit = DEFAULT_LIMIT } = query;
	const matched = topic === undefined ? undefined : hub.rules.find(topic);
	const connections: MissedAnswer["connections"] = [];
	for (const subscriber of user === undefined ? [] : hub.ofUser(user)) {
		if (connections.length === MOST_CONNECTIONS) break;
		connections.push({
			client: subscriber.id,
			topics: [...subscriber.subscriptions.keys()].slice(0, MOST_TOPICS),
			...(topic !== undefined && {
				follows: subscriber.subscriptions.has(topic),
				may_follow: matched !== undefined && subscriber.mayFollow(matched),
			}),
		});
	}
	const missed = hub.missed.list(user).filter((each) => concerns(each, topic));
	const known = topic === undefined || matched !== undefined;
	return { now: stateOf(connections, query, known), connections, missed: missed.slice(0, limit) };
}

/** The answer of one process that has all connections. */
export function mergedMissed(parts: readonly MissedAnswer[], query: MissedQuery): MissedAnswer {
	const connections = parts.flatMap((part) => part.connections).slice(0, MOST_CONNECTIONS);
	const missed = parts.flatMap((part) => part.missed).sort((a, b) => b.time - a.time);
	const known = parts.every(({ now }) => now !== "unknown_topic");
	return {
		now: stateOf(connections, query, known),
		connections,
		missed: missed.slice(0, query.limit ?? DEFAULT_LIMIT),
	};
}

function concerns({ topic }: Missed, wanted: string | undefined): boolean {
	return wanted === undefined || topic === undefined || topic === wanted;
}

function stateOf(
	connections: MissedAnswer["connections"],
	{ user, topic }: MissedQuery,
	known: boolean,
): MissedAnswer["now"] {
	if (user === undefined || topic === undefined) return null;
	if (!known) return "unknown_topic";
	if (connections.length === 0) return "not_connected";
	if (connections.some(({ follows }) => follows)) return "follows";
	return connections.some(({ may_follow }) => may_follow) ? "not_subscribed" : "not_allowed";
}
