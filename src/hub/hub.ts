/**
 * A hub in one process: which of its connections follow which topics, and the fan-out to them. Order, history and presence
 * are the engine's.
 */
import type {
	ClientInfo,
	Draft,
	EngineListener,
	History,
	HistoryFilter,
	HubEngine,
	Order,
	Position,
	Publication,
	TopicCounts,
	TopicFilter,
} from "./engine.ts";
import { HubError } from "./errors.ts";
import { Message } from "./message.ts";
import { MissedLog } from "./missed.ts";
import type { HubConfig } from "./options.ts";
import { Flusher } from "./outbox.ts";
import { Rate } from "./rate.ts";
import { RawJson } from "./raw-json.ts";
import { type MatchedRule, type TopicRule, TopicRules } from "./rules.ts";
import { type Subscriber, type Subscription, type Topic, UNSUBSCRIBED } from "./subscription.ts";

/** Is told what happens in a hub; nothing of it waits or throws. */
export interface HubEvents {
	/** Whether an event of this type is wanted: to make one that is not costs nothing. */
	wants(type: HubEventType): boolean;
	add(event: { readonly type: HubEventType; readonly subject?: string | undefined; readonly data: EventData }): void;
}

export type HubEventType =
	| "connected"
	| "disconnected"
	| "subscribed"
	| "unsubscribed"
	| "occupied"
	| "vacated"
	| "published";

export type EventData = Readonly<Record<string, unknown>>;

/** Counts of one rule. */
export interface RuleCounts {
	subscriptions: number;
	publications: Record<"client" | "api", number>;
	recoveries: Record<"recovered" | "lost", number>;
	sent: number;
	skipped: number;
	dropped: number;
}

/** Who publishes. */
export type PublicationSource = keyof RuleCounts["publications"];

export class Hub implements EngineListener {
	readonly name: string;
	config: HubConfig;
	rules: TopicRules;
	readonly flusher: Flusher;
	/** Who is told what happens. */
	events: HubEvents | undefined;
	readonly subscribers = new Map<string, Subscriber>();
	/** What did not reach somebody, and why. */
	readonly missed = new MissedLog();
	/** Of what is published by way of this process. */
	readonly rate = new Rate(performance.now());
	/** Connections by user, for orders. */
	readonly #byUser = new Map<string, Set<Subscriber>>();
	readonly #topics = new Map<string, Topic>();
	readonly #counts = new Map<string, RuleCounts>();
	readonly #delivered: (seconds: number) => void;
	#engine!: HubEngine;
	/** When the first publication came that is not written to everybody yet; 0 = none. */
	#deliveringSince = 0;

	/**
	 * @param clock coarse, ms
	 * @param delivered is told how long a publication took to its last write, in seconds
	 */
	constructor(
		name: string,
		config: HubConfig,
		clock: { readonly now: number },
		delivered: (seconds: number) => void = () => {},
	) {
		this.name = name;
		this.config = config;
		this.rules = new TopicRules(config.topics);
		this.#delivered = delivered;
		this.flusher = new Flusher(clock, () => this.#flushed());
	}

	/** To be called once, before anything else. */
	connect(engine: HubEngine): void {
		this.#engine = engine;
	}

	get engine(): HubEngine {
		return this.#engine;
	}

	/** Tells an event, if anybody wants it. */
	tell(type: HubEventType, subject: string | undefined, data: () => EventData): void {
		if (this.events?.wants(type)) this.events.add({ type, subject, data: data() });
	}

	/** The rule of a topic. @throws HubError UNKNOWN_TOPIC */
	rule(topic: string): MatchedRule {
		const found = this.rules.find(topic);
		if (!found) throw new HubError("UNKNOWN_TOPIC");
		return found;
	}

	/** Topics that connections of this process follow. */
	topics(): IterableIterator<Topic> {
		return this.#topics.values();
	}

	topic(name: string): Topic | undefined {
		return this.#topics.get(name);
	}

	/** The connections of a user. */
	ofUser(user: string): Iterable<Subscriber> {
		return this.#byUser.get(user) ?? [];
	}

	/** By the name of a rule. */
	counts(): ReadonlyMap<string, RuleCounts> {
		return this.#counts;
	}

	countsOf(rule: string): RuleCounts {
		let counts = this.#counts.get(rule);
		if (!counts) {
			counts = {
				subscriptions: 0,
				publications: { client: 0, api: 0 },
				recoveries: { recovered: 0, lost: 0 },
				sent: 0,
				skipped: 0,
				dropped: 0,
			};
			this.#counts.set(rule, counts);
		}
		return counts;
	}

	/** A connection takes part from now on. */
	add(subscriber: Subscriber): void {
		this.subscribers.set(subscriber.id, subscriber);
		const { user } = subscriber;
		const known = this.#byUser.get(user);
		if (known) known.add(subscriber);
		else this.#byUser.set(user, new Set([subscriber]));
	}

	remove({ id, user }: Subscriber): void {
		const subscriber = this.subscribers.get(id);
		if (!subscriber) return;
		this.subscribers.delete(id);
		const known = this.#byUser.get(user);
		if (known?.delete(subscriber) && known.size === 0) this.#byUser.delete(user);
	}

	/** Adds a subscription that holds what comes until {@link release}. The topic's `ready` has to be awaited. */
	subscribe(
		subscriber: Subscriber,
		name: string,
		rule: TopicRule,
		how: Pick<Subscription, "joinLeave" | "byServer">,
	): Subscription {
		let topic = this.#topics.get(name);
		if (!topic) {
			topic = {
				name,
				rule,
				subscribers: [],
				ready: this.#engine.subscribe(name),
				epoch: "",
				offset: 0,
				rate: undefined,
			};
			// Whoever subscribes awaits it; a rejection before that is not lost.
			topic.ready.catch(() => {});
			this.#topics.set(name, topic);
		}
		const index = topic.subscribers.length;
		const subscription: Subscription = { subscriber, topic, index, held: [], ...how };
		topic.subscribers.push(subscription);
		this.countsOf(topic.rule.name).subscriptions++;
		return subscription;
	}

	/** The subscription is live: what it held comes now, as far as `after` (an offset) does not have it already. */
	release(subscription: Subscription, after: number): void {
		const held = subscription.held;
		subscription.held = undefined;
		for (const message of held ?? [])
			if (message.offset === 0 || message.offset > after) this.#send(subscription, message);
	}

	unsubscribe(subscription: Subscription): void {
		const { topic, index, subscriber } = subscription;
		const last = topic.subscribers.pop() as Subscription;
		if (last !== subscription) {
			topic.subscribers[index] = last;
			last.index = index;
		}
		this.countsOf(topic.rule.name).subscriptions--;
		subscriber.outbox.forget(topic.name);
		if (topic.subscribers.length > 0) return;
		this.#topics.delete(topic.name);
		this.#engine.unsubscribe(topic.name);
	}

	/**
	 * Publishes; resolves when the engine has it.
	 * @throws HubError UNKNOWN_TOPIC, ENGINE_UNAVAILABLE
	 */
	async publish(
		name: string,
		draft: Draft,
		source: PublicationSource,
		options: PublishRequest = {},
	): Promise<Position> {
		const { rule } = this.rule(name);
		const history = options.skipHistory ? undefined : (options.history ?? rule.history);
		const position = await this.#engine.publish(name, draft, { history, idempotencyKey: options.idempotencyKey });
		this.countsOf(rule.name).publications[source]++;
		this.rate.count(performance.now());
		this.tell("published", name, () => ({
			topic: name,
			source,
			offset: position.offset || undefined,
			epoch: position.epoch || undefined,
			client: draft.info?.client,
			user: draft.info?.user || undefined,
			...(draft.json
				? { data: new RawJson(Buffer.from(draft.data).toString("utf8")) }
				: { data_base64: Buffer.from(draft.data).toString("base64") }),
		}));
		return position;
	}

	/** @throws HubError NOT_AVAILABLE where nothing is kept; UNRECOVERABLE_POSITION; ENGINE_UNAVAILABLE */
	async history(name: string, filter: HistoryFilter): Promise<History> {
		const { rule } = this.rule(name);
		if (rule.history === undefined) throw new HubError("NOT_AVAILABLE", "the topic keeps no history");
		const history = await this.#engine.history(name, filter);
		if (filter.since !== undefined && filter.since.epoch !== "" && filter.since.epoch !== history.epoch) {
			throw new HubError("UNRECOVERABLE_POSITION");
		}
		return history;
	}

	/** @throws HubError NOT_AVAILABLE where nobody notes who is there; ENGINE_UNAVAILABLE */
	async presence(name: string): Promise<ReadonlyMap<string, ClientInfo>> {
		const { rule } = this.rule(name);
		if (!rule.presence) throw new HubError("NOT_AVAILABLE", "the topic keeps no presence");
		return await this.#engine.presence(name);
	}

	/** New rules and limits under live subscribers: whoever may not stay is unsubscribed, nobody else notices. */
	reconfigure(config: HubConfig): void {
		this.config = config;
		this.rules = new TopicRules(config.topics);
		for (const topic of [...this.#topics.values()]) {
			const found = this.rules.find(topic.name);
			for (const subscription of [...topic.subscribers]) {
				if (found && subscription.subscriber.mayStay(subscription, found)) continue;
				subscription.subscriber.unsubscribed(subscription, UNSUBSCRIBED.byServer);
			}
			if (found) this.#moveRule(topic, found.rule);
		}
	}

	published(name: string, publication: Publication, epoch: string): void {
		const topic = this.#topics.get(name);
		if (!topic) return;
		const { offset } = publication;
		const known = topic.epoch !== "" && epoch !== "";
		// It was in the history that a subscriber has just read.
		if (known && epoch === topic.epoch && offset <= topic.offset) return;
		const gap = known && (epoch !== topic.epoch || offset !== topic.offset + 1);
		topic.epoch = epoch;
		topic.offset = offset;
		if (gap) {
			for (const each of [...topic.subscribers]) each.subscriber.unsubscribed(each, UNSUBSCRIBED.insufficientState);
			return;
		}
		const now = performance.now();
		topic.rate ??= new Rate(now);
		topic.rate.count(now);
		if (this.#deliveringSince === 0) this.#deliveringSince = now;
		const message = this.#message((encoding) => encoding.publication(name, publication), offset);
		for (const subscription of topic.subscribers) {
			if (subscription.held) subscription.held.push(message);
			else this.#send(subscription, message);
		}
	}

	joined(name: string, info: ClientInfo): void {
		this.#tellPresence(
			name,
			this.#message((encoding) => encoding.join(name, info), 0),
		);
	}

	left(name: string, info: ClientInfo): void {
		this.#tellPresence(
			name,
			this.#message((encoding) => encoding.leave(name, info), 0),
		);
	}

	ordered(order: Order): void {
		for (const subscriber of [...(this.#byUser.get(order.user) ?? [])]) {
			if (order.client === undefined || order.client === subscriber.id) subscriber.ordered(order);
		}
	}

	occupancy(topic: string, occupied: boolean): void {
		this.tell(occupied ? "occupied" : "vacated", topic, () => ({ topic }));
	}

	counted({ topic, prefix = "" }: TopicFilter): ReadonlyMap<string, TopicCounts> {
		const now = performance.now();
		const counts = new Map<string, TopicCounts>();
		const asked = topic === undefined ? this.#topics.values() : [this.#topics.get(topic)];
		for (const each of asked) {
			if (!each?.name.startsWith(prefix)) continue;
			counts.set(each.name, { subscribers: each.subscribers.length, rate: each.rate?.perSecond(now) ?? 0 });
		}
		return counts;
	}

	#message(payload: ConstructorParameters<typeof Message>[0], offset: number): Message {
		return new Message(payload, this.config.compression?.min_size ?? Number.POSITIVE_INFINITY, offset);
	}

	#send({ subscriber, topic }: Subscription, message: Message): void {
		const frame = message.frame(subscriber.encoding, subscriber.compress);
		if (frame === null) return;
		const counts = this.countsOf(topic.rule.name);
		if (topic.rule.slow === "latest") {
			counts.sent++;
			if (!subscriber.outbox.pushLatest(topic.name, frame)) {
				counts.sent--;
				counts.skipped++;
				this.missed.note(subscriber, "skipped", { topic: topic.name });
			}
		} else if (subscriber.outbox.push(frame)) counts.sent++;
		else {
			counts.dropped++;
			this.missed.note(subscriber, "dropped", { topic: topic.name });
		}
		subscriber.publicationsOut++;
	}

	#tellPresence(name: string, message: Message): void {
		for (const subscription of this.#topics.get(name)?.subscribers ?? []) {
			if (!subscription.joinLeave) continue;
			if (subscription.held) {
				subscription.held.push(message);
				continue;
			}
			const frame = message.frame(subscription.subscriber.encoding, subscription.subscriber.compress);
			if (frame !== null) subscription.subscriber.outbox.push(frame);
		}
	}

	#moveRule(topic: Topic, rule: TopicRule): void {
		this.countsOf(topic.rule.name).subscriptions -= topic.subscribers.length;
		this.countsOf(rule.name).subscriptions += topic.subscribers.length;
		topic.rule = rule;
	}

	#flushed(): void {
		if (this.#deliveringSince === 0) return;
		this.#delivered((performance.now() - this.#deliveringSince) / 1000);
		this.#deliveringSince = 0;
	}
}

/** How something is published. */
export interface PublishRequest {
	/** In place of the rule's. */
	readonly history?: { readonly size: number; readonly ttl: number } | undefined;
	readonly skipHistory?: boolean;
	readonly idempotencyKey?: string | undefined;
}
