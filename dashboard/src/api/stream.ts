/** Follows `GET events`. Through fetch, since an EventSource cannot send the token. */
import type { Client } from "./client.ts";
import { type ServerSentEvent, ServerSentEventReader } from "./server-sent-events.ts";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

export interface EventsFollower {
	/** Events in their order, as many as came at once. */
	events(events: readonly ServerSentEvent[]): void;
	/** Whether the stream is open. */
	connected(open: boolean): void;
}

/**
 * Follows the events until the returned function is called; comes back by itself, and then gets what it missed.
 * @param names as the API takes them: names, or beginnings that end with a dot
 * @param recent so many of the latest events come first
 */
export function followEvents(
	client: Client,
	names: readonly string[],
	recent: number,
	follower: EventsFollower,
): () => void {
	const abort = new AbortController();
	void follow(client, names, recent, follower, abort.signal);
	return () => abort.abort();
}

async function follow(
	client: Client,
	names: readonly string[],
	recent: number,
	follower: EventsFollower,
	abort: AbortSignal,
): Promise<void> {
	const path = `api/v1/events?event=${encodeURIComponent(names.join(","))}&recent=${recent}`;
	let lastId = "";
	let wait = FIRST_WAIT_MS;
	const take = (events: readonly ServerSentEvent[]): void => {
		lastId = events.at(-1)?.id ?? lastId;
		wait = FIRST_WAIT_MS;
		follower.events(events);
	};
	while (!abort.aborted) {
		const seen = lastId === "" ? {} : { "Last-Event-ID": lastId };
		try {
			const response = await client.open(path, { signal: abort, headers: { Accept: "text/event-stream", ...seen } });
			if (response.ok && response.body) {
				follower.connected(true);
				await read(response.body, take);
			}
		} catch {
			// No answer, or the stream broke: it is tried again, and the header tells that there is no answer.
		}
		if (abort.aborted) return;
		follower.connected(false);
		await delay(wait, abort);
		wait = Math.min(wait * 2, LONGEST_WAIT_MS);
	}
}

async function read(body: ReadableStream<Uint8Array>, take: (events: readonly ServerSentEvent[]) => void) {
	const events = new ServerSentEventReader();
	const decoder = new TextDecoder();
	const reader = body.getReader();
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const complete = events.push(decoder.decode(value, { stream: true }));
		if (complete.length > 0) take(complete);
	}
}

function delay(ms: number, abort: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		abort.addEventListener("abort", () => {
			clearTimeout(timer);
			resolve();
		});
	});
}
