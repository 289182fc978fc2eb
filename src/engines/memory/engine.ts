/**
 * Topics in the memory of one process. Other processes of the same gateway take part over a channel of theirs: each is a
 * node. A publication is told to the nodes that follow its topic before the publisher has its answer, in one order.
 */
import { LRUCache } from "lru-cache";
import type {
	ClientInfo,
	Draft,
	EngineListener,
	History,
	HistoryFilter,
	HubEngine,
	Order,
	Position,
	PublishOptions,
	TopicCounts,
	TopicFilter,
} from "../../hub/engine.ts";
import { Stream } from "./stream.ts";

/** Topics with a position that are remembered; the one unused for longest goes first, and begins a new epoch. */
const MOST_STREAMS = 100_000;
/** Publications with an idempotency key that are remembered, and for how long, ms. */
const MOST_KEYS = 100_000;
const KEY_TTL = 5 * 60_000;
/** How often publications whose time is over are looked for, ms. */
const SWEEP_MS = 5_000;

interface Present {
	readonly info: ClientInfo;
	readonly node: Node;
}

/** A process that takes part. */
class Node implements HubEngine {
	readonly listener: EngineListener;
	readonly #engine: MemoryEngine;

	constructor(engine: MemoryEngine, listener: EngineListener) {
		this.#engine = engine;
		this.listener = listener;
	}

	async subscribe(topic: string): Promise<void> {
		this.#engine.follow(this, topic);
	}

	unsubscribe(topic: string): void {
		this.#engine.unfollow(this, topic);
	}

	async publish(topic: string, draft: Draft, options: PublishOptions): Promise<Position> {
		return this.#engine.publish(topic, draft, options);
	}

	async history(topic: string, filter: HistoryFilter): Promise<History> {
		return this.#engine.history(topic, filter);
	}

	async removeHistory(topic: string): Promise<void> {
		this.#engine.removeHistory(topic);
	}

	enter(topic: string, info: ClientInfo): void {
		this.#engine.enter(this, topic, info);
	}

	leave(topic: string, client: string): void {
		this.#engine.leave(topic, client);
	}

	async presence(topic: string): Promise<ReadonlyMap<string, ClientInfo>> {
		return this.#engine.presence(topic);
	}

	topics(filter: TopicFilter = {}): Promise<ReadonlyMap<string, TopicCounts>> {
		return this.#engine.topics(filter);
	}

	async countTopics(): Promise<number> {
		return this.#engine.countTopics();
	}

	async order(order: Order): Promise<void> {
		this.#engine.order(order);
	}
}

/** The memory engine of one hub. */
export class MemoryEngine {
	readonly #now: () => number;
	readonly #nodes = new Set<Node>();
	readonly #followers = new Map<string, Set<Node>>();
	readonly #present = new Map<string, Map<string, Present>>();
	readonly #streams = new LRUCache<string, Stream>({ max: MOST_STREAMS });
	readonly #keys: LRUCache<string, Position>;
	readonly #sweep: NodeJS.Timeout;

	/** @param now wall-clock time, ms */
	constructor(now: () => number = Date.now) {
		this.#now = now;
		this.#keys = new LRUCache({ max: MOST_KEYS, ttl: KEY_TTL, ttlResolution: 0, perf: { now } });
		this.#sweep = setInterval(() => this.sweep(), SWEEP_MS);
		this.#sweep.unref();
	}

	/** Lets a process take part. */
	attach(listener: EngineListener): HubEngine {
		const node = new Node(this, listener);
		this.#nodes.add(node);
		return node;
	}

	/** A process is gone: so are its connections. */
	detach(engine: HubEngine): void {
		const node = engine as Node;
		this.#nodes.delete(node);
		for (const topic of [...this.#followers.keys()]) this.unfollow(node, topic);
		for (const [topic, clients] of [...this.#present]) {
			for (const [client, present] of [...clients]) if (present.node === node) this.leave(topic, client);
		}
	}

	close(): void {
		clearInterval(this.#sweep);
	}

	/** Forgets publications whose time is over. */
	sweep(): void {
		for (const stream of this.#streams.values()) stream.expire();
	}

	/** For nodes only, as are all below. */
	follow(node: Node, topic: string): void {
		const nodes = this.#followers.get(topic);
		if (nodes) {
			nodes.add(node);
			return;
		}
		this.#followers.set(topic, new Set([node]));
		node.listener.occupancy(topic, true);
	}

	unfollow(node: Node, topic: string): void {
		const nodes = this.#followers.get(topic);
		if (!nodes?.delete(node) || nodes.size > 0) return;
		this.#followers.delete(topic);
		// One that is gone cannot tell anybody.
		const [other] = this.#nodes;
		const teller = this.#nodes.has(node) ? node : other;
		teller?.listener.occupancy(topic, false);
	}

	publish(topic: string, draft: Draft, { history, idempotencyKey }: PublishOptions): Position {
		const key = idempotencyKey === undefined ? undefined : `${topic}\0${idempotencyKey}`;
		const known = key === undefined ? undefined : this.#keys.get(key);
		if (known) return known;
		const stream = history && this.#stream(topic);
		const publication = stream?.append(draft, history as NonNullable<typeof history>) ?? {
			...draft,
			offset: 0,
			time: this.#now(),
		};
		const position = stream?.position ?? { epoch: "", offset: 0 };
		if (key !== undefined) this.#keys.set(key, position);
		for (const { listener } of this.#followers.get(topic) ?? []) listener.published(topic, publication, position.epoch);
		return position;
	}

	history(topic: string, filter: HistoryFilter): History {
		return this.#stream(topic).read(filter);
	}

	removeHistory(topic: string): void {
		this.#streams.get(topic)?.clear();
	}

	enter(node: Node, topic: string, info: ClientInfo): void {
		const clients = this.#present.get(topic) ?? new Map<string, Present>();
		this.#present.set(topic, clients);
		const known = clients.has(info.client);
		clients.set(info.client, { info, node });
		if (known) return;
		for (const { listener } of this.#followers.get(topic) ?? []) listener.joined(topic, info);
	}

	leave(topic: string, client: string): void {
		const clients = this.#present.get(topic);
		const present = clients?.get(client);
		if (!clients || !present) return;
		clients.delete(client);
		if (clients.size === 0) this.#present.delete(topic);
		for (const { listener } of this.#followers.get(topic) ?? []) listener.left(topic, present.info);
	}

	presence(topic: string): ReadonlyMap<string, ClientInfo> {
		const clients = this.#present.get(topic) ?? new Map<string, Present>();
		return new Map([...clients].map(([client, { info }]) => [client, info]));
	}

	async topics(filter: TopicFilter): Promise<ReadonlyMap<string, TopicCounts>> {
		const topics = new Map<string, TopicCounts>();
		const parts = await Promise.all([...this.#nodes].map(async ({ listener }) => await listener.counted(filter)));
		for (const [topic, { subscribers, rate }] of parts.flatMap((part) => [...part])) {
			const known = topics.get(topic);
			// Each node that follows a topic sees all its publications.
			const most = Math.max(known?.rate ?? 0, rate);
			topics.set(topic, { subscribers: (known?.subscribers ?? 0) + subscribers, rate: most });
		}
		return topics;
	}

	countTopics(): number {
		return this.#followers.size;
	}

	order(order: Order): void {
		for (const { listener } of this.#nodes) listener.ordered(order);
	}

	#stream(topic: string): Stream {
		const stream = this.#streams.get(topic) ?? new Stream(this.#now);
		this.#streams.set(topic, stream);
		return stream;
	}
}
