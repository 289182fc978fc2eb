/** Topic names and the patterns that rules match them with. */

/** Bytes of a topic's name. */
export const MAX_TOPIC_BYTES = 255;

/** What a placeholder of a pattern stands for, by its name. */
export type TopicValues = Readonly<Record<string, string>>;

/** Values of a pattern without placeholders. */
const NO_VALUES: TopicValues = Object.freeze({});

// Control characters would end up in log lines and terminals.
const UNSAFE = /\p{C}/u;
const PLACEHOLDER = /^\{([A-Za-z_]\w*)\}$/;

/** What is wrong with a topic's name, in words; undefined when nothing is. */
export function topicProblem(topic: string): string | undefined {
	if (topic === "") return "the topic has no name";
	if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) return `a topic's name has at most ${MAX_TOPIC_BYTES} bytes`;
	if (UNSAFE.test(topic)) return "a topic's name has no control characters";
	if (topic.split(".").includes("")) return "a segment of the topic is empty";
	return undefined;
}

/** What is wrong with a pattern, in words; undefined when nothing is. */
export function patternProblem(pattern: string): string | undefined {
	if (pattern === "") return "the pattern is empty";
	const segments = pattern.split(".");
	const seen = new Set<string>();
	for (const [index, segment] of segments.entries()) {
		if (segment === "") return "a segment of the pattern is empty";
		if (segment === "**") {
			if (index < segments.length - 1) return "** stands for the rest of a topic, so it has to be the last segment";
			continue;
		}
		const name = PLACEHOLDER.exec(segment)?.[1];
		if (name === undefined) {
			if (/[{}*]/.test(segment)) return `${segment}: a segment is a text, {name}, or, as the last one, **`;
			continue;
		}
		if (seen.has(name)) return `{${name}} stands there twice`;
		seen.add(name);
	}
	return undefined;
}

/** A compiled pattern: `rating.game.{game}`, `user.{user}`, `news.**`. */
export class TopicPattern {
	/** Names of the placeholders, in order. */
	readonly names: readonly string[];
	/** A text, or the name of a placeholder. */
	readonly #segments: readonly { readonly text?: string; readonly name?: string }[];
	readonly #rest: boolean;

	/** @param pattern one that {@link patternProblem} finds nothing wrong with */
	constructor(pattern: string) {
		const segments = pattern.split(".");
		this.#rest = segments.at(-1) === "**";
		if (this.#rest) segments.pop();
		this.#segments = segments.map((segment) => {
			const name = PLACEHOLDER.exec(segment)?.[1];
			return name === undefined ? { text: segment } : { name };
		});
		this.names = this.#segments.flatMap(({ name }) => name ?? []);
	}

	/** The placeholders' values when `topic`, a checked name, fits; else undefined. */
	match(topic: string): TopicValues | undefined {
		const segments = topic.split(".");
		const wanted = this.#segments;
		if (this.#rest ? segments.length <= wanted.length : segments.length !== wanted.length) return undefined;
		for (const [index, { text }] of wanted.entries()) {
			if (text !== undefined && text !== segments[index]) return undefined;
		}
		if (this.names.length === 0) return NO_VALUES;
		const values: Record<string, string> = Object.create(null);
		for (const [index, { name }] of wanted.entries()) {
			if (name !== undefined) values[name] = segments[index] as string;
		}
		return values;
	}

	/** The topic that has these values; undefined where one is missing or would not be one segment. */
	fill(values: TopicValues): string | undefined {
		if (this.#rest) return undefined;
		const segments: string[] = [];
		for (const { text, name } of this.#segments) {
			const segment = text ?? values[name as string];
			if (segment === undefined || segment.includes(".")) return undefined;
			segments.push(segment);
		}
		const topic = segments.join(".");
		return topicProblem(topic) === undefined ? topic : undefined;
	}
}
