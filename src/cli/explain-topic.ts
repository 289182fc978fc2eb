/** `clawgate explain --hub`: what a client may do in a topic, and which rule says so. */
import { didYouMean } from "../config/nearest.ts";
import type { GatewayConfig } from "../config/schema.ts";
import { TopicRules } from "../hub/rules.ts";
import { topicProblem } from "../hub/topic.ts";
import type { Claims } from "../protocol/claims.ts";
import type { CommandIo } from "./command.ts";
import { printable } from "./table.ts";

export interface TopicQuestion {
	readonly hub: string;
	readonly topic: string;
	/** Undefined: a client without a token. */
	readonly claims: Claims | undefined;
}

/** Reads the arguments; a text says what is wrong with them. */
export function readTopicQuestion(hub: string, topic = "", claims?: string): TopicQuestion | string {
	const problem = topic === "" ? "name the topic" : topicProblem(topic);
	if (problem !== undefined) return `--topic: ${problem}`;
	if (claims === undefined) return { hub, topic, claims };
	try {
		const value: unknown = JSON.parse(claims);
		if (typeof value === "object" && value !== null && !Array.isArray(value))
			return { hub, topic, claims: value as Claims };
	} catch {
		// Said below.
	}
	return `--claims takes a JSON object such as '{"sub":"7"}'`;
}

/** @returns the exit code: 1 when there is no such hub, or no rule for the topic */
export function topicAnswer(
	hubs: GatewayConfig["hubs"],
	question: TopicQuestion,
	json: boolean,
	io: CommandIo,
): number {
	const { hub, topic, claims } = question;
	const config = Object.hasOwn(hubs, hub) ? hubs[hub] : undefined;
	const names = Object.keys(hubs);
	const told = (message: string): number => {
		if (json) io.stdout(`${JSON.stringify({ error: message }, null, 2)}\n`);
		else io.stderr(`clawgate explain: ${printable(message)}\n`);
		return 1;
	};
	if (!config) return told(`there is no hub ${hub}${didYouMean(hub, names)}`);
	const rules = new TopicRules(config.topics);
	const found = rules.find(topic);
	if (!found) return told(`unknown topic: no rule of the hub ${hub} matches ${topic}`);
	const user = typeof claims?.sub === "string" ? claims.sub : "";
	const subject = { user, claims };
	const { rule, values } = found;
	const asked = (kind: "subscribe" | "publish"): boolean => config.backend?.ask.includes(kind) === true;
	const answer = {
		hub,
		topic,
		rule: rule.name,
		values,
		user,
		may_connect: user !== "" || config.anonymous,
		subscribe: rule.subscribe(subject, values),
		publish: rule.publish(subject, values),
		joined_on_connect: rules.joinedBy(subject),
		backend_is_asked: (["subscribe", "publish"] as const).filter(asked),
	};
	if (json) {
		io.stdout(`${JSON.stringify(answer, null, 2)}\n`);
		return 0;
	}
	const verdict = (may: boolean, kind: "subscribe" | "publish"): string =>
		`${may ? "yes" : "no"}${may && asked(kind) ? ", if the backend says so" : ""}`;
	const filled = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
	const lines = [
		["rule", `${rule.name}${filled.length > 0 ? ` (${filled.join(", ")})` : ""}`],
		["client", user === "" ? "anonymous" : user],
		...(answer.may_connect ? [] : [["", "a connection without a name is not let in (anonymous: false)"]]),
		["subscribe", verdict(answer.subscribe, "subscribe")],
		["publish", verdict(answer.publish, "publish")],
		["joins", answer.joined_on_connect.length === 0 ? "nothing when it connects" : answer.joined_on_connect.join(", ")],
	];
	io.stdout(lines.map(([label = "", text = ""]) => `${label.padEnd(11)}${printable(text)}\n`).join(""));
	return 0;
}
