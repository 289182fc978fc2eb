/**
 * What did not reach whom in a hub, and why: the last things of each user, of as many users as something happened to last.
 * Nothing is noted for a message that was delivered.
 */
import { LRUCache } from "lru-cache";

/** Users that are remembered; of anonymous ones, connections. */
const MOST_USERS = 2_000;
/** Of a topic or a reason: clients and backends choose them. */
const MOST_CHARACTERS = 255;
/** Of one user: whoever does something wrong again and again takes nothing from the others. */
const MOST_EACH = 30;

/**
 * - `refused`: it may not, or the topic is unknown
 * - `unsubscribed`: a subscription ended while the connection stayed
 * - `skipped`: a slow reader got only the newest publication
 * - `dropped`: the connection was on its way out
 * - `slow`: the connection was closed since it read too slowly
 * - `disconnected`: the connection ended
 * - `recovered`, `lost`: it came back with a position, and what it had missed came, or was not kept any more
 */
export const MISSED_KINDS = [
	"refused",
	"unsubscribed",
	"skipped",
	"dropped",
	"slow",
	"disconnected",
	"recovered",
	"lost",
] as const;

export type MissedKind = (typeof MISSED_KINDS)[number];

/** What is known of it besides who and when. */
export interface MissedDetails {
	/** Absent: all that the connection followed. */
	readonly topic?: string | undefined;
	/** Of `refused`. */
	readonly action?: "subscribe" | "publish" | undefined;
	/** Of `refused`: `PERMISSION_DENIED`, `UNKNOWN_TOPIC` … */
	readonly error?: string | undefined;
	/** Of `unsubscribed`, `slow` and `disconnected`: what the client was told. */
	readonly code?: number | undefined;
	readonly reason?: string | undefined;
	/** Of `unsubscribed`, `slow` and `disconnected`: who ended it. */
	readonly by?: "client" | "gateway" | undefined;
	/** Of `recovered`: how many publications came later. */
	readonly publications?: number | undefined;
}

export interface Missed extends MissedDetails {
	readonly kind: MissedKind;
	/** "" = anonymous. */
	readonly user: string;
	/** Id of the connection. */
	readonly client: string;
	/** The first and the last time, ms since the epoch, and how often. */
	readonly first: number;
	readonly time: number;
	readonly count: number;
}

export class MissedLog {
	readonly #users = new LRUCache<string, Missed[]>({ max: MOST_USERS });
	readonly #now: () => number;

	/** @param now ms since the epoch */
	constructor(now: () => number = Date.now) {
		this.#now = now;
	}

	/** The same thing once more is counted, not listed. */
	note({ id, user }: { readonly id: string; readonly user: string }, kind: MissedKind, given: MissedDetails): void {
		const details = { ...given, topic: cut(given.topic), reason: cut(given.reason) };
		const time = this.#now();
		const key = user === "" ? `\0${id}` : user;
		const known = this.#users.get(key) ?? [];
		this.#users.set(key, known);
		const place = known.findIndex((each) => each.kind === kind && each.client === id && isSame(each, details));
		const [same] = place < 0 ? [] : known.splice(place, 1);
		known.push({ ...details, kind, user, client: id, first: same?.first ?? time, time, count: (same?.count ?? 0) + 1 });
		if (known.length > MOST_EACH) known.shift();
	}

	/** Of one user ("" = anonymous ones), or of all; the newest first. */
	list(user?: string): Missed[] {
		const all =
			user === undefined || user === ""
				? [...this.#users.values()].flat().filter((each) => user === undefined || each.user === "")
				: (this.#users.get(user) ?? []);
		// Of those of one moment the later ones come first, too.
		return all.toReversed().sort((a, b) => b.time - a.time);
	}
}

/** A copy: a part of a text would keep the whole of it in memory. */
function cut(text: string | undefined): string | undefined {
	if (text === undefined || text.length <= MOST_CHARACTERS) return text;
	return Buffer.from(text.slice(0, MOST_CHARACTERS)).toString("utf8");
}

function isSame(a: MissedDetails, b: MissedDetails): boolean {
	return a.topic === b.topic && a.action === b.action && a.error === b.error && a.code === b.code && a.by === b.by;
}
