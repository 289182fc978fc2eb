/**
 * `events` of a hub: what happens in it, sent to a backend as batches of CloudEvents 1.0 in JSON, at least once and in
 * order. A backend that is away delays nothing else: what does not fit into the queue is dropped, the oldest first, and
 * counted. Before the first batch the backend has to allow it (CloudEvents HTTP webhooks, §4).
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { z } from "zod";
import { finiteDuration } from "../../options.ts";
import type { EventData, HubEvents, HubEventType } from "../hub.ts";
import { jsonText } from "../raw-json.ts";
import { type PostAgents, post } from "./post.ts";

const TYPES = [
	"connected",
	"disconnected",
	"subscribed",
	"unsubscribed",
	"occupied",
	"vacated",
	"published",
] as const satisfies readonly HubEventType[];

export const eventOptions = z.strictObject({
	url: z
		.url({ protocol: /^https?$/, error: "expected an http:// or https:// URL" })
		.meta({ description: "Where batches are posted. It has to answer the webhook validation (OPTIONS) first." }),
	on: z.array(z.enum(TYPES)).min(1).meta({ description: "What is told." }),
	batch: z
		.strictObject({
			size: z.int().min(1).max(10_000).prefault(100).meta({ description: "Events of one request at most." }),
			wait: finiteDuration
				.prefault("1s")
				.meta({ description: "How long the first event of a batch waits for others." }),
		})
		.prefault({})
		.meta({ description: "How events are put together." }),
});

export type EventsConfig = z.output<typeof eventOptions>;

/** Events that may wait, and their characters. */
const MOST_WAITING = 10_000;
const MOST_CHARACTERS = 32 * 1024 * 1024;
/** For one request, ms. */
const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 64 * 1024;
/** Pauses after failures, ms: doubled each time, with jitter. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 30_000;
/** How long a permission holds, ms. */
const ALLOWED_MS = 60 * 60_000;
/** How long what waits is still tried when the gateway stops, ms. */
const LAST_TRY_MS = 2_000;

export interface HubEvent {
	readonly type: HubEventType;
	/** The topic or user it is about. */
	readonly subject?: string | undefined;
	readonly data: EventData;
}

export interface EventParts {
	readonly hub: string;
	readonly agents: PostAgents;
	/** Events that were sent, or dropped. */
	readonly counted: (result: "sent" | "dropped", count: number) => void;
	/** The backend does not take events, with the reason, or does again (undefined). */
	readonly state: (problem: string | undefined) => void;
}

export class EventSender implements HubEvents {
	readonly #config: EventsConfig;
	readonly #parts: EventParts;
	readonly #on: ReadonlySet<HubEventType>;
	readonly #stop = new AbortController();
	/** Events as JSON texts. */
	#waiting: string[] = [];
	#characters = 0;
	#timer: NodeJS.Timeout | undefined;
	#sending: Promise<void> | undefined;
	#allowedUntil = 0;
	#failures = 0;
	#stopping = false;

	constructor(config: EventsConfig, parts: EventParts) {
		this.#config = config;
		this.#parts = parts;
		this.#on = new Set(config.on);
	}

	/** Whether an event of this type is wanted: to make one that is not costs nothing. */
	wants(type: HubEventType): boolean {
		return this.#on.has(type);
	}

	/** Never throws, never waits. */
	add({ type, subject, data }: HubEvent): void {
		if (!this.#on.has(type)) return;
		const event = {
			specversion: "1.0",
			id: randomUUID(),
			source: `/clawgate/hubs/${encodeURIComponent(this.#parts.hub)}`,
			type: `clawgate.hub.${type}`,
			time: new Date().toISOString(),
			subject: subject === "" ? undefined : subject,
			datacontenttype: "application/json",
			data,
		};
		const text = jsonText(event);
		this.#waiting.push(text);
		this.#characters += text.length;
		while (this.#waiting.length > MOST_WAITING || this.#characters > MOST_CHARACTERS) {
			this.#characters -= (this.#waiting.shift() as string).length;
			this.#parts.counted("dropped", 1);
		}
		if (this.#waiting.length >= this.#config.batch.size) this.#begin();
		else this.#timer ??= setTimeout(() => this.#begin(), this.#config.batch.wait);
	}

	/** Tries once more to send what waits, for a short time, and counts the rest as dropped. */
	async close(): Promise<void> {
		this.#stopping = true;
		const last = setTimeout(() => this.#stop.abort(), LAST_TRY_MS);
		this.#begin();
		await this.#sending;
		clearTimeout(last);
		this.#stop.abort();
		if (this.#waiting.length > 0) this.#parts.counted("dropped", this.#waiting.length);
		this.#waiting = [];
		this.#characters = 0;
	}

	#begin(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#sending ??= this.#send().finally(() => {
			this.#sending = undefined;
			if (this.#waiting.length > 0 && !this.#stopping) {
				this.#timer ??= setTimeout(() => this.#begin(), this.#config.batch.wait);
			}
		});
	}

	/** One batch after the other, so that order holds. Never rejects. */
	async #send(): Promise<void> {
		const { signal } = this.#stop;
		while (this.#waiting.length > 0 && !signal.aborted) {
			const batch = this.#waiting.slice(0, this.#config.batch.size);
			try {
				await this.#askPermission();
				const { status } = await this.#request("POST", batch);
				const accepted = status >= 200 && status < 300;
				// Too early, too many, or not now: the same batch can be right later.
				if (!accepted && (status >= 500 || status === 408 || status === 425 || status === 429)) {
					throw new Error(`status ${status}`);
				}
				this.#remove(batch);
				this.#parts.counted(accepted ? "sent" : "dropped", batch.length);
				if (accepted && this.#failures > 0) this.#parts.state(undefined);
				this.#failures = 0;
				if (!accepted) this.#parts.state(`status ${status}: ${batch.length} events dropped`);
			} catch (error) {
				if (this.#failures++ === 0) this.#parts.state((error as Error).message);
				if (!signal.aborted) await pause(this.#failures, signal);
			}
			if (this.#waiting.length < this.#config.batch.size && !this.#stopping) return;
		}
	}

	/** What was sent; some of it may have been dropped meanwhile, from the front. */
	#remove(batch: readonly string[]): void {
		const last = this.#waiting.indexOf(batch.at(-1) as string);
		for (const { length } of this.#waiting.splice(0, last + 1)) this.#characters -= length;
	}

	/** CloudEvents HTTP webhooks §4.1: whoever does not allow it gets no events. */
	async #askPermission(): Promise<void> {
		if (Date.now() < this.#allowedUntil) return;
		const origin = hostname();
		const { status, headers } = await this.#request("OPTIONS", undefined, { "WebHook-Request-Origin": origin });
		const allowed = headers["webhook-allowed-origin"];
		if (status >= 300 || (allowed !== "*" && allowed !== origin)) {
			throw new Error(
				`the webhook does not allow events: OPTIONS was answered with status ${status} and without WebHook-Allowed-Origin: ${origin}`,
			);
		}
		this.#allowedUntil = Date.now() + ALLOWED_MS;
	}

	#request(method: "POST" | "OPTIONS", batch: readonly string[] | undefined, headers: Record<string, string> = {}) {
		return post(new URL(this.#config.url), {
			method,
			headers: batch === undefined ? headers : { "Content-Type": "application/cloudevents-batch+json; charset=utf-8" },
			body: batch && Buffer.from(`[${batch.join(",")}]`),
			timeout: TIMEOUT_MS,
			maxBytes: MAX_ANSWER,
			agents: this.#parts.agents,
			signal: this.#stop.signal,
		});
	}
}

/** Resolves early when `signal` aborts. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
	const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 16));
	return new Promise((resolve) => {
		const timer = setTimeout(done, longest * (0.5 + Math.random() / 2));
		function done(): void {
			clearTimeout(timer);
			signal.removeEventListener("abort", done);
			resolve();
		}
		signal.addEventListener("abort", done);
	});
}
