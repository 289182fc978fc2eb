/** `GET events` of the whole gateway. Workers pass their events on only while somebody reads. */
import { EventFeed, type FeedEvent } from "../../admin/api/event-feed.ts";
import type { FeedSource } from "../../admin/api/events.ts";
import type { RelayedEvent, WorkerHandle, Workers } from "../contract.ts";
import { askEach } from "./ask.ts";

/** Workers go on telling for so long after the last reader has gone: it may come back with Last-Event-ID. */
const LINGER_MS = 60_000;
const ANSWER_MS = 2_000;

export class GatewayFeed implements FeedSource {
	/** The events of the supervisor and of all workers, numbered anew. */
	readonly feed = new EventFeed(Date.now);
	readonly #own: EventFeed;
	readonly #workers: () => readonly WorkerHandle[];
	/** Resolves when what happened before is there; absent while nobody reads. */
	#following: Promise<void> | undefined;
	/** Of the supervisor's own feed. */
	#lastOwn = 0;
	#unfollow: () => void = () => undefined;
	/** What comes in before what happened earlier is there. */
	#early: RelayedEvent[] | undefined;
	#linger: NodeJS.Timeout | undefined;

	/**
	 * @param own the supervisor's events
	 * @param told the workers that can be asked
	 */
	constructor(own: EventFeed, workers: Workers, told: () => readonly WorkerHandle[]) {
		this.#own = own;
		this.#workers = told;
		workers.onStart(({ number, channel }) =>
			channel.handle("events", ({ events, dropped }) => {
				for (const event of events) this.#take(event);
				if (dropped > 0) this.#take(droppedEvent(number, dropped));
			}),
		);
	}

	get following(): boolean {
		return this.#following !== undefined;
	}

	begin(): Promise<void> {
		clearTimeout(this.#linger);
		this.#following ??= this.#follow();
		return this.#following;
	}

	end(): void {
		clearTimeout(this.#linger);
		this.#linger = setTimeout(() => this.close(), LINGER_MS).unref();
	}

	/** Has the workers stop telling. */
	close(): void {
		clearTimeout(this.#linger);
		if (this.#following === undefined) return;
		this.#following = undefined;
		this.#unfollow();
		// One that cannot be told is about to end.
		void askEach(this.#workers(), ({ channel }) => channel.call("follow", false, ANSWER_MS));
	}

	async #follow(): Promise<void> {
		this.#early = [];
		const missed = this.#own.after(this.#lastOwn).map(relayed);
		this.#unfollow = this.#own.follow((event) => {
			this.#lastOwn = event.id;
			this.#take(relayed(event));
		});
		this.#lastOwn = this.#own.lastId;
		const { parts } = await askEach(this.#workers(), ({ channel }) => channel.call("follow", true, ANSWER_MS));
		const all = [...missed, ...parts.flatMap(({ body }) => body), ...this.#early];
		this.#early = undefined;
		for (const event of all.sort((a, b) => a.time - b.time)) this.feed.relay(event);
	}

	#take(event: RelayedEvent): void {
		if (this.#early) this.#early.push(event);
		else this.feed.relay(event);
	}
}

export function relayed(event: FeedEvent): RelayedEvent {
	return { time: event.time, name: event.name, json: event.json() };
}

function droppedEvent(worker: number, dropped: number): RelayedEvent {
	const time = Date.now();
	const name = "events.dropped";
	return { time, name, json: JSON.stringify({ time: new Date(time).toISOString(), event: name, worker, dropped }) };
}
