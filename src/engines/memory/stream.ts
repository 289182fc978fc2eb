/** The publications of one topic: their order, and the last of them. */
import { randomBytes } from "node:crypto";
import type { Draft, History, HistoryFilter, Position, Publication } from "../../hub/engine.ts";

/** Wall-clock time, ms. */
type Clock = () => number;

export class Stream {
	/** Offsets of another epoch mean nothing here. */
	readonly epoch = randomBytes(6).toString("base64url");
	readonly #now: Clock;
	#top = 0;
	/** A ring: the oldest one stands at `#first`. */
	#ring: Publication[] = [];
	#first = 0;
	#expiresAt = Number.POSITIVE_INFINITY;

	constructor(now: Clock) {
		this.#now = now;
	}

	get position(): Position {
		return { epoch: this.epoch, offset: this.#top };
	}

	/** Appends a publication that is kept as long as `size` and `ttl` (ms) allow. */
	append(draft: Draft, { size, ttl }: { readonly size: number; readonly ttl: number }): Publication {
		const time = this.#now();
		if (time >= this.#expiresAt) this.clear();
		const publication = { ...draft, offset: ++this.#top, time };
		this.#expiresAt = time + ttl;
		if (this.#ring.length > size || (this.#ring.length < size && this.#first > 0)) this.#resize(size);
		if (this.#ring.length < size) this.#ring.push(publication);
		else {
			this.#ring[this.#first] = publication;
			this.#first = (this.#first + 1) % size;
		}
		return publication;
	}

	/** Forgets the publications; the position stays. */
	clear(): void {
		this.#ring = [];
		this.#first = 0;
		this.#expiresAt = Number.POSITIVE_INFINITY;
	}

	/** Forgets publications whose time is over. */
	expire(): void {
		if (this.#now() >= this.#expiresAt) this.clear();
	}

	/** See {@link HistoryFilter}. `since` of another epoch gives what there is: the caller compares epochs. */
	read({ since, limit, reverse = false }: HistoryFilter): History {
		this.expire();
		const most = limit ?? this.#ring.length;
		const publications: Publication[] = [];
		const count = this.#ring.length;
		for (let step = 0; step < count && publications.length < most; step++) {
			const index = reverse ? count - 1 - step : step;
			const publication = this.#ring[(this.#first + index) % count] as Publication;
			if (since !== undefined && (reverse ? publication.offset >= since.offset : publication.offset <= since.offset)) {
				continue;
			}
			publications.push(publication);
		}
		return { ...this.position, publications };
	}

	/** The rule's size has changed with the configuration. */
	#resize(size: number): void {
		const ordered = [...this.#ring.slice(this.#first), ...this.#ring.slice(0, this.#first)];
		this.#ring = ordered.slice(-size);
		this.#first = 0;
	}
}
