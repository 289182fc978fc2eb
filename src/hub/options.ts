/** An entry of `hubs`. */
import { z } from "zod";
import { finiteDuration, rateText, size } from "../options.ts";
import { eventOptions } from "./backend/events.ts";
import { backendOptions } from "./backend/questions.ts";
import { patternProblem, TopicPattern } from "./topic.ts";

const positive = finiteDuration.refine((ms) => ms > 0, { error: "has to be longer than 0" });
const count = (what: string) => z.int({ error: `expected a whole number of ${what}` }).min(1);

const accessOptions = z.union(
	[
		z.enum(["anyone", "authenticated", "nobody"]),
		z.strictObject({
			claims: z
				.record(z.string().min(1), z.string().min(1))
				.refine((claims) => Object.keys(claims).length > 0, { error: "expected at least one claim" })
				.meta({
					description:
						"Text by claim; all have to fit. `{name}` stands for the segment of the topic that `match` calls so.",
				}),
		}),
	],
	{ error: "expected anyone, authenticated, nobody, or { claims: { name: text } }" },
);

/** Who may: everybody, everybody with a name, nobody, or whose claims say so. */
export type Access = z.output<typeof accessOptions>;

const historyOptions = z.strictObject({
	size: count("publications").max(100_000).meta({ description: "How many publications of a topic are kept at most." }),
	ttl: positive.meta({ description: "How long after its last publication a topic's history is kept." }),
});

const topicRule = z
	.strictObject({
		match: z
			.string()
			.superRefine((pattern, context) => {
				const problem = patternProblem(pattern);
				if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: pattern });
			})
			.meta({
				description:
					"Which topics it is for, by segments between dots: a text, `{name}` for any one segment, and `**` at the end for any rest.",
			}),
		subscribe: accessOptions.prefault("nobody").meta({
			description:
				'Who may subscribe: `anyone`, `authenticated`, `nobody`, or `{ claims: { rooms: "{room}" } }`: the claim equals the text, or is a list that has it.',
		}),
		publish: accessOptions.prefault("nobody").meta({
			description: "Which clients may publish; the same choices. Backends always may, over `hub_api`.",
		}),
		history: historyOptions.optional().meta({
			description: "Keeps the last publications, so that a client that comes back gets what it missed.",
		}),
		presence: z
			.boolean()
			.prefault(false)
			.meta({ description: "Keeps who is subscribed, and tells those who ask for it who joins and leaves." }),
		slow: z.enum(["close", "latest"]).prefault("close").meta({
			description:
				"A client that reads too slowly: `close` ends its connection with 1013; `latest` gives it only the newest publication of the topic.",
		}),
		join: z.enum(["on_connect"]).optional().meta({
			description: "The gateway subscribes each connection to the topic that its claims name, without being asked.",
		}),
	})
	.superRefine((rule, context) => {
		if (patternProblem(rule.match) !== undefined) return;
		const { names } = new TopicPattern(rule.match);
		for (const key of ["subscribe", "publish"] as const) {
			const access = rule[key];
			if (typeof access === "string") continue;
			for (const [claim, text] of Object.entries(access.claims)) {
				for (const [, name] of text.matchAll(/\{(\w*)\}/g)) {
					if (names.includes(name as string)) continue;
					context.addIssue({
						code: "custom",
						path: [key, "claims", claim],
						message: `{${name}} is not in the pattern ${rule.match}`,
						input: text,
					});
				}
			}
		}
		if (rule.join === undefined) return;
		const sources = typeof rule.subscribe === "string" ? [] : Object.values(rule.subscribe.claims);
		const missing = names.find((name) => !sources.includes(`{${name}}`));
		if (rule.match.endsWith("**") || missing !== undefined) {
			context.addIssue({
				code: "custom",
				path: ["join"],
				message: `join needs every part of the topic from a claim: subscribe: { claims: { sub: "{${missing ?? "user"}}" } }`,
				input: rule.join,
			});
		}
	});

export type TopicRuleConfig = z.output<typeof topicRule>;

const limitOptions = z.strictObject({
	topics_per_connection: count("topics")
		.prefault(128)
		.meta({ description: "Topics that one connection may be subscribed to at a time." }),
	message_size: size
		.refine((bytes) => bytes > 0, { error: "has to be more than 0" })
		.prefault("64KiB")
		.meta({ description: "A longer message of a client closes its connection with 1009." }),
	publications: z
		.strictObject({
			rate: rateText,
			burst: count("publications")
				.optional()
				.meta({ description: "How many may come at once. Default: those of one second." }),
		})
		.transform(({ rate, burst }) => ({ perSecond: rate, burst: burst ?? Math.max(1, Math.ceil(rate)) }))
		.prefault({ rate: "20/s", burst: 40 })
		.meta({ description: "Messages that one connection may publish or send to the backend." }),
	buffered: size
		.refine((bytes) => bytes > 0, { error: "has to be more than 0" })
		.prefault("1MiB")
		.meta({ description: "What may wait for one connection that reads slowly." }),
});

/** `compression: { min_size: 1KiB }`; without it nothing is compressed. */
const compressionOptions = z.strictObject({
	min_size: size.prefault("1KiB").meta({ description: "Smaller messages are sent as they are." }),
});

const pingOptions = z.strictObject({
	interval: positive.prefault("25s").meta({ description: "How often a client is pinged." }),
	timeout: positive.prefault("8s").meta({ description: "Time for its answer." }),
});

export const hubOptions = z.strictObject({
	anonymous: z
		.boolean()
		.prefault(false)
		.meta({ description: "Lets connections without a name in; rules say what they may." }),
	topics: z.array(topicRule).min(1, { error: "expected at least one topic rule" }).meta({
		description: "Which topics there are. The first rule that matches holds; a topic without a rule is unknown.",
	}),
	backend: backendOptions.optional().meta({
		description: "A backend that is asked before clients do something, over HTTP, as Centrifugo's proxy asks.",
	}),
	events: eventOptions.optional().meta({
		description: "A backend that is told what happens, as batches of CloudEvents over HTTP.",
	}),
	limits: limitOptions.prefault({}).meta({ description: "How much one connection may do." }),
	compression: compressionOptions.optional().meta({
		description: "permessage-deflate towards clients that offer it: each publication is compressed once for all.",
	}),
	ping: pingOptions.prefault({}).meta({ description: "How dead connections are found." }),
});

/** An entry of `hubs`. Times in ms, sizes in bytes. */
export type HubConfig = z.output<typeof hubOptions>;

/** `hub` of a route: a name, or `{ name, protocol }`. */
export const hubTarget = z
	.union([
		z.string().min(1),
		z.strictObject({
			name: z.string().min(1).meta({ description: "Name of the hub." }),
			protocol: z.enum(["centrifuge", "plain"]).prefault("centrifuge").meta({
				description: "What clients speak: `centrifuge` (the SDKs of Centrifugo), or `plain` JSON objects.",
			}),
		}),
	])
	.transform((target) => (typeof target === "string" ? { name: target, protocol: "centrifuge" as const } : target));

export type HubTarget = z.output<typeof hubTarget>;
