/** The OpenAPI 3.1 document of the admin port, made from the operations themselves. */
import { z } from "zod";
import { API_ERRORS } from "./api/api-error.ts";
import { type AnswerSpec, type ApiRoute, type OperationSpec, rawOperation } from "./api/operation.ts";
import { sendJson } from "./respond.ts";

type Json = Record<string, unknown>;

const PATH = "/api/v1/openapi.json";

const errorSchema = z
	.strictObject({
		error: z.strictObject({
			code: z
				.string()
				.meta({ description: `One of ${Object.keys(API_ERRORS).join(", ")}, or of the admin port itself.` }),
			message: z.string().meta({ description: "What is wrong, and with which field." }),
		}),
	})
	.meta({ id: "Error" });

const text = (description: string): AnswerSpec => ({ description, contentType: "text/plain" });

/** What the admin port has besides the API. */
const OUTSIDE: readonly OperationSpec[] = [
	{
		method: "GET",
		path: "/healthz",
		summary: "Whether the process answers",
		public: true,
		answers: { 200: text("It does.") },
	},
	{
		method: "GET",
		path: "/readyz",
		summary: "Whether the gateway should get new connections",
		public: true,
		answers: { 200: text("It should."), 503: text("Not now; the body says why.") },
	},
	{
		method: "GET",
		path: "/metrics",
		summary: "Metrics for Prometheus",
		answers: { 200: text("Prometheus's text format.") },
	},
];

const SELF: OperationSpec = {
	method: "GET",
	path: PATH,
	summary: "This document",
	answers: { 200: { description: "OpenAPI 3.1.", schema: z.looseObject({ openapi: z.string() }) } },
};

/** `GET /api/v1/openapi.json` for these operations; put together when it is first asked for. */
export function openapiRoute(operations: readonly ApiRoute[]): ApiRoute {
	let document: Json | undefined;
	return rawOperation(SELF, (_request, response) => {
		document ??= openapiDocument(operations.map(({ spec }) => spec));
		sendJson(response, 200, document);
	});
}

/** The document for the operations of the API, the ones that are always there included. */
export function openapiDocument(operations: readonly OperationSpec[]): Json {
	const schemas: Json = {};
	const paths: Record<string, Json> = {};
	for (const spec of [...OUTSIDE, ...operations, SELF]) {
		const item = paths[spec.path] ?? {};
		item[spec.method.toLowerCase()] = operationObject(spec, schemas);
		paths[spec.path] = item;
	}
	return {
		openapi: "3.1.0",
		info: {
			title: "Clawgate admin API",
			version: "1",
			description:
				"For the operator of a Clawgate gateway. Loopback only, unless a token is set. Every change needs `Content-Type: application/json`.",
		},
		servers: [{ url: "/" }],
		security: [{}, { token: [] }],
		paths,
		components: {
			schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
			securitySchemes: {
				token: { type: "http", scheme: "bearer", description: "`admin.token`; needed when it is set." },
			},
		},
	};
}

function operationObject(spec: OperationSpec, schemas: Json): Json {
	const isApi = spec.path.startsWith("/api/");
	const answers = Object.entries(spec.answers).map(([status, answer]) => [status, answerObject(answer, schemas)]);
	return {
		summary: spec.summary,
		...(spec.description !== undefined && { description: spec.description }),
		...(spec.public && { security: [{}] }),
		...parametersOf(spec),
		...(spec.body && {
			requestBody: {
				required: false,
				content: { "application/json": { schema: jsonSchema(spec.body, "input", schemas) } },
			},
		}),
		responses: {
			...Object.fromEntries(answers),
			...(isApi && { default: answerObject({ description: "An error.", schema: errorSchema }, schemas) }),
		},
	};
}

function parametersOf(spec: OperationSpec): Json {
	const inPath = Object.entries(spec.params ?? {}).map(([name, description]) => ({
		name,
		in: "path",
		required: true,
		description,
		schema: { type: "string" },
	}));
	const inQuery = Object.entries(spec.query?.shape ?? {}).map(([name, schema]) => {
		const { description, ...rest } = jsonSchema(schema as z.ZodType, "input", {});
		return { name, in: "query", required: false, ...(description !== undefined && { description }), schema: rest };
	});
	const parameters = [...inPath, ...inQuery];
	return parameters.length === 0 ? {} : { parameters };
}

function answerObject({ description, schema, contentType }: AnswerSpec, schemas: Json): Json {
	if (schema === undefined && contentType === undefined) {
		return answerObject({ description, schema: errorSchema }, schemas);
	}
	const media = contentType ?? "application/json";
	const content = schema === undefined ? { type: "string" } : jsonSchema(schema, "output", schemas);
	return { description, content: { [media]: { schema: content } } };
}

/** The JSON Schema of a zod schema; those with an id go to `schemas`, and are referred to. */
function jsonSchema(schema: z.ZodType, io: "input" | "output", schemas: Json): Json {
	const { $schema: _, $defs, ...own } = z.toJSONSchema(schema, { io, reused: "inline" }) as Json & { $defs?: Json };
	for (const [id, definition] of Object.entries($defs ?? {})) schemas[id] = withoutId(definition);
	const { id } = own;
	if (typeof id !== "string") return pointed(own) as Json;
	schemas[id] = withoutId(own);
	return { $ref: `#/components/schemas/${id}` };
}

function withoutId(definition: unknown): unknown {
	const { id: _, ...rest } = definition as Json;
	return pointed(rest);
}

/** References as they have to be in an OpenAPI document. */
function pointed(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(pointed);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, inner]) => [
			key,
			key === "$ref" && typeof inner === "string" ? inner.replace("#/$defs/", "#/components/schemas/") : pointed(inner),
		]),
	);
}
