/**
 * Where a hub's topics live: their order, history and presence. A hub knows this interface only. Everything in it can be
 * sent to another process.
 */

/** Who published, joined or left. `…Info` are JSON texts or bytes that the application chose. */
export interface ClientInfo {
	/** "" = anonymous. */
	readonly user: string;
	/** The connection's id. */
	readonly client: string;
	readonly connectionInfo?: Uint8Array | undefined;
	readonly topicInfo?: Uint8Array | undefined;
}

/** What is published. */
export interface Draft {
	/** One JSON text, or, when `json` is false, any bytes. */
	readonly data: Uint8Array;
	readonly json: boolean;
	/** The publisher, when it is a client. */
	readonly info?: ClientInfo | undefined;
	readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A message of a topic. */
export interface Publication extends Draft {
	/** Its place in the topic, from 1; 0 where the topic keeps no history. */
	readonly offset: number;
	/** ms since the epoch. */
	readonly time: number;
}

/** A place in a topic: offsets of different epochs have nothing to do with each other. */
export interface Position {
	readonly epoch: string;
	readonly offset: number;
}

/** What of a topic's history is asked for. */
export interface HistoryFilter {
	/** Only what comes after it, or, in reverse, before it. */
	readonly since?: Position | undefined;
	/** At most so many; 0 = only the position; undefined = all there are. */
	readonly limit?: number | undefined;
	/** The newest first. */
	readonly reverse?: boolean | undefined;
}

/** Publications, and where the topic stands now. */
export interface History extends Position {
	readonly publications: readonly Publication[];
}

export interface PublishOptions {
	/** How much is kept; undefined: nothing. */
	readonly history?: { readonly size: number; readonly ttl: number } | undefined;
	/** A second publication of the topic with this key within five minutes is the first one again. */
	readonly idempotencyKey?: string | undefined;
}

/** What every process does to connections of a user: asked for by a backend. */
export interface Order {
	readonly kind: "disconnect" | "unsubscribe" | "subscribe" | "refresh";
	readonly user: string;
	/** Only this connection of the user. */
	readonly client?: string | undefined;
	/** Of `unsubscribe` and `subscribe`. */
	readonly topic?: string | undefined;
	/** Of `disconnect`: the close code and its reason. */
	readonly code?: number | undefined;
	readonly reason?: string | undefined;
	/** Of `disconnect`: connections that stay. */
	readonly whitelist?: readonly string[] | undefined;
	/** Of `refresh`: ms since the epoch; undefined = never. */
	readonly expiresAt?: number | undefined;
	/** Of `refresh`: the connection has expired. */
	readonly expired?: boolean | undefined;
	/** Of `subscribe`. */
	readonly data?: Uint8Array | undefined;
}

/** Which topics are asked about; without both, all. */
export interface TopicFilter {
	readonly topic?: string | undefined;
	readonly prefix?: string | undefined;
}

/** How much goes on in a topic. */
export interface TopicCounts {
	readonly subscribers: number;
	/** Publications a second. */
	readonly rate: number;
}

/** What an engine tells a process. Each call is short and must not throw. */
export interface EngineListener {
	/** In the order of the topic. `epoch`: "" where it keeps no history. */
	published(topic: string, publication: Publication, epoch: string): void;
	joined(topic: string, info: ClientInfo): void;
	left(topic: string, info: ClientInfo): void;
	ordered(order: Order): void;
	/** A topic has its first subscriber, or lost its last one. Of all processes one is told. */
	occupancy(topic: string, occupied: boolean): void;
	/** The topics that this process follows, with its own subscribers. */
	counted(filter: TopicFilter): ReadonlyMap<string, TopicCounts> | Promise<ReadonlyMap<string, TopicCounts>>;
}

/**
 * A hub's engine as one process uses it. Promises reject with a `HubError`: ENGINE_UNAVAILABLE when the engine is away;
 * nothing has happened then, as far as anybody can know.
 */
export interface HubEngine {
	/** From its resolution on, what is published in the topic is told to the listener. */
	subscribe(topic: string): Promise<void>;
	unsubscribe(topic: string): void;
	/** Resolves when the engine has it. */
	publish(topic: string, draft: Draft, options: PublishOptions): Promise<Position>;
	history(topic: string, filter: HistoryFilter): Promise<History>;
	removeHistory(topic: string): Promise<void>;
	/** Notes that a connection is there, and tells those who follow the topic. */
	enter(topic: string, info: ClientInfo): void;
	leave(topic: string, client: string): void;
	/** By connection id. */
	presence(topic: string): Promise<ReadonlyMap<string, ClientInfo>>;
	/** Topics that some process follows, with the subscribers of all processes. */
	topics(filter?: TopicFilter): Promise<ReadonlyMap<string, TopicCounts>>;
	/** How many topics some process follows. */
	countTopics(): Promise<number>;
	/** Has every process carry it out. */
	order(order: Order): Promise<void>;
}
