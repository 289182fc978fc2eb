/**
 * `hubs` of all workers as one. Topics, their history and presence are the engine's, which the supervisor has; connections,
 * counts and what did not reach somebody are the workers'.
 */
import { type MissedAnswer, type MissedQuery, mergedMissed } from "../../admin/api/hub-missed.ts";
import type { HubView } from "../../admin/api/hubs.ts";
import type { WorkerHandle } from "../contract.ts";
import { askApi } from "./ask.ts";
import type { Rule } from "./rule.ts";

const PATH = "/api/v1/hubs";

export function hubRules(workers: () => readonly WorkerHandle[]): Record<string, Rule> {
	return {
		[`GET ${PATH}`]: async (call, own, operation) => {
			const { hubs } = (await own(call)).body as { hubs: HubView[] };
			const { parts, missing } = await askApi<{ hubs: HubView[] }>(workers(), operation, call);
			const merged = mergedHubs(
				hubs,
				parts.map(({ body }) => body.hubs),
			);
			return { status: 200, body: { hubs: merged, ...missing } };
		},
		[`GET ${PATH}/{hub}/missed`]: async (call, own, operation) => {
			const mine = (await own(call)).body as MissedAnswer;
			const { parts, missing } = await askApi<MissedAnswer>(workers(), operation, call);
			const answers = [mine, ...parts.map(({ body }) => body)];
			return { status: 200, body: { ...mergedMissed(answers, call.query as MissedQuery), ...missing } };
		},
	};
}

/** @param own the supervisor's: the running configuration, its engine's topics, what backends published */
export function mergedHubs(own: readonly HubView[], parts: readonly (readonly HubView[])[]): HubView[] {
	return own.map((hub) => {
		const same = parts.flatMap((part) => part.find(({ name }) => name === hub.name) ?? []);
		const sum = (of: (each: HubView) => number): number => [hub, ...same].reduce((total, each) => total + of(each), 0);
		return {
			...hub,
			connections: sum(({ connections }) => connections),
			subscriptions: sum(({ subscriptions }) => subscriptions),
			publications_per_second: Math.round(sum((each) => each.publications_per_second) * 100) / 100,
			rules: hub.rules.map((rule) =>
				mergedRule(
					rule,
					same.flatMap(({ rules }) => rules.filter(isLike(rule))),
				),
			),
		};
	});
}

type RuleView = HubView["rules"][number];

function isLike({ match }: RuleView): (other: RuleView) => boolean {
	return (other) => other.match === match;
}

function mergedRule(own: RuleView, parts: readonly RuleView[]): RuleView {
	return {
		...own,
		subscriptions: parts.reduce((sum, { subscriptions }) => sum + subscriptions, own.subscriptions),
		publications: added([own, ...parts].map(({ publications }) => publications)),
		deliveries: added([own, ...parts].map(({ deliveries }) => deliveries)),
		recoveries: added([own, ...parts].map(({ recoveries }) => recoveries)),
	};
}

/** The sums of maps with the same keys. */
function added<T extends Readonly<Record<string, number>>>(maps: readonly T[]): T {
	const keys = Object.keys(maps[0] ?? {});
	return Object.fromEntries(keys.map((key) => [key, maps.reduce((sum, map) => sum + (map[key] ?? 0), 0)])) as T;
}
