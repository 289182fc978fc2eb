/** `connections`: who is connected, and closing them. */
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { closeCode, closeReason } from "../../config/values.ts";
import type { Session } from "../../gateway/session.ts";
import { ApiError } from "./api-error.ts";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import { connectionFilter, filtered, isFilter } from "./connection-filter.ts";
import { connectionPage, pageQuery, pageSchema } from "./connection-page.ts";
import { connectionSchema, connectionView } from "./connection-view.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";

const PATH = "/api/v1/connections";
/** Closed at once before other work gets its turn. */
const BATCH = 500;

const closeBody = z
	.strictObject({
		close_code: closeCode
			.optional()
			.meta({ description: "What the client is told; default 1008. 1001 asks most clients to come back." }),
		reason: closeReason
			.optional()
			.meta({ description: 'Text of the Close frame, at most 123 bytes; default "closed by the operator".' }),
	})
	.meta({ id: "CloseRequest" });

/** Ids in one request; their JSON stays within the body's limit. */
const MAX_IDS = 1000;

const closeManyBody = z
	.strictObject({
		...closeBody.shape,
		connection_ids: z.array(z.string().min(1).max(64)).min(1).max(MAX_IDS).optional().meta({
			description: "Only these, as far as they are still open; the filter has to fit as well.",
		}),
	})
	.meta({ id: "CloseManyRequest" });

const closedSchema = z
	.strictObject({
		closed: z.int().nonnegative().meta({ description: "Connections that were told to close now." }),
		already_closing: z.int().nonnegative().meta({ description: "Connections that were on their way out." }),
		...missingWorkers,
	})
	.meta({ id: "Closed" });

export type Closed = z.output<typeof closedSchema>;

const killQuery = z.strictObject({
	...connectionFilter,
	all: z
		.literal("true")
		.optional()
		.meta({ description: "Needed when there is neither a filter nor a list of ids: closes every connection." }),
});

const idParam = { id: "The connection's `connection_id`." };

export function connectionRoutes({ connections }: ApiGateway): ApiRoute[] {
	const find = (id: string | undefined): Session => {
		const connection = connections.get(id ?? "");
		if (!connection) throw new ApiError("NOT_FOUND", "there is no open connection with this id");
		return connection;
	};
	const listed = (ids: readonly string[]): Session[] => [...new Set(ids)].flatMap((id) => connections.get(id) ?? []);
	return [
		operation({
			method: "GET",
			path: PATH,
			summary: "Open connections, the newest first",
			query: pageQuery,
			answers: { 200: { description: "A page of them.", schema: pageSchema } },
			handle: ({ query }) => ok(connectionPage(connections.list(), query)),
		}),
		operation({
			method: "DELETE",
			path: PATH,
			summary: "Closes all connections that fit a filter, or a list of connections",
			description:
				"Each gets a Close frame at its next frame boundary, its log line says `killed`. Closing many at once makes many clients come back at once: `POST drain` spreads it over time.",
			query: killQuery,
			body: closeManyBody,
			answers: { 200: { description: "How many.", schema: closedSchema } },
			handle: async ({ query: { all, ...filter }, body: { connection_ids: ids, ...how } }) => {
				if (!isFilter(filter) && all === undefined && ids === undefined) {
					const filters = Object.keys(connectionFilter).join(", ");
					throw new ApiError("INVALID", `all: a filter is needed (${filters}); all=true closes every connection`);
				}
				const candidates = ids ? listed(ids) : connections.list();
				return ok(await kill(filtered(candidates, filter), how));
			},
		}),
		operation({
			method: "GET",
			path: `${PATH}/{id}`,
			summary: "One open connection",
			params: idParam,
			answers: { 200: { description: "The connection.", schema: connectionSchema } },
			handle: ({ params }) => ok(connectionView(find(params.id))),
		}),
		operation({
			method: "DELETE",
			path: `${PATH}/{id}`,
			summary: "Closes one connection",
			params: idParam,
			body: closeBody,
			answers: { 200: { description: "Whether it was closed now.", schema: closedSchema } },
			handle: async ({ params, body }) => ok(await kill([find(params.id)], body)),
		}),
	];
}

async function kill(
	connections: readonly Session[],
	{ close_code = 1008, reason = "closed by the operator" }: z.output<typeof closeBody>,
): Promise<Closed> {
	let closed = 0;
	for (const [index, connection] of connections.entries()) {
		if (index > 0 && index % BATCH === 0) await setImmediate();
		if (connection.close({ code: close_code, reason, termination: "killed" })) closed++;
	}
	return { closed, already_closing: connections.length - closed };
}
