/** The rules of a hub: which topics there are, and who may do what in them. The first that matches a topic holds. */
import { type Claims, claimAt } from "../protocol/claims.ts";
import type { Access, TopicRuleConfig } from "./options.ts";
import { TopicPattern, type TopicValues, topicProblem } from "./topic.ts";

/** Who asks, as far as rules are concerned. */
export interface Subject {
	/** The authenticated name; undefined or "" = anonymous. */
	readonly user: string | undefined;
	readonly claims: Claims | undefined;
}

/** One rule. */
export interface TopicRule {
	/** The pattern as written: what metrics and logs call the rule. */
	readonly name: string;
	readonly subscribe: AccessRule;
	readonly publish: AccessRule;
	/** Undefined: publications are not kept. */
	readonly history: { readonly size: number; readonly ttl: number } | undefined;
	readonly presence: boolean;
	/** What a slow reader gets: its connection closed, or only the newest publication of the topic. */
	readonly slow: "close" | "latest";
	/** Whether the gateway subscribes each connection to the topic that fits its claims. */
	readonly joins: boolean;
}

/** A rule and what its placeholders stand for in one topic. */
export interface MatchedRule {
	readonly rule: TopicRule;
	readonly values: TopicValues;
}

/** Whether a subject may, in a topic with these values. */
export type AccessRule = (subject: Subject, values: TopicValues) => boolean;

export class TopicRules {
	readonly list: readonly TopicRule[];
	readonly #patterns: readonly TopicPattern[];
	readonly #joins: readonly ((subject: Subject) => string[])[];

	constructor(config: readonly TopicRuleConfig[]) {
		this.#patterns = config.map(({ match }) => new TopicPattern(match));
		this.list = config.map(compileRule);
		this.#joins = config.flatMap((rule, index) =>
			rule.join === "on_connect" ? compileJoin(rule.subscribe, this.#patterns[index] as TopicPattern) : [],
		);
	}

	/** The rule of a topic; undefined when there is none, or the name is not one. */
	find(topic: string): MatchedRule | undefined {
		if (topicProblem(topic) !== undefined) return undefined;
		for (const [index, pattern] of this.#patterns.entries()) {
			const values = pattern.match(topic);
			if (values !== undefined) return { rule: this.list[index] as TopicRule, values };
		}
		return undefined;
	}

	/** The topics that a connection is subscribed to by the gateway when it opens. */
	joinedBy(subject: Subject): string[] {
		const topics = new Set<string>();
		for (const join of this.#joins) {
			for (const topic of join(subject)) {
				const found = this.find(topic);
				// An earlier rule may hold for this topic: that one decides.
				if (found?.rule.joins && found.rule.subscribe(subject, found.values)) topics.add(topic);
			}
		}
		return [...topics];
	}
}

function compileRule({ match, subscribe, publish, history, presence, slow, join }: TopicRuleConfig): TopicRule {
	return {
		name: match,
		subscribe: compileAccess(subscribe),
		publish: compileAccess(publish),
		history,
		presence,
		slow,
		joins: join === "on_connect",
	};
}

function compileAccess(access: Access): AccessRule {
	if (access === "anyone") return () => true;
	if (access === "nobody") return () => false;
	if (access === "authenticated") return ({ user }) => user !== undefined && user !== "";
	const wanted = Object.entries(access.claims).map(([claim, template]) => ({ claim, text: compileTemplate(template) }));
	return ({ claims }, values) =>
		claims !== undefined && wanted.every(({ claim, text }) => claimValues(claims, claim).includes(text(values)));
}

/** The texts that a claim stands for: itself, or the entries of a list. */
function claimValues(claims: Claims, name: string): string[] {
	const value = claimAt(claims, name);
	return (Array.isArray(value) ? value : [value]).flatMap((each) =>
		typeof each === "string" ? each : typeof each === "number" || typeof each === "boolean" ? String(each) : [],
	);
}

/** `{room}` in a text, filled from a topic's values. Names are checked with the configuration. */
function compileTemplate(template: string): (values: TopicValues) => string {
	const parts = template.split(/\{(\w+)\}/);
	return (values) => parts.map((part, index) => (index % 2 === 1 ? (values[part] ?? "") : part)).join("");
}

/**
 * Which topics `join: on_connect` means for a subject: a pattern without placeholders is one topic; otherwise the values
 * come from the claims of `subscribe`, which must be whole placeholders then: one topic for each entry of a list.
 */
function compileJoin(access: Access, pattern: TopicPattern): (subject: Subject) => string[] {
	if (pattern.names.length === 0) {
		const topic = pattern.fill({});
		return () => (topic === undefined ? [] : [topic]);
	}
	const sources = typeof access === "string" ? {} : access.claims;
	const claimOf = pattern.names.map((name) => Object.entries(sources).find(([, text]) => text === `{${name}}`)?.[0]);
	return ({ claims }) => {
		if (claims === undefined) return [];
		let choices: TopicValues[] = [{}];
		for (const [index, name] of pattern.names.entries()) {
			const claim = claimOf[index];
			const values = claim === undefined ? [] : claimValues(claims, claim);
			choices = choices.flatMap((known) => values.map((value) => ({ ...known, [name]: value })));
			if (choices.length > MOST_JOINED) return [];
		}
		return choices.flatMap((values) => pattern.fill(values) ?? []);
	};
}

/** A token with long lists must not make the gateway subscribe without end. */
const MOST_JOINED = 1_000;
