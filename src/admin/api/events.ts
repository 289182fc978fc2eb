/** `events`: a stream of server-sent events (HTML standard, "Server-sent events"). */
import type { ServerResponse } from "node:http";
import { z } from "zod";
import type { AdminRequest } from "../router.ts";
import { ApiError } from "./api-error.ts";
import type { EventFeed, FeedEvent } from "./event-feed.ts";
import { type ApiRoute, rawOperation } from "./operation.ts";
import { refuseOtherSites } from "./same-site.ts";
import { queryInteger, validQuery } from "./validate.ts";

export const MAX_STREAMS = 32;
/** A reader that lets more than this pile up is dropped; it can come back with Last-Event-ID. */
const MAX_QUEUED_BYTES = 1024 * 1024;
const HEARTBEAT_MS = 15_000;

const eventsQuery = z.strictObject({
	event: z
		.string()
		.regex(/^[a-z_.]+(,[a-z_.]+)*$/, {
			error: "expected names such as ws.close, or beginnings such as drain., by comma",
		})
		.optional()
		.meta({
			description: "Only these events, by comma: names (`ws.close`), or beginnings that end with a dot (`drain.`).",
		}),
	recent: queryInteger(0, 256)
		.optional()
		.meta({ description: "So many of the latest events that `event` lets through come first; default 0." }),
});

/** What fills a feed only while somebody reads it. */
export interface FeedSource {
	/** Called for each reader that comes. Resolves when the feed has what happened lately; never rejects. */
	begin(): Promise<void>;
	/** The last reader has gone. */
	end(): void;
}

/** The open streams of one gateway. */
export class EventStreams {
	readonly #feed: EventFeed;
	readonly #source: FeedSource | undefined;
	readonly #open = new Set<ServerResponse>();
	#heartbeat: NodeJS.Timeout | undefined;

	constructor(feed: EventFeed, source?: FeedSource) {
		this.#feed = feed;
		this.#source = source;
	}

	get size(): number {
		return this.#open.size;
	}

	/** Ends every stream: the port is about to close. Clients come back by themselves. */
	close(): void {
		for (const response of this.#open) response.end();
	}

	/** @throws ApiError CROSS_SITE, INVALID, TOO_MANY_STREAMS */
	serve(request: AdminRequest, response: ServerResponse): void {
		// No other site can read the answer, but its pages could take all the places.
		refuseOtherSites(request.http);
		const { event, recent = 0 } = validQuery(eventsQuery, request.query);
		if (this.#open.size >= MAX_STREAMS) {
			throw new ApiError("TOO_MANY_STREAMS", `${MAX_STREAMS} event streams are open already; close one`);
		}
		response.writeHead(200, {
			"Content-Type": "text/event-stream; charset=utf-8",
			"Cache-Control": "no-store",
			"X-Content-Type-Options": "nosniff",
			// For nginx in front: it would hold the stream back.
			"X-Accel-Buffering": "no",
		});
		if (request.method === "HEAD") {
			response.end();
			return;
		}
		this.#admit(response);
		const wanted = event?.split(",");
		const isWanted = ({ name }: FeedEvent): boolean => wanted?.some((asked) => fits(asked, name)) ?? true;
		const stream = (): void => this.#stream(response, isWanted, firstOf(this.#feed, request, isWanted, recent));
		if (this.#source === undefined) stream();
		else void this.#source.begin().then(() => this.#open.has(response) && stream());
	}

	#admit(response: ServerResponse): void {
		this.#open.add(response);
		this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT_MS);
		response.on("error", ignoreError);
		response.once("close", () => {
			this.#open.delete(response);
			if (this.#open.size > 0) return;
			clearInterval(this.#heartbeat);
			this.#heartbeat = undefined;
			this.#source?.end();
		});
		response.write(": the events of this gateway; see docs/admin-api.md\n\n");
	}

	#stream(response: ServerResponse, isWanted: IsWanted, first: readonly FeedEvent[]): void {
		const send = (event: FeedEvent): void => {
			if (isWanted(event)) write(response, frame(event));
		};
		response.once("close", this.#feed.follow(send));
		for (const event of first) write(response, frame(event));
	}

	/** Tells proxies and the client that the stream lives, and finds out whether the client does. */
	#beat(): void {
		for (const response of this.#open) write(response, ": still here\n\n");
	}
}

/** By its `event` parameter. */
type IsWanted = (event: FeedEvent) => boolean;

/** What a new follower is sent first: what it missed, or the latest ones that it asked for. */
function firstOf(feed: EventFeed, { http }: AdminRequest, isWanted: IsWanted, recent: number): FeedEvent[] {
	const header = http.headers["last-event-id"];
	const seen = typeof header === "string" && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
	// A number from before a restart is of no use.
	if (seen !== undefined && seen <= feed.lastId) return feed.after(seen).filter(isWanted);
	return recent === 0 ? [] : feed.after(0).filter(isWanted).slice(-recent);
}

function write(response: ServerResponse, text: string): void {
	if (response.writableEnded || response.destroyed) return;
	response.write(text);
	if (response.writableLength > MAX_QUEUED_BYTES) response.destroy();
}

function frame(event: FeedEvent): string {
	return `id: ${event.id}\nevent: ${event.name}\ndata: ${event.json()}\n\n`;
}

function fits(wanted: string, name: string): boolean {
	return wanted.endsWith(".") ? name.startsWith(wanted) : name === wanted;
}

function ignoreError(): void {
	// `close` follows.
}

export function eventRoutes(streams: EventStreams): ApiRoute[] {
	return [
		rawOperation(
			{
				method: "GET",
				path: "/api/v1/events",
				summary: "What happens, as server-sent events",
				description: `Opens (\`ws.open\`), closes (\`ws.close\`), refusals (\`ws.reject\`), and changes of endpoints, breakers, drains, discovery and configuration, named and filled as in the log. A comment comes every ${HEARTBEAT_MS / 1000} s. With \`Last-Event-ID\` a reader that comes back gets what it missed, as far as it is still kept. A reader that is too slow is cut off; ${MAX_STREAMS} streams at most.`,
				query: eventsQuery,
				answers: {
					200: { description: "The stream.", contentType: "text/event-stream" },
					503: { description: "Too many streams." },
				},
			},
			(request, response) => streams.serve(request, response),
		),
	];
}
