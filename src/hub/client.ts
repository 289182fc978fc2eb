/** One connection of a hub, whatever protocol it speaks: who it is, what it follows, and what it may do. */
import type { Claims } from "../protocol/claims.ts";
import type { ClientInfo, History, HistoryFilter, Order, Position, Publication } from "./engine.ts";
import { HubError } from "./errors.ts";
import type { Hub } from "./hub.ts";
import type { Encoding } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { MatchedRule, Subject, TopicRule } from "./rules.ts";
import { type Subscriber, type Subscription, UNSUBSCRIBED, type UnsubscribeReason } from "./subscription.ts";

/** Who a connection turned out to be. */
export interface Identity {
	/** "" = anonymous. */
	readonly user: string;
	readonly claims: Claims | undefined;
	/** What others see of the connection: a JSON text, or bytes. */
	readonly connectionInfo?: Uint8Array | undefined;
}

/** What a subscription was answered with. */
export interface Subscribed {
	/** Undefined where the topic keeps no history. */
	readonly position: Position | undefined;
	/** What was missed since the position asked for, in order. */
	readonly publications: readonly Publication[];
	/** Whether a position was asked for. */
	readonly recovering: boolean;
	/** Whether `publications` is all that was missed. */
	readonly recovered: boolean;
}

/** A subscription that waits for the client to be told. */
export interface Started {
	readonly result: Subscribed;
	/** From here on publications come, those first that came meanwhile. */
	live(): void;
}

/** How a client subscribes. */
export interface SubscribeOptions {
	/** What it had last. */
	readonly since?: Position | undefined;
	/** It wants to hear who joins and leaves. */
	readonly joinLeave?: boolean | undefined;
	/** The gateway or a backend subscribes it: rules of access do not matter. */
	readonly byServer?: boolean;
	/** What others see of it in this topic. */
	readonly topicInfo?: Uint8Array | undefined;
}

/** What a protocol does when something happens to a connection that it did not ask for. */
export interface ProtocolEvents {
	unsubscribed(topic: string, reason: UnsubscribeReason): void;
	/** A backend subscribed it. */
	subscribed(topic: string, result: Subscribed, data: Uint8Array | undefined): void;
	/** ms since the epoch. */
	refreshed(expiresAt: number | undefined): void;
	disconnect(code: number, reason: string): void;
}

/** Close code of an ordered disconnect: the client does not come back by itself. */
const FORCE_DISCONNECT = { code: 3503, reason: "force disconnect" };
/** The connection is over its time. */
const EXPIRED = { code: 3005, reason: "connection expired" };

export class HubClient implements Subscriber {
	readonly id: string;
	readonly hub: Hub;
	readonly identity: Identity;
	readonly outbox: Outbox;
	readonly encoding: Encoding;
	/** Whether it can read compressed messages. */
	readonly compress: boolean;
	readonly events: ProtocolEvents;
	readonly subscriptions = new Map<string, Subscription>();
	publicationsIn = 0;
	publicationsOut = 0;
	#closed = false;

	constructor(facts: Pick<HubClient, "id" | "hub" | "identity" | "outbox" | "encoding" | "compress" | "events">) {
		this.id = facts.id;
		this.hub = facts.hub;
		this.identity = facts.identity;
		this.outbox = facts.outbox;
		this.encoding = facts.encoding;
		this.compress = facts.compress;
		this.events = facts.events;
		this.hub.add(this);
	}

	/** "" = anonymous. */
	get user(): string {
		return this.identity.user;
	}

	get subject(): Subject {
		const { user, claims } = this.identity;
		return { user, claims };
	}

	/** What others see of it. */
	info(topicInfo?: Uint8Array): ClientInfo {
		return { user: this.user, client: this.id, connectionInfo: this.identity.connectionInfo, topicInfo };
	}

	/** @throws HubError UNKNOWN_TOPIC, PERMISSION_DENIED: the rules say so, and no backend need be asked */
	maySubscribe(name: string): TopicRule {
		const { rule, values } = this.hub.rule(name);
		if (!rule.subscribe(this.subject, values)) throw new HubError("PERMISSION_DENIED");
		return rule;
	}

	/** @throws HubError UNKNOWN_TOPIC, PERMISSION_DENIED */
	mayPublish(name: string): void {
		const { rule, values } = this.hub.rule(name);
		if (!rule.publish(this.subject, values)) throw new HubError("PERMISSION_DENIED");
	}

	/**
	 * Follows a topic. The client has to be told the result, and {@link Started.live} called, in one go.
	 * @throws HubError UNKNOWN_TOPIC, PERMISSION_DENIED, ALREADY_SUBSCRIBED, LIMIT_EXCEEDED, ENGINE_UNAVAILABLE;
	 * NOT_AVAILABLE when the connection is gone
	 */
	async subscribe(name: string, options: SubscribeOptions): Promise<Started> {
		// It may have gone while its backend was asked.
		if (this.#closed) throw new HubError("NOT_AVAILABLE", "the connection is closed");
		const { byServer = false, joinLeave = false, since, topicInfo } = options;
		const rule = byServer ? this.hub.rule(name).rule : this.maySubscribe(name);
		if (this.subscriptions.has(name)) throw new HubError("ALREADY_SUBSCRIBED");
		if (!byServer && this.subscriptions.size >= this.hub.config.limits.topics_per_connection) {
			throw new HubError("LIMIT_EXCEEDED", "the connection follows as many topics as it may");
		}
		const subscription = this.hub.subscribe(this, name, rule, { joinLeave: joinLeave && rule.presence, byServer });
		this.subscriptions.set(name, subscription);
		let result: Subscribed;
		try {
			await subscription.topic.ready;
			result = await this.#recover(subscription, rule.history !== undefined, since);
		} catch (error) {
			if (this.subscriptions.get(name) === subscription) this.#drop(subscription);
			throw error;
		}
		const live = (): void => {
			if (this.subscriptions.get(name) !== subscription) return;
			this.hub.release(subscription, result.position?.offset ?? 0);
			if (rule.presence) this.hub.engine.enter(name, this.info(topicInfo));
			this.hub.tell("subscribed", name, () => ({ topic: name, client: this.id, user: this.user || undefined }));
		};
		return { result, live };
	}

	/** The client does not want a topic any more. */
	unsubscribe(name: string): void {
		const subscription = this.subscriptions.get(name);
		if (!subscription) return;
		this.hub.missed.note(this, "unsubscribed", { topic: name, by: "client" });
		this.#drop(subscription);
	}

	/** A subscription ends without the client's asking; it is told. */
	unsubscribed(subscription: Subscription, reason: UnsubscribeReason): void {
		this.hub.missed.note(this, "unsubscribed", { topic: subscription.topic.name, by: "gateway", ...reason });
		this.#drop(subscription);
		this.events.unsubscribed(subscription.topic.name, reason);
	}

	/**
	 * Publishes for the client.
	 * @throws HubError UNKNOWN_TOPIC, PERMISSION_DENIED, ENGINE_UNAVAILABLE
	 */
	async publish(name: string, data: Uint8Array, json: boolean): Promise<Position> {
		this.mayPublish(name);
		this.publicationsIn++;
		return await this.hub.publish(name, { data, json, info: this.info() }, "client");
	}

	/** @throws HubError see {@link Hub.presence}; PERMISSION_DENIED unless it follows the topic */
	async presence(name: string): Promise<ReadonlyMap<string, ClientInfo>> {
		this.#mustFollow(name);
		return await this.hub.presence(name);
	}

	/** @throws HubError see {@link Hub.history}; PERMISSION_DENIED unless it follows the topic */
	async history(name: string, filter: HistoryFilter): Promise<History> {
		this.#mustFollow(name);
		return await this.hub.history(name, filter);
	}

	/** Whether a live subscription holds under changed rules. */
	mayStay(subscription: Subscription, matched: MatchedRule): boolean {
		return subscription.byServer || this.mayFollow(matched);
	}

	/** Whether a rule lets it follow a topic. */
	mayFollow({ rule, values }: MatchedRule): boolean {
		return rule.subscribe(this.subject, values);
	}

	/** The client was told no; notes it for whoever asks why something does not reach it. */
	refused(action: "subscribe" | "publish", topic: string, { code, message }: HubError): void {
		// Who publishes too much is told so, and may do so again and again.
		if (code === "TOO_MANY_REQUESTS" || code === "ALREADY_SUBSCRIBED") return;
		this.hub.missed.note(this, "refused", { topic, action, error: code, reason: message });
	}

	/** Carries out what a backend asked for. */
	ordered(order: Order): void {
		if (order.kind === "disconnect") {
			if (order.whitelist?.includes(this.id)) return;
			this.events.disconnect(order.code ?? FORCE_DISCONNECT.code, order.reason ?? FORCE_DISCONNECT.reason);
		} else if (order.kind === "refresh") {
			if (order.expired) this.events.disconnect(EXPIRED.code, EXPIRED.reason);
			else this.events.refreshed(order.expiresAt);
		} else if (order.kind === "unsubscribe") {
			const subscription = this.subscriptions.get(order.topic ?? "");
			if (subscription) this.unsubscribed(subscription, UNSUBSCRIBED.byServer);
		} else {
			const topic = order.topic ?? "";
			this.subscribe(topic, { byServer: true }).then(({ result, live }) => {
				this.events.subscribed(topic, result, order.data);
				live();
			}, ignoreRefusal);
		}
	}

	/** The connection is gone. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		for (const subscription of [...this.subscriptions.values()]) this.#drop(subscription);
		this.outbox.discard();
		this.hub.remove(this);
	}

	#drop(subscription: Subscription): void {
		const { name, rule } = subscription.topic;
		this.subscriptions.delete(name);
		this.hub.unsubscribe(subscription);
		if (rule.presence) this.hub.engine.leave(name, this.id);
		// Whoever was never told that it is subscribed was not.
		if (subscription.held !== undefined) return;
		this.hub.tell("unsubscribed", name, () => ({ topic: name, client: this.id, user: this.user || undefined }));
	}

	async #recover({ topic }: Subscription, kept: boolean, since: Position | undefined): Promise<Subscribed> {
		if (!kept) {
			return { position: undefined, publications: [], recovering: since !== undefined, recovered: false };
		}
		const { publications, epoch, offset } = await this.hub.engine.history(topic.name, since ? { since } : { limit: 0 });
		const position = { epoch, offset };
		if (topic.epoch === "") {
			topic.epoch = epoch;
			topic.offset = offset;
		}
		if (since === undefined) return { position, publications: [], recovering: false, recovered: false };
		const first = publications[0];
		const whole = since.offset === offset || first?.offset === since.offset + 1;
		const recovered = since.epoch === epoch && whole;
		const outcome = recovered ? "recovered" : "lost";
		this.hub.countsOf(topic.rule.name).recoveries[outcome]++;
		// Nothing was missed: that needs no explanation.
		if (!recovered || publications.length > 0) {
			const came = recovered ? { publications: publications.length } : {};
			this.hub.missed.note(this, outcome, { topic: topic.name, ...came });
		}
		return { position, publications: recovered ? publications : [], recovering: true, recovered };
	}

	#mustFollow(name: string): void {
		if (!this.subscriptions.has(name)) this.maySubscribe(name);
	}
}

function ignoreRefusal(): void {
	// It follows the topic already, or the topic has no rule: the backend was answered before it came here.
}
