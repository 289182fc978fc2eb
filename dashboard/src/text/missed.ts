/** Why something did not reach somebody, in words. */
import type { HubMissed, HubMissedList } from "../api/model.ts";
import { plural } from "./format.ts";
import type { Tone } from "./tone.ts";

const KINDS: Readonly<Record<HubMissed["kind"], { readonly text: string; readonly tone: Tone }>> = {
	refused: { text: "refused", tone: "bad" },
	unsubscribed: { text: "unsubscribed", tone: "off" },
	skipped: { text: "skipped for a slow reader", tone: "warn" },
	dropped: { text: "dropped: it was on its way out", tone: "warn" },
	slow: { text: "closed: it read too slowly", tone: "bad" },
	disconnected: { text: "disconnected", tone: "off" },
	recovered: { text: "recovered later", tone: "good" },
	lost: { text: "not kept any more", tone: "bad" },
};

const STANDINGS: Readonly<Record<NonNullable<HubMissedList["now"]>, { readonly text: string; readonly tone: Tone }>> = {
	follows: { text: "follows the topic now: what is published is sent to it", tone: "good" },
	not_subscribed: { text: "is connected and may follow the topic, but has not subscribed", tone: "warn" },
	not_allowed: { text: "is connected, but the topic's rule does not let it subscribe", tone: "bad" },
	not_connected: { text: "has no open connection in this hub", tone: "off" },
	unknown_topic: { text: "cannot follow the topic: no rule of this hub matches it", tone: "bad" },
};

/** What happened. */
export function missedKind({ kind, action }: HubMissed): { readonly text: string; readonly tone: Tone } {
	const { text, tone } = KINDS[kind];
	return { text: action === undefined ? text : `${text} to ${action}`, tone };
}

/** Why, as far as it is known. */
export function missedReason({ error, by, code, reason, publications }: HubMissed): string {
	if (publications !== undefined) return `${plural(publications, "publication")} came later`;
	const parts = [error, by && `by the ${by}`, code === undefined ? undefined : String(code), reason];
	return parts.filter((part) => part !== undefined && part !== "").join(", ");
}

/** How the user stands to the topic, or to the hub. */
export function standing({ now, connections }: HubMissedList): { readonly text: string; readonly tone: Tone } {
	if (now !== null) return STANDINGS[now];
	if (connections.length === 0) return STANDINGS.not_connected;
	const topics = new Set(connections.flatMap((each) => each.topics));
	const open = plural(connections.length, "open connection");
	return { text: `has ${open} and follows ${plural(topics.size, "topic")}`, tone: "good" };
}
