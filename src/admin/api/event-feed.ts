/** What happens in the gateway, for whoever follows `GET events`: a sink that keeps the latest events and passes them on. */
import type {
	CloseReport,
	ConnectionFacts,
	EventSink,
	LogLevel,
	OpenReport,
	RejectReport,
} from "../../gateway/events.ts";

/** Events kept for followers that come back after a short gap, or want to see what happened lately. */
const KEPT = 256;
/** Notices that are told, by the beginning of their name; the others are for the log only. */
const TOLD = /^(endpoint|breaker|drain|config|discovery|worker)\./;

/** One event. Its content is put together only when somebody reads it. */
export interface FeedEvent {
	/** Rising by one, from 1. */
	readonly id: number;
	/** ms since the epoch. */
	readonly time: number;
	/** The event's name in the log: `ws.open`, `endpoint.down` … */
	readonly name: string;
	/** The fields of the log line, as JSON. */
	json(): string;
}

export type Follower = (event: FeedEvent) => void;

export class EventFeed implements EventSink {
	readonly #followers = new Set<Follower>();
	readonly #latest: FeedEvent[] = [];
	readonly #now: () => number;
	#lastId = 0;

	/** @param now ms since the epoch */
	constructor(now: () => number) {
		this.#now = now;
	}

	get lastId(): number {
		return this.#lastId;
	}

	/** Those after `id` that are still there, oldest first. */
	after(id: number): FeedEvent[] {
		return this.#latest.filter((event) => event.id > id);
	}

	/** Calls back for each event from now on, until the returned function is called. */
	follow(follower: Follower): () => void {
		this.#followers.add(follower);
		return () => this.#followers.delete(follower);
	}

	open(facts: ConnectionFacts, report: OpenReport): void {
		this.#add("ws.open", facts, report);
	}

	close(facts: ConnectionFacts, report: CloseReport): void {
		this.#add("ws.close", facts, report);
	}

	reject(facts: ConnectionFacts, report: RejectReport): void {
		this.#add("ws.reject", facts, report);
	}

	notice(level: LogLevel, event: string, fields: Record<string, unknown>): void {
		if (level !== "debug" && TOLD.test(event)) this.#add(event, { level }, fields);
	}

	/** Takes over what the feed of another process told. */
	relay({ time, name, json }: { readonly time: number; readonly name: string; readonly json: string }): void {
		this.#pass({ id: ++this.#lastId, time, name, json: () => json });
	}

	#add(name: string, facts: object, report: object): void {
		const time = this.#now();
		let json: string | undefined;
		this.#pass({
			id: ++this.#lastId,
			time,
			name,
			json: () => {
				json ??= JSON.stringify({ time: new Date(time).toISOString(), event: name, ...facts, ...report }, bounded);
				return json;
			},
		});
	}

	#pass(event: FeedEvent): void {
		this.#latest.push(event);
		if (this.#latest.length > KEPT) this.#latest.shift();
		for (const follower of this.#followers) follower(event);
	}
}

const MAX_TEXT = 512;

/** What a client can choose is cut; an Error becomes its message. */
function bounded(_key: string, value: unknown): unknown {
	if (value instanceof Error) return value.message;
	return typeof value === "string" && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT - 1)}…` : value;
}
