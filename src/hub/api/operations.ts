/** What backends ask of hubs: the operations of Centrifugo's HTTP API. A topic is called `channel` or `topic`. */
import { z } from "zod";
import type { Draft, Order, Publication } from "../engine.ts";
import { HubError } from "../errors.ts";
import type { Hub } from "../hub.ts";
import { RawJson } from "../raw-json.ts";
import { topicProblem } from "../topic.ts";

/** What an operation is given besides its parameters. */
export interface OperationContext {
	readonly hub: Hub;
	/** Of the backend's key; undefined where there are no keys. */
	readonly caller: string | undefined;
	/** The text of a member of the parameters, byte for byte. */
	readonly raw: (member: string) => string | undefined;
	/** Facts about this gateway for `info`. */
	readonly node: NodeInfo;
}

/** Facts about a gateway. */
export interface NodeInfo {
	readonly uid: string;
	readonly name: string;
	readonly version: string;
	/** Seconds. */
	readonly uptime: number;
}

export type OperationResult = Readonly<Record<string, unknown>>;
type Operation = (params: Readonly<Record<string, unknown>>, context: OperationContext) => Promise<OperationResult>;

/** Topics and keys of one request. */
const MOST_TOPICS = 10_000;

const text = z.string();
const user = text.min(1);
const topic = text.superRefine((topic, context) => {
	const problem = topicProblem(topic);
	if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});
const position = z.object({ offset: z.int().min(0).prefault(0), epoch: text.prefault("") });

const publicationShape = {
	data: z.unknown().optional(),
	b64data: z.base64().optional(),
	skip_history: z.boolean().optional(),
	idempotency_key: text.max(256).optional(),
	tags: z.record(text, text).optional(),
};
type PublicationParams = z.output<z.ZodObject<typeof publicationShape>>;

const publish = operation(z.object({ ...publicationShape, topic }), async (params, { hub, raw }) => {
	return await publishOne(hub, params.topic, draftOf(params, raw("data")), params);
});

const broadcast = operation(
	z.object({ ...publicationShape, topics: z.array(text).min(1).max(MOST_TOPICS) }),
	async (params, { hub, raw }) => {
		const draft = draftOf(params, raw("data"));
		const responses = await Promise.all(
			params.topics.map(async (topic) => {
				try {
					return { result: await publishOne(hub, topic, draft, params) };
				} catch (error) {
					return { error: errorBody(error) };
				}
			}),
		);
		return { responses };
	},
);

const subscribe = operation(
	z.object({ topic, user, client: text.optional(), data: z.unknown().optional() }),
	async ({ user, client, topic }, { hub, raw }) => {
		hub.rule(topic);
		const data = raw("data");
		return await order(hub, {
			kind: "subscribe",
			user,
			client,
			topic,
			data: data === undefined ? undefined : Buffer.from(data),
		});
	},
);

const unsubscribe = operation(
	z.object({ topic, user, client: text.optional() }),
	async ({ user, client, topic }, { hub }) => order(hub, { kind: "unsubscribe", user, client, topic }),
);

const disconnect = operation(
	z.object({
		user,
		client: text.optional(),
		whitelist: z.array(text).max(MOST_TOPICS).optional(),
		disconnect: z.object({ code: z.int().min(3000).max(4999), reason: text.max(123).prefault("") }).optional(),
	}),
	async ({ user, client, whitelist, disconnect }, { hub }) =>
		order(hub, { kind: "disconnect", user, client, whitelist, code: disconnect?.code, reason: disconnect?.reason }),
);

const refresh = operation(
	z.object({ user, client: text.optional(), expired: z.boolean().optional(), expire_at: z.int().min(0).optional() }),
	async ({ user, client, expired, expire_at }, { hub }) =>
		order(hub, { kind: "refresh", user, client, expired, expiresAt: expire_at ? expire_at * 1000 : undefined }),
);

const presence = operation(z.object({ topic }), async ({ topic }, { hub }) => {
	const present = await hub.presence(topic);
	return { presence: Object.fromEntries([...present].map(([client, info]) => [client, infoBody(info)])) };
});

const presenceStats = operation(z.object({ topic }), async ({ topic }, { hub }) => {
	const present = [...(await hub.presence(topic)).values()];
	return { num_clients: present.length, num_users: new Set(present.map(({ user }) => user)).size };
});

const history = operation(
	z.object({ topic, limit: z.int().optional(), since: position.optional(), reverse: z.boolean().optional() }),
	async ({ topic, limit = 0, since, reverse }, { hub }) => {
		const filter = { since, limit: limit < 0 ? undefined : limit, reverse };
		const { publications, epoch, offset } = await hub.history(topic, filter);
		return { publications: publications.map(publicationBody), epoch, offset };
	},
);

const historyRemove = operation(z.object({ topic }), async ({ topic }, { hub }) => {
	hub.rule(topic);
	await hub.engine.removeHistory(topic);
	return {};
});

const channels = operation(z.object({ pattern: text.optional() }), async ({ pattern }, { hub }) => {
	const wanted = pattern === undefined || pattern === "" ? undefined : globOf(pattern);
	const topics = [...(await hub.engine.topics())].filter(([name]) => wanted === undefined || wanted.test(name));
	return {
		channels: Object.fromEntries(topics.map(([name, { subscribers }]) => [name, { num_clients: subscribers }])),
	};
});

const info = operation(z.object({}), async (_, { hub, node }) => {
	return { nodes: [{ ...node, num_channels: await hub.engine.countTopics() }] };
});

/** By the last part of their path. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
	["publish", publish],
	["broadcast", broadcast],
	["subscribe", subscribe],
	["unsubscribe", unsubscribe],
	["disconnect", disconnect],
	["refresh", refresh],
	["presence", presence],
	["presence_stats", presenceStats],
	["history", history],
	["history_remove", historyRemove],
	["channels", channels],
	["info", info],
]);

/** `error` of an answer. Anything but a {@link HubError} is passed on. */
export function errorBody(error: unknown): { readonly code: number; readonly message: string } {
	if (!(error instanceof HubError)) throw error;
	return { code: error.number, message: error.message };
}

/** @throws HubError BAD_REQUEST with what is wrong, from the operation */
function operation<T extends z.ZodType>(
	schema: T,
	run: (params: z.output<T>, context: OperationContext) => Promise<OperationResult>,
): Operation {
	return async ({ channel, channels, ...params }, context) => {
		const parsed = schema.safeParse({ topic: channel, topics: channels, ...params });
		if (parsed.success) return await run(parsed.data, context);
		const [issue] = parsed.error.issues;
		const where = issue?.path.join(".");
		throw new HubError("BAD_REQUEST", where ? `${where}: ${issue?.message}` : (issue?.message ?? "bad request"));
	};
}

function draftOf({ b64data, tags }: PublicationParams, raw: string | undefined): Draft {
	if (b64data !== undefined) {
		const data = Buffer.from(b64data, "base64");
		return { data, json: isJson(data), tags };
	}
	if (raw === undefined) throw new HubError("BAD_REQUEST", "data is missing");
	return { data: Buffer.from(raw), json: true, tags };
}

async function publishOne(hub: Hub, topic: string, draft: Draft, params: PublicationParams): Promise<OperationResult> {
	const { skip_history: skipHistory = false, idempotency_key: idempotencyKey } = params;
	const { epoch, offset } = await hub.publish(topic, draft, "api", { skipHistory, idempotencyKey });
	return epoch === "" ? {} : { offset, epoch };
}

async function order(hub: Hub, what: Order): Promise<OperationResult> {
	await hub.engine.order(what);
	return {};
}

function publicationBody({ data, json, info, offset, tags }: Publication): OperationResult {
	return { data: jsonOf(data, json), offset, tags, info: info && infoBody(info) };
}

function infoBody(info: NonNullable<Publication["info"]>): OperationResult {
	const { user, client, connectionInfo, topicInfo } = info;
	return {
		user,
		client,
		conn_info: connectionInfo && jsonOf(connectionInfo, isJson(connectionInfo)),
		chan_info: topicInfo && jsonOf(topicInfo, isJson(topicInfo)),
	};
}

/** JSON as it is; bytes that are none in base64. */
function jsonOf(bytes: Uint8Array, json: boolean): RawJson {
	const buffer = Buffer.from(bytes);
	return new RawJson(json ? buffer.toString("utf8") : JSON.stringify(buffer.toString("base64")));
}

/** `*` stands for anything, `?` for one character. */
function globOf(pattern: string): RegExp {
	const source = pattern
		.replace(/[.+^${}()|[\]\\]/g, "\\$&")
		.replaceAll("*", ".*")
		.replaceAll("?", ".");
	return new RegExp(`^${source}$`, "s");
}

function isJson(data: Uint8Array): boolean {
	try {
		JSON.parse(Buffer.from(data).toString("utf8"));
		return true;
	} catch {
		return false;
	}
}
