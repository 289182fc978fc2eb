/** One operation of the admin API: what it takes, what it answers, and its handler between the checks that all share. */
import type { ServerResponse } from "node:http";
import type { z } from "zod";
import { sendError, sendJson } from "../respond.ts";
import type { AdminRequest, AdminRoute } from "../router.ts";
import { ApiError } from "./api-error.ts";
import { readJsonBody } from "./body.ts";
import { refuseOtherSites } from "./same-site.ts";
import { validBody, validQuery } from "./validate.ts";

/** What an operation may answer, for the OpenAPI document. */
export interface AnswerSpec {
	readonly description: string;
	/** Absent: no JSON body. */
	readonly schema?: z.ZodType;
	/** Instead of JSON. */
	readonly contentType?: string;
}

/** The part of an operation that the OpenAPI document is made from. */
export interface OperationSpec {
	readonly method: AdminRoute["method"];
	/** `{name}` segments are parameters. */
	readonly path: string;
	readonly summary: string;
	readonly description?: string;
	/** What the `{name}` segments are. */
	readonly params?: Readonly<Record<string, string>>;
	readonly query?: z.ZodObject;
	/** Of a change; a change without fields takes an empty map. */
	readonly body?: z.ZodType;
	/** By status. Errors that all operations have in common are added. */
	readonly answers: Readonly<Record<number, AnswerSpec>>;
	/** Needs no token. */
	readonly public?: boolean;
}

/** A request that was checked. */
export interface Call<Query, Body> {
	readonly params: Readonly<Record<string, string>>;
	readonly query: Query;
	readonly body: Body;
}

export interface Answer {
	readonly status: number;
	readonly body: unknown;
}

type OutputOf<S> = S extends z.ZodType ? z.output<S> : undefined;

interface Operation<Query, Body> extends OperationSpec {
	/** @throws ApiError */
	handle(call: Call<Query, Body>): Answer | Promise<Answer>;
}

/**
 * Does what a checked request asks for.
 * @throws ApiError
 */
export type Run = (call: Call<unknown, unknown>) => Answer | Promise<Answer>;

/** A route of the API together with its documentation. */
export interface ApiRoute {
	readonly spec: OperationSpec;
	readonly route: AdminRoute;
	/** The part behind the checks; absent where the route answers by itself. */
	readonly run?: Run;
}

/** Makes a route that checks what comes in before the handler sees it. */
export function operation<Q extends z.ZodObject | undefined = undefined, B extends z.ZodType | undefined = undefined>(
	definition: Operation<OutputOf<Q>, OutputOf<B>> & { readonly query?: Q; readonly body?: B },
): ApiRoute {
	const { handle, ...spec } = definition;
	return doneBy(spec, (call) => handle(call as Call<OutputOf<Q>, OutputOf<B>>));
}

/** A route for an operation whose work is done by `run`, behind the checks that its description asks for. */
export function doneBy(spec: OperationSpec, run: Run): ApiRoute {
	const { query, body } = spec;
	const changes = spec.method !== "GET";
	const answer = async (request: AdminRequest): Promise<Answer> => {
		if (changes) refuseOtherSites(request.http);
		const asked = query ? validQuery(query, request.query) : noQuery(request.query);
		const sent = changes ? await readJsonBody(request.http) : undefined;
		return run({ params: request.params, query: asked, body: body ? validBody(body, sent) : undefined });
	};
	const { route } = rawOperation(spec, async (request, response) => {
		const { status, body: content } = await answer(request);
		sendJson(response, status, content);
	});
	return { spec, route, run };
}

/** A route that answers by itself; an {@link ApiError} that it throws is answered here. */
export function rawOperation(
	spec: OperationSpec,
	handler: (request: AdminRequest, response: ServerResponse) => void | Promise<void>,
): ApiRoute {
	return {
		spec,
		route: {
			method: spec.method,
			path: spec.path,
			...(spec.public && { public: true }),
			handler: async (request, response) => {
				try {
					await handler(request, response);
				} catch (error) {
					if (!(error instanceof ApiError)) throw error;
					// What was not read of the body must not be taken for the next request.
					if (!request.http.complete) response.setHeader("Connection", "close");
					sendError(response, request.path, error.status, error.code, error.message);
				}
			},
		},
	};
}

export function ok(body: unknown, status = 200): Answer {
	return { status, body };
}

function noQuery(query: URLSearchParams): undefined {
	const [name] = query.keys();
	if (name !== undefined) throw new ApiError("INVALID", `${name}: this takes no query`);
}
