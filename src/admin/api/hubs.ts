/** `hubs`: what goes on in the hubs and their topics, and publishing by hand. */
import { z } from "zod";
import type { ClientInfo, Publication } from "../../hub/engine.ts";
import { HubError } from "../../hub/errors.ts";
import type { Hub } from "../../hub/hub.ts";
import { topicProblem } from "../../hub/topic.ts";
import { ApiError } from "./api-error.ts";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import { missedAnswer, missedQuery, missedSchema } from "./hub-missed.ts";
import { noSuch } from "./no-such.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";
import { queryInteger } from "./validate.ts";

const PATH = "/api/v1/hubs";
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const DEFAULT_HISTORY = 10;

const count = z.int().nonnegative();
const rate = z.number().nonnegative().meta({ description: "Over the last ten seconds." });

const ruleSchema = z
	.strictObject({
		match: z.string().meta({ description: "The rule's pattern." }),
		history: z.strictObject({ size: count, ttl_ms: count }).nullable(),
		presence: z.boolean(),
		slow: z.enum(["close", "latest"]),
		subscriptions: count,
		publications: z.strictObject({ client: count, api: count }).meta({
			description: "By who published. This and what follows: since the processes started that run now.",
		}),
		deliveries: z.strictObject({ sent: count, skipped: count, dropped: count }),
		recoveries: z.strictObject({ recovered: count, lost: count }),
	})
	.meta({ id: "HubRule" });

export const hubSchema = z
	.strictObject({
		name: z.string(),
		engine: z.string().meta({ description: "Where its topics live: `memory`." }),
		connections: count,
		subscriptions: count,
		topics: count.meta({ description: "That somebody follows." }),
		publications_per_second: rate,
		rules: z.array(ruleSchema).meta({ description: "In the order in which they are tried." }),
	})
	.meta({ id: "Hub" });

export type HubView = z.output<typeof hubSchema>;

const hubsSchema = z.strictObject({ hubs: z.array(hubSchema), ...missingWorkers }).meta({ id: "HubList" });

const topicRowSchema = z
	.strictObject({
		topic: z.string(),
		rule: z.string().nullable().meta({ description: "The pattern that holds; null after a change that took it away." }),
		subscribers: count,
		publications_per_second: rate,
	})
	.meta({ id: "HubTopicRow" });

export const topicsSchema = z
	.strictObject({
		topics: z.array(topicRowSchema),
		total: count.meta({ description: "All that begin with the prefix." }),
		limit: z.int().positive(),
	})
	.meta({ id: "HubTopicList", description: "Topics that somebody follows." });

const publicationSchema = z
	.strictObject({
		offset: count,
		time: z.number().meta({ description: "ms since the epoch." }),
		data: z.unknown().optional(),
		data_base64: z.string().optional().meta({ description: "In place of `data`, where it is not JSON." }),
		user: z.string().optional(),
		client: z.string().optional().meta({ description: "The publishing connection's id; absent: a backend." }),
		tags: z.record(z.string(), z.string()).optional(),
	})
	.meta({ id: "HubPublication" });

export const topicSchema = z
	.strictObject({
		...topicRowSchema.shape,
		rule: z.string(),
		position: z.strictObject({ epoch: z.string(), offset: count }).nullable().meta({
			description: "Where the topic stands; null without history.",
		}),
		history: z.array(publicationSchema).nullable().meta({ description: "The newest first; null without history." }),
		presence: z
			.strictObject({
				connections: count,
				users: count,
				list: z.array(z.strictObject({ client: z.string(), user: z.string(), info: z.unknown().optional() })),
			})
			.nullable()
			.meta({ description: "Who is there; null where the rule keeps no presence." }),
	})
	.meta({ id: "HubTopic" });

const publishBody = z
	.strictObject({
		topic: z.string().min(1),
		data: z
			.unknown()
			.refine((data) => data !== undefined, { error: "is missing: any JSON value" })
			.meta({ description: "Any JSON value." }),
	})
	.meta({ id: "HubPublish" });

export const publishedSchema = z
	.strictObject({
		topic: z.string(),
		position: z.strictObject({ epoch: z.string(), offset: count }).nullable(),
		subscribers: count.meta({ description: "That follow the topic now." }),
	})
	.meta({ id: "HubPublished" });

export function hubRoutes({ hubs }: Pick<ApiGateway, "hubs">): ApiRoute[] {
	const find = (name = ""): Hub => {
		const found = hubs.get(name);
		if (!found) throw noSuch("hub", "hub", name, [...hubs.all().keys()]);
		return found.hub;
	};
	const hubParam = { hub: "Name of the hub." };
	return [
		operation({
			method: "GET",
			path: PATH,
			summary: "The hubs, their rules, and how much goes on in them",
			answers: { 200: { description: "All hubs.", schema: hubsSchema } },
			handle: async () => ok({ hubs: await Promise.all([...hubs.all().values()].map(hubView)) }),
		}),
		operation({
			method: "GET",
			path: `${PATH}/{hub}/topics`,
			summary: "Topics that somebody follows, those with most subscribers first",
			params: hubParam,
			query: z.strictObject({
				prefix: z.string().optional().meta({ description: "Only topics whose names begin with it." }),
				limit: queryInteger(1, MAX_LIMIT)
					.optional()
					.meta({ description: `Topics in the answer; default ${DEFAULT_LIMIT}.` }),
			}),
			answers: { 200: { description: "The first of them.", schema: topicsSchema } },
			handle: async ({ params, query: { prefix, limit = DEFAULT_LIMIT } }) => {
				const hub = find(params.hub);
				const topics = await asked(() => hub.engine.topics({ prefix }));
				const rows = [...topics].map(([topic, { subscribers, rate }]) => ({ topic, subscribers, rate }));
				rows.sort((a, b) => b.subscribers - a.subscribers || b.rate - a.rate || (a.topic < b.topic ? -1 : 1));
				return ok({
					topics: rows.slice(0, limit).map(({ topic, subscribers, rate }) => ({
						topic,
						rule: hub.rules.find(topic)?.rule.name ?? null,
						subscribers,
						publications_per_second: rounded(rate),
					})),
					total: rows.length,
					limit,
				});
			},
		}),
		operation({
			method: "GET",
			path: `${PATH}/{hub}/topics/{topic}`,
			summary: "One topic: who follows it, what was published, who is there",
			params: { ...hubParam, topic: "Name of the topic. It may be one that nobody follows." },
			query: z.strictObject({
				history: queryInteger(0, MAX_LIMIT)
					.optional()
					.meta({ description: `Publications in the answer; default ${DEFAULT_HISTORY}.` }),
				presence: queryInteger(0, MAX_LIMIT)
					.optional()
					.meta({ description: `Connections in the answer; default ${DEFAULT_LIMIT}. All are counted.` }),
			}),
			answers: { 200: { description: "The topic.", schema: topicSchema } },
			handle: async ({ params: { hub, topic = "" }, query: { history = DEFAULT_HISTORY, presence = DEFAULT_LIMIT } }) =>
				ok(await asked(() => topicView(find(hub), topic, { history, presence }))),
		}),
		operation({
			method: "GET",
			path: `${PATH}/{hub}/missed`,
			summary: "Why something did not reach somebody",
			description:
				"The last refusals, unsubscriptions, skipped and dropped messages, ends of connections and recoveries of each user, as far as they are remembered: of the last users that something happened to. Users without such a thing are not there: what was published while they followed the topic was sent to them.",
			params: hubParam,
			query: missedQuery,
			answers: { 200: { description: "What is known, the newest first.", schema: missedSchema } },
			handle: ({ params, query }) => ok(missedAnswer(find(params.hub), query)),
		}),
		operation({
			method: "POST",
			path: `${PATH}/{hub}/publish`,
			summary: "Publishes in a topic",
			params: hubParam,
			body: publishBody,
			answers: { 200: { description: "The hub's engine has it.", schema: publishedSchema } },
			handle: async ({ params, body: { topic, data } }) => {
				const hub = find(params.hub);
				return ok(
					await asked(async () => {
						checkTopic(hub, topic);
						const draft = { data: Buffer.from(JSON.stringify(data)), json: true };
						const { epoch, offset } = await hub.publish(topic, draft, "api");
						const followed = await hub.engine.topics({ topic });
						return {
							topic,
							position: epoch === "" ? null : { epoch, offset },
							subscribers: followed.get(topic)?.subscribers ?? 0,
						};
					}),
				);
			},
		}),
	];
}

async function hubView(hub: Hub): Promise<HubView> {
	const counts = hub.counts();
	const rules = hub.rules.list.map(({ name, history, presence, slow }) => {
		const { subscriptions = 0, publications, recoveries, sent = 0, skipped = 0, dropped = 0 } = counts.get(name) ?? {};
		return {
			match: name,
			history: history ? { size: history.size, ttl_ms: history.ttl } : null,
			presence,
			slow,
			subscriptions,
			publications: { client: publications?.client ?? 0, api: publications?.api ?? 0 },
			deliveries: { sent, skipped, dropped },
			recoveries: { recovered: recoveries?.recovered ?? 0, lost: recoveries?.lost ?? 0 },
		};
	});
	return {
		name: hub.name,
		engine: "memory",
		connections: hub.subscribers.size,
		subscriptions: rules.reduce((sum, { subscriptions }) => sum + subscriptions, 0),
		topics: await asked(() => hub.engine.countTopics()),
		publications_per_second: rounded(hub.rate.perSecond(performance.now())),
		rules,
	};
}

async function topicView(
	hub: Hub,
	topic: string,
	most: { readonly history: number; readonly presence: number },
): Promise<z.output<typeof topicSchema>> {
	const { rule } = checkTopic(hub, topic);
	const [counts, history, presence] = await Promise.all([
		hub.engine.topics({ topic }),
		rule.history && hub.engine.history(topic, { limit: most.history, reverse: true }),
		rule.presence ? hub.engine.presence(topic) : undefined,
	]);
	const { subscribers = 0, rate = 0 } = counts.get(topic) ?? {};
	return {
		topic,
		rule: rule.name,
		subscribers,
		publications_per_second: rounded(rate),
		position: history ? { epoch: history.epoch, offset: history.offset } : null,
		history: history?.publications.map(publicationView) ?? null,
		presence: presence ? presenceView(presence, most.presence) : null,
	};
}

function publicationView({ offset, time, data, json, info, tags }: Publication): z.output<typeof publicationSchema> {
	const bytes = Buffer.from(data);
	return {
		offset,
		time,
		...(json ? { data: JSON.parse(bytes.toString("utf8")) } : { data_base64: bytes.toString("base64") }),
		...(info && { user: info.user, client: info.client }),
		...(tags && { tags }),
	};
}

function presenceView(present: ReadonlyMap<string, ClientInfo>, most: number) {
	const users = new Set<string>();
	const list: { client: string; user: string; info?: unknown }[] = [];
	for (const { client, user, connectionInfo } of present.values()) {
		users.add(user);
		if (list.length < most) list.push({ client, user, ...(connectionInfo && { info: infoView(connectionInfo) }) });
	}
	return { connections: present.size, users: users.size, list };
}

/** JSON, or bytes of the application. */
function infoView(info: Uint8Array): unknown {
	const bytes = Buffer.from(info);
	try {
		return JSON.parse(bytes.toString("utf8"));
	} catch {
		return bytes.toString("base64");
	}
}

/** @throws ApiError INVALID, NOT_FOUND */
function checkTopic(hub: Hub, topic: string) {
	const problem = topicProblem(topic);
	if (problem !== undefined) throw new ApiError("INVALID", `topic: ${problem}`);
	const matched = hub.rules.find(topic);
	if (matched) return matched;
	const rules = hub.rules.list.map(({ name }) => name).join(", ");
	throw new ApiError("NOT_FOUND", `topic: no rule of the hub ${hub.name} matches ${topic}; there are ${rules}`);
}

/** What the engine does not do is an answer, not a mistake of ours. */
async function asked<T>(work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof HubError && error.code === "ENGINE_UNAVAILABLE") {
			throw new ApiError("ENGINE_UNAVAILABLE", `${error.message}; ask again`);
		}
		throw error;
	}
}

function rounded(rate: number): number {
	return Math.round(rate * 100) / 100;
}
