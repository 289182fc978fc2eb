/** A connection's part in a topic, and what a hub needs to know of connections. */
import type { Order } from "./engine.ts";
import type { Encoding, Message } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { Rate } from "./rate.ts";
import type { MatchedRule, TopicRule } from "./rules.ts";

/** Why a subscription ended. A client does not ask for it again by itself when the code is below 2500. */
export interface UnsubscribeReason {
	readonly code: number;
	readonly reason: string;
}

export const UNSUBSCRIBED = {
	byServer: { code: 2000, reason: "unsubscribed by the server" },
	/** Something was missed: the client asks again, with its position. */
	insufficientState: { code: 2500, reason: "insufficient state" },
} as const satisfies Record<string, UnsubscribeReason>;

/** A connection, as its hub knows it. */
export interface Subscriber {
	readonly id: string;
	/** "" = anonymous. */
	readonly user: string;
	readonly encoding: Encoding;
	/** Whether it can read compressed messages. */
	readonly compress: boolean;
	readonly outbox: Outbox;
	/** Publications that were sent to it. */
	publicationsOut: number;
	/** By topic. */
	readonly subscriptions: ReadonlyMap<string, Subscription>;
	/** Whether a rule lets it follow a topic. */
	mayFollow(matched: MatchedRule): boolean;
	/** Whether a live subscription holds under changed rules. */
	mayStay(subscription: Subscription, matched: MatchedRule): boolean;
	/** A subscription ends without the client's asking. */
	unsubscribed(subscription: Subscription, reason: UnsubscribeReason): void;
	/** Carries out what a backend asked for. */
	ordered(order: Order): void;
}

/** One connection's part in one topic. */
export interface Subscription {
	readonly subscriber: Subscriber;
	readonly topic: Topic;
	/** Place among the topic's subscribers. */
	index: number;
	/** Whether it is told who joins and leaves. */
	readonly joinLeave: boolean;
	/** Whether the gateway or a backend made it. */
	readonly byServer: boolean;
	/** What came before the client had its answer: delivered after that; undefined = live. */
	held: Message[] | undefined;
}

/** A topic that connections of this process follow. */
export interface Topic {
	readonly name: string;
	rule: TopicRule;
	readonly subscribers: Subscription[];
	/** Resolves when the engine tells what is published here. */
	readonly ready: Promise<void>;
	/** Where the topic stands, as far as this process was told; "" and 0 = nothing yet, or no history. */
	epoch: string;
	offset: number;
	/** Of its publications; undefined before the first one. */
	rate: Rate | undefined;
}
