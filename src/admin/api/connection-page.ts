/** One page of the open connections. The filter and the order are the server's work: there may be tens of thousands. */
import { z } from "zod";
import type { Session } from "../../gateway/session.ts";
import { ApiError } from "./api-error.ts";
import { missingWorkers } from "./api-gateway.ts";
import { connectionFilter, filtered } from "./connection-filter.ts";
import { connectionSchema, connectionView } from "./connection-view.ts";
import { queryInteger } from "./validate.ts";

export const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** What a connection is sorted by, as numbers. */
const SORT_KEYS = {
	opened: ({ sequence }: Session) => sequence,
	bytes_in: ({ bytesIn }: Session) => bytesIn,
	bytes_out: ({ bytesOut }: Session) => bytesOut,
	messages_in: ({ messagesIn }: Session) => messagesIn,
	messages_out: ({ messagesOut }: Session) => messagesOut,
	rtt: ({ clientRtt }: Session) => clientRtt ?? -1,
};

type SortKey = keyof typeof SORT_KEYS;

export const pageQuery = z.strictObject({
	...connectionFilter,
	limit: queryInteger(1, MAX_LIMIT)
		.optional()
		.meta({ description: `Connections in the answer; default ${DEFAULT_LIMIT}.` }),
	offset: queryInteger(0, Number.MAX_SAFE_INTEGER).optional().meta({
		description: "So many are left out at the beginning. For walking through all of them, `cursor` is better.",
	}),
	cursor: queryInteger(1, Number.MAX_SAFE_INTEGER).optional().meta({
		description: "`next_cursor` of the page before. What opens and closes meanwhile does not move the pages.",
	}),
	sort: z
		.enum(Object.keys(SORT_KEYS) as [SortKey, ...SortKey[]])
		.optional()
		.meta({ description: "`opened` (the default): by age; `rtt`: the client's." }),
	order: z
		.enum(["desc", "asc"])
		.optional()
		.meta({ description: "`desc` (the default): the newest, or the largest, first." }),
});

export const pageSchema = z
	.strictObject({
		connections: z.array(connectionSchema),
		total: z.int().nonnegative().meta({ description: "All that fit the filter." }),
		limit: z.int().positive(),
		offset: z.int().nonnegative(),
		next_cursor: z.int().positive().nullable().meta({
			description: "For the next page; null on the last one, and where another order than by age was asked for.",
		}),
		...missingWorkers,
	})
	.meta({ id: "ConnectionPage", description: "A page of the open connections." });

export type PageQuery = z.output<typeof pageQuery>;

/**
 * @param open in the order of opening
 * @throws ApiError INVALID
 */
export function connectionPage(open: Iterable<Session>, query: PageQuery): Record<string, unknown> {
	const { limit = DEFAULT_LIMIT, offset = 0, cursor, sort = "opened", order = "desc" } = query;
	if (cursor !== undefined && (sort !== "opened" || offset > 0)) {
		throw new ApiError("INVALID", "cursor: cannot stand next to offset, or to a sort other than opened");
	}
	const found = filtered(open, query);
	const sorted = sort === "opened" ? found : sortBy(found, SORT_KEYS[sort]);
	const descending = order === "desc";
	const begin = cursor === undefined ? offset : placeAfter(found, cursor, descending);
	const page: Session[] = [];
	for (let i = begin; i < sorted.length && page.length < limit; i++) {
		page.push(sorted[descending ? sorted.length - 1 - i : i] as Session);
	}
	const last = page.at(-1);
	const more = sort === "opened" && last !== undefined && begin + page.length < sorted.length;
	return {
		connections: page.map(connectionView),
		total: found.length,
		limit,
		offset,
		next_cursor: more ? last.sequence : null,
	};
}

/** Ascending, equal ones by age. The keys change while sockets are read, so each is read once. */
function sortBy(connections: readonly Session[], key: (connection: Session) => number): Session[] {
	return connections
		.map((connection) => ({ connection, value: key(connection) }))
		.sort((a, b) => a.value - b.value)
		.map(({ connection }) => connection);
}

/** How many of them, read from the page's end of the list, come up to and with `cursor`. */
function placeAfter(connections: readonly Session[], cursor: number, descending: boolean): number {
	const wanted = descending ? cursor : cursor + 1;
	// The first that has at least the wanted number.
	let low = 0;
	let high = connections.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((connections[middle] as Session).sequence < wanted) low = middle + 1;
		else high = middle;
	}
	return descending ? connections.length - low : low;
}
