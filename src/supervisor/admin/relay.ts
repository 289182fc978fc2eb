/** A worker's events on their way to the supervisor: in batches, and not more than a reader can follow. */
import type { EventFeed, FeedEvent } from "../../admin/api/event-feed.ts";
import type { RelayedEvent, SupervisorChannel } from "../contract.ts";
import { relayed } from "./events.ts";

const BATCH_MS = 100;
/** Opens, closes and refusals in a batch; more are counted only. Other events are few, and all of them are told. */
const MAX_IN_BATCH = 100;

export class EventRelay {
	readonly #feed: EventFeed;
	readonly #channel: Pick<SupervisorChannel, "tell">;
	#unfollow: (() => void) | undefined;
	#lastTold = 0;
	#batch: FeedEvent[] = [];
	#dropped = 0;
	#timer: NodeJS.Timeout | undefined;

	constructor(feed: EventFeed, channel: Pick<SupervisorChannel, "tell">) {
		this.#feed = feed;
		this.#channel = channel;
	}

	/** Begins or ends telling. Returns what happened since the last time, as far as it is kept. */
	follow(on: boolean): RelayedEvent[] {
		if (!on) {
			this.#flush();
			this.#unfollow?.();
			this.#unfollow = undefined;
			return [];
		}
		if (this.#unfollow) return [];
		const missed = this.#feed.after(this.#lastTold);
		this.#lastTold = this.#feed.lastId;
		this.#unfollow = this.#feed.follow((event) => this.#add(event));
		return missed.map(relayed);
	}

	#add(event: FeedEvent): void {
		this.#lastTold = event.id;
		if (this.#batch.length >= MAX_IN_BATCH && event.name.startsWith("ws.")) this.#dropped++;
		else this.#batch.push(event);
		this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS).unref();
	}

	#flush(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#batch.length === 0) return;
		this.#channel.tell("events", { events: this.#batch.map(relayed), dropped: this.#dropped });
		this.#batch = [];
		this.#dropped = 0;
	}
}
