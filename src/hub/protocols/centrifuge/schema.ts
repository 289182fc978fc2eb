/** The messages of Centrifugo's client protocol (version 2, `client.proto`), as far as they are spoken here. */
import protobuf from "protobufjs/light.js";

type Field = readonly [type: string, id: number, rule?: "repeated" | "map"];

/** Names as on the wire in JSON, so that both formats give the same objects. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
	Error: { code: ["uint32", 1], message: ["string", 2], temporary: ["bool", 3] },
	Command: {
		id: ["uint32", 1],
		connect: ["ConnectRequest", 4],
		subscribe: ["SubscribeRequest", 5],
		unsubscribe: ["TopicRequest", 6],
		publish: ["PublishRequest", 7],
		presence: ["TopicRequest", 8],
		presence_stats: ["TopicRequest", 9],
		history: ["HistoryRequest", 10],
		ping: ["Empty", 11],
		send: ["SendRequest", 12],
		rpc: ["RpcRequest", 13],
		refresh: ["RefreshRequest", 14],
		sub_refresh: ["SubRefreshRequest", 15],
	},
	Reply: {
		id: ["uint32", 1],
		error: ["Error", 2],
		push: ["Push", 4],
		connect: ["ConnectResult", 5],
		subscribe: ["SubscribeResult", 6],
		unsubscribe: ["Empty", 7],
		publish: ["Empty", 8],
		presence: ["PresenceResult", 9],
		presence_stats: ["PresenceStatsResult", 10],
		history: ["HistoryResult", 11],
		ping: ["Empty", 12],
		rpc: ["RpcResult", 13],
		refresh: ["RefreshResult", 14],
		sub_refresh: ["SubRefreshResult", 15],
	},
	Push: {
		channel: ["string", 2],
		pub: ["Publication", 4],
		join: ["Presence", 5],
		leave: ["Presence", 6],
		unsubscribe: ["Unsubscribe", 7],
		message: ["SendRequest", 8],
		subscribe: ["Subscribe", 9],
		disconnect: ["Disconnect", 11],
		refresh: ["SubRefreshResult", 12],
	},
	ClientInfo: { user: ["string", 1], client: ["string", 2], conn_info: ["bytes", 3], chan_info: ["bytes", 4] },
	Publication: {
		data: ["bytes", 4],
		info: ["ClientInfo", 5],
		offset: ["uint64", 6],
		tags: ["string", 7, "map"],
		time: ["int64", 9],
	},
	Presence: { info: ["ClientInfo", 1] },
	Unsubscribe: { code: ["uint32", 2], reason: ["string", 3] },
	Subscribe: {
		recoverable: ["bool", 1],
		epoch: ["string", 4],
		offset: ["uint64", 5],
		positioned: ["bool", 6],
		data: ["bytes", 7],
	},
	Disconnect: { code: ["uint32", 1], reason: ["string", 2], reconnect: ["bool", 3] },
	Empty: {},
	ConnectRequest: {
		token: ["string", 1],
		data: ["bytes", 2],
		subs: ["SubscribeRequest", 3, "map"],
		name: ["string", 4],
		version: ["string", 5],
		headers: ["string", 6, "map"],
	},
	ConnectResult: {
		client: ["string", 1],
		version: ["string", 2],
		expires: ["bool", 3],
		ttl: ["uint32", 4],
		data: ["bytes", 5],
		subs: ["SubscribeResult", 6, "map"],
		ping: ["uint32", 7],
		pong: ["bool", 8],
		session: ["string", 9],
		node: ["string", 10],
	},
	RefreshRequest: { token: ["string", 1] },
	RefreshResult: { client: ["string", 1], version: ["string", 2], expires: ["bool", 3], ttl: ["uint32", 4] },
	SubscribeRequest: {
		channel: ["string", 1],
		token: ["string", 2],
		recover: ["bool", 3],
		epoch: ["string", 6],
		offset: ["uint64", 7],
		data: ["bytes", 8],
		positioned: ["bool", 9],
		recoverable: ["bool", 10],
		join_leave: ["bool", 11],
	},
	SubscribeResult: {
		expires: ["bool", 1],
		ttl: ["uint32", 2],
		recoverable: ["bool", 3],
		epoch: ["string", 6],
		publications: ["Publication", 7, "repeated"],
		recovered: ["bool", 8],
		offset: ["uint64", 9],
		positioned: ["bool", 10],
		data: ["bytes", 11],
		was_recovering: ["bool", 12],
	},
	SubRefreshRequest: { channel: ["string", 1], token: ["string", 2] },
	SubRefreshResult: { expires: ["bool", 1], ttl: ["uint32", 2] },
	TopicRequest: { channel: ["string", 1] },
	PublishRequest: { channel: ["string", 1], data: ["bytes", 2] },
	PresenceResult: { presence: ["ClientInfo", 1, "map"] },
	PresenceStatsResult: { num_clients: ["uint32", 1], num_users: ["uint32", 2] },
	StreamPosition: { offset: ["uint64", 1], epoch: ["string", 2] },
	HistoryRequest: { channel: ["string", 1], limit: ["int32", 7], since: ["StreamPosition", 8], reverse: ["bool", 9] },
	HistoryResult: { publications: ["Publication", 1, "repeated"], epoch: ["string", 2], offset: ["uint64", 3] },
	RpcRequest: { data: ["bytes", 1], method: ["string", 2] },
	RpcResult: { data: ["bytes", 1] },
	SendRequest: { data: ["bytes", 1] },
};

const root = protobuf.Root.fromJSON({
	nested: Object.fromEntries(
		Object.entries(MESSAGES).map(([name, fields]) => [
			name,
			{ fields: Object.fromEntries(Object.entries(fields).map(([field, shape]) => [field, describe(shape)])) },
		]),
	),
});

function describe([type, id, rule]: Field): protobuf.IField | protobuf.IMapField {
	if (rule === "map") return { type, id, keyType: "string" };
	return rule === "repeated" ? { type, id, rule } : { type, id };
}

export const COMMAND: protobuf.Type = root.lookupType("Command");
export const REPLY: protobuf.Type = root.lookupType("Reply");

/** Where a client said to be in a topic. */
export interface WirePosition {
	readonly recover?: boolean;
	readonly epoch?: string;
	readonly offset?: number;
}

export interface SubscribeRequest extends WirePosition {
	readonly channel?: string;
	readonly join_leave?: boolean;
	readonly data?: Uint8Array;
}

interface TopicRequest {
	readonly channel?: string;
}

/** What a client sends. `data` is a JSON text, or bytes. At most one of the requests is there; none is a pong. */
export interface Command {
	readonly id?: number;
	readonly connect?: {
		readonly token?: string;
		readonly data?: Uint8Array;
		readonly subs?: Readonly<Record<string, WirePosition>>;
		readonly name?: string;
		readonly version?: string;
	};
	readonly subscribe?: SubscribeRequest;
	readonly unsubscribe?: TopicRequest;
	readonly publish?: TopicRequest & { readonly data?: Uint8Array };
	readonly presence?: TopicRequest;
	readonly presence_stats?: TopicRequest;
	readonly history?: TopicRequest & {
		readonly limit?: number;
		readonly since?: { readonly offset?: number; readonly epoch?: string };
		readonly reverse?: boolean;
	};
	readonly ping?: object;
	readonly send?: { readonly data?: Uint8Array };
	readonly rpc?: { readonly data?: Uint8Array; readonly method?: string };
	readonly refresh?: { readonly token?: string };
	readonly sub_refresh?: TopicRequest & { readonly token?: string };
}

/** The names of requests. */
export const METHODS = [
	"connect",
	"subscribe",
	"unsubscribe",
	"publish",
	"presence",
	"presence_stats",
	"history",
	"ping",
	"send",
	"rpc",
	"refresh",
	"sub_refresh",
] as const satisfies readonly (keyof Command)[];

export type Method = (typeof METHODS)[number];
