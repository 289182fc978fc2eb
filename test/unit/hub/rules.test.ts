import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hubOptions, type TopicRuleConfig } from "../../../src/hub/options.ts";
import { TopicRules } from "../../../src/hub/rules.ts";
import { patternProblem, TopicPattern, topicProblem } from "../../../src/hub/topic.ts";

function rulesOf(...topics: Record<string, unknown>[]): TopicRules {
	return new TopicRules(hubOptions.parse({ topics }).topics);
}

const nobody = { user: undefined, claims: undefined };

describe("a topic's name", () => {
	test.each([
		["", "no name"],
		["a..b", "empty"],
		[".a", "empty"],
		["a.", "empty"],
		["a\nb", "control"],
		["x".repeat(256), "255"],
	])("%j is refused", (topic, why) => {
		expect(topicProblem(topic)).toContain(why);
	});

	test.each(["a", "rating.game.42", "user.7", "raum.größe", "a b", "x".repeat(255)])("%j is possible", (topic) => {
		expect(topicProblem(topic)).toBeUndefined();
	});
});

describe("a pattern", () => {
	test("a placeholder stands for one segment, a last ** for at least one more", () => {
		expect(new TopicPattern("rating.game.{game}").match("rating.game.42")).toEqual({ game: "42" });
		expect(new TopicPattern("rating.game.{game}").match("rating.game.42.x")).toBeUndefined();
		expect(new TopicPattern("rating.game.{game}").match("rating.game")).toBeUndefined();
		expect(new TopicPattern("news.**").match("news.a.b")).toEqual({});
		expect(new TopicPattern("news.**").match("news")).toBeUndefined();
		expect(new TopicPattern("**").match("anything.at.all")).toEqual({});
	});

	test.each(["", "a..b", "a.**.b", "a.x{b}", "{a}.{a}", "a.*", "{1}"])("%j is refused", (pattern) => {
		expect(patternProblem(pattern)).toBeTypeOf("string");
	});

	test("a topic that was filled from values matches and gives these values back", () => {
		const segment = fc.stringMatching(/^[a-z0-9_-]{1,8}$/);
		fc.assert(
			fc.property(segment, segment, (one, two) => {
				const pattern = new TopicPattern("x.{one}.y.{two}");
				expect(pattern.match(pattern.fill({ one, two }) as string)).toEqual({ one, two });
			}),
		);
	});

	test("a value that is more than a segment fills nothing", () => {
		expect(new TopicPattern("user.{user}").fill({ user: "7.admin" })).toBeUndefined();
		expect(new TopicPattern("user.{user}").fill({ user: "" })).toBeUndefined();
	});
});

describe("rules", () => {
	test("the first that matches holds, and a topic without one is unknown", () => {
		const rules = rulesOf({ match: "a.b", subscribe: "nobody" }, { match: "a.{x}", subscribe: "anyone" });
		expect(rules.find("a.b")?.rule.subscribe(nobody, {})).toBe(false);
		expect(rules.find("a.c")?.rule.subscribe(nobody, {})).toBe(true);
		expect(rules.find("b")).toBeUndefined();
	});

	test("a claim equals the topic's value, or is a list that has it", () => {
		const rules = rulesOf({ match: "room.{room}", subscribe: { claims: { rooms: "{room}" } } });
		const may = (rooms: unknown): boolean => {
			const { rule, values } = rules.find("room.7") as NonNullable<ReturnType<TopicRules["find"]>>;
			return rule.subscribe({ user: "u", claims: { rooms } }, values);
		};
		expect([may("7"), may(7), may(["1", "7"]), may([7])]).toEqual([true, true, true, true]);
		expect([may("77"), may(["70", "17"]), may(undefined), may({ 7: true }), may(null), may([["7"]])]).toEqual([
			false,
			false,
			false,
			false,
			false,
			false,
		]);
	});

	test("authenticated means a name", () => {
		const { rule } = rulesOf({ match: "a", subscribe: "authenticated" }).find("a") as NonNullable<
			ReturnType<TopicRules["find"]>
		>;
		expect(rule.subscribe({ user: "u", claims: undefined }, {})).toBe(true);
		expect(rule.subscribe({ user: "", claims: { x: 1 } }, {})).toBe(false);
		expect(rule.subscribe(nobody, {})).toBe(false);
	});

	test("a connection joins the topics that its claims name, as far as rules let it", () => {
		const rules = rulesOf(
			{ match: "user.root", subscribe: "nobody" },
			{ match: "user.{user}", subscribe: { claims: { sub: "{user}" } }, join: "on_connect" },
			{ match: "room.{room}", subscribe: { claims: { rooms: "{room}" } }, join: "on_connect" },
			{ match: "all", subscribe: "anyone", join: "on_connect" },
		);
		expect(rules.joinedBy({ user: "7", claims: { sub: "7", rooms: ["a", "b"] } })).toEqual([
			"user.7",
			"room.a",
			"room.b",
			"all",
		]);
		expect(rules.joinedBy({ user: "root", claims: { sub: "root" } })).toEqual(["all"]);
		expect(rules.joinedBy(nobody)).toEqual(["all"]);
	});

	test("a configuration that could never work is refused with its place", () => {
		const problems = (rule: Record<string, unknown>): string[] =>
			hubOptions
				.safeParse({ topics: [rule] })
				.error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];
		expect(problems({ match: "a.{b}", subscribe: { claims: { c: "{d}" } } })).toEqual([
			"topics.0.subscribe.claims.c: {d} is not in the pattern a.{b}",
		]);
		expect(problems({ match: "a.{b}", subscribe: "anyone", join: "on_connect" })[0]).toContain("topics.0.join");
		expect(problems({ match: "a..b" })[0]).toContain("topics.0.match");
	});
});

/** The rules of the contract written down once more, in the plainest way. */
function mayPlainly(rules: readonly TopicRuleConfig[], topic: string, user: string, claims: Record<string, unknown>) {
	const parts = topic.split(".");
	for (const { match, subscribe } of rules) {
		const wanted = match.split(".");
		const open = wanted.at(-1) === "**";
		const fixed = open ? wanted.slice(0, -1) : wanted;
		if (open ? parts.length <= fixed.length : parts.length !== fixed.length) continue;
		if (!fixed.every((each, index) => each.startsWith("{") || each === parts[index])) continue;
		if (typeof subscribe === "string") return subscribe === "anyone" || (subscribe === "authenticated" && user !== "");
		return Object.entries(subscribe.claims).every(([claim, text]) => {
			const value = text.replace(/\{(\w+)\}/g, (_, name: string) => parts[fixed.indexOf(`{${name}}`)] as string);
			const has = claims[claim];
			return Array.isArray(has) ? has.map(String).includes(value) : has !== undefined && String(has) === value;
		});
	}
	return undefined;
}

test("nobody gets what no rule gives: random rules, topics and claims against a plain model", () => {
	const word = fc.constantFrom("a", "b", "c", "7");
	const part = fc.oneof(word, fc.constantFrom("{x}", "{y}"));
	const pattern = fc
		.tuple(fc.array(part, { minLength: 1, maxLength: 3 }), fc.boolean())
		.map(([parts, open]) => [...parts, ...(open ? ["**"] : [])].join("."))
		.filter((text) => patternProblem(text) === undefined);
	const rule = pattern.chain((match) => {
		const { names } = new TopicPattern(match);
		const claim = fc.tuple(
			fc.constantFrom("sub", "rooms"),
			fc.oneof(
				word,
				...names.map((name) => fc.constant(`{${name}}`)),
				...names.map((name) => fc.constant(`p{${name}}` as string)),
			),
		);
		const access = fc.oneof(
			fc.constantFrom("anyone", "authenticated", "nobody"),
			fc.array(claim, { minLength: 1, maxLength: 2 }).map((claims) => ({ claims: Object.fromEntries(claims) })),
		);
		return access.map((subscribe) => ({ match, subscribe }));
	});
	const value = fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.constant("pa"), fc.constant(7));
	fc.assert(
		fc.property(
			fc.array(rule, { minLength: 1, maxLength: 4 }),
			fc.array(word, { minLength: 1, maxLength: 4 }),
			fc.constantFrom("", "u"),
			fc.dictionary(fc.constantFrom("sub", "rooms"), value),
			(topics, parts, user, claims) => {
				const config = hubOptions.parse({ topics }).topics;
				const topic = parts.join(".");
				const found = new TopicRules(config).find(topic);
				const may = found?.rule.subscribe({ user, claims }, found.values);
				expect(may).toBe(mayPlainly(config, topic, user, claims));
			},
		),
		{ numRuns: 2_000 },
	);
});
