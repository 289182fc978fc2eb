/** `connections` of all workers as one list. */

import type { z } from "zod";
import { ApiError } from "../../admin/api/api-error.ts";
import { DEFAULT_LIMIT, type PageQuery, type pageSchema } from "../../admin/api/connection-page.ts";
import type { ConnectionView } from "../../admin/api/connection-view.ts";
import type { Closed } from "../../admin/api/connections.ts";
import type { Answer } from "../../admin/api/operation.ts";
import type { WorkerHandle } from "../contract.ts";
import { apiCall, askApi, askEach } from "./ask.ts";
import type { Rule } from "./rule.ts";

const PATH = "/api/v1/connections";

type Page = z.output<typeof pageSchema>;

export function connectionRules(workers: () => readonly WorkerHandle[]): Record<string, Rule> {
	const ofOne: Rule = async (call, _own, operation) => {
		const { parts, missing } = await askEach(workers(), (worker) => apiCall(worker, operation, call));
		return found(
			parts.map(({ body }) => body),
			missing.missing_workers,
		);
	};
	return {
		[`GET ${PATH}`]: async (call, own, operation) => {
			const query = call.query as PageQuery;
			// It checks what the fields mean together.
			await own(call);
			const asked = { ...call, query: queryOfEach(query) };
			const { parts, missing } = await askApi<Page>(workers(), operation, asked);
			return {
				status: 200,
				body: {
					...mergedPage(
						parts.map(({ body }) => body),
						query,
					),
					...missing,
				},
			};
		},
		[`DELETE ${PATH}`]: async (call, own, operation) => {
			await own(call);
			const { parts, missing } = await askApi<Closed>(workers(), operation, call);
			const sum = { closed: 0, already_closing: 0 };
			for (const { body } of parts) {
				sum.closed += body.closed;
				sum.already_closing += body.already_closing;
			}
			return { status: 200, body: { ...sum, ...missing } };
		},
		[`GET ${PATH}/{id}`]: ofOne,
		[`DELETE ${PATH}/{id}`]: ofOne,
	};
}

/** The answer of the worker that has the connection. */
function found(answers: readonly Answer[], missing: readonly number[] | undefined): Answer {
	const answer = answers.find(({ status }) => status === 200);
	if (answer) return answer;
	if (missing) {
		throw new ApiError("NO_ANSWER", `worker ${missing.join(", ")} did not answer, and no other has this connection`);
	}
	throw new ApiError("NOT_FOUND", "there is no open connection with this id");
}

/** Each worker may have all that the page shows, and all that is left out before it. */
export function queryOfEach({ limit = DEFAULT_LIMIT, offset = 0, ...query }: PageQuery): PageQuery {
	return { ...query, limit: offset + limit, offset: 0 };
}

/**
 * The page that one process with all the connections would answer.
 * @param pages answers to {@link queryOfEach}
 */
export function mergedPage(pages: readonly Page[], query: PageQuery): Page {
	const { limit = DEFAULT_LIMIT, offset = 0, sort = "opened", order = "desc" } = query;
	const rows = pages.flatMap(({ connections }) => connections);
	const direction = order === "desc" ? -1 : 1;
	const key = KEYS[sort];
	rows.sort((a, b) => direction * (key(a) - key(b) || a.sequence - b.sequence));
	const connections = rows.slice(offset, offset + limit);
	const more = rows.length > offset + limit || pages.some(({ next_cursor }) => next_cursor !== null);
	const last = connections.at(-1);
	return {
		connections,
		total: pages.reduce((sum, { total }) => sum + total, 0),
		limit,
		offset,
		next_cursor: sort === "opened" && more && last ? last.sequence : null,
	};
}

const KEYS: Record<NonNullable<PageQuery["sort"]>, (connection: ConnectionView) => number> = {
	opened: ({ sequence }) => sequence,
	bytes_in: ({ bytes_in }) => bytes_in,
	bytes_out: ({ bytes_out }) => bytes_out,
	messages_in: ({ messages_in }) => messages_in,
	messages_out: ({ messages_out }) => messages_out,
	rtt: ({ rtt_ms }) => rtt_ms.client ?? -1,
};
