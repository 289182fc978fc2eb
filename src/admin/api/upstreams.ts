/** `upstreams`: the pools, their endpoints, and changing an endpoint while the gateway runs. */
import { z } from "zod";
import type { Endpoint } from "../../upstreams/endpoint.ts";
import { override } from "../../upstreams/override.ts";
import type { Upstream } from "../../upstreams/upstream.ts";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import { endpointSchema, endpointView, modeSchema } from "./endpoint-view.ts";
import { noSuch } from "./no-such.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";

export const upstreamSchema = z
	.strictObject({
		name: z.string(),
		policy: z.string().meta({ description: "`load_balancing.policy`" }),
		sticky: z.enum(["cookie", "socketio"]).nullable(),
		discovery: z.string().nullable().meta({ description: "The type of `discovery`; null without it." }),
		health_check: z.string().nullable().meta({ description: "The type of `health_check`; null without it." }),
		endpoints: z.array(endpointSchema),
	})
	.meta({ id: "Upstream" });

const upstreamsSchema = z
	.strictObject({ upstreams: z.array(upstreamSchema), ...missingWorkers })
	.meta({ id: "UpstreamList" });

const changedSchema = z.strictObject({ ...endpointSchema.shape, ...missingWorkers }).meta({ id: "ChangedEndpoint" });

const patchBody = z
	.strictObject({
		state: modeSchema.nullable().optional().meta({
			description:
				"`drain`: only clients that are bound to it (sticky) still come; `maint`: nobody does; open connections stay. null: back to what the file says.",
		}),
		weight: z
			.int()
			.min(0)
			.max(1000)
			.nullable()
			.optional()
			.meta({ description: "Share of new connections; null: back to what the file says." }),
	})
	.refine(({ state, weight }) => state !== undefined || weight !== undefined, {
		error: "give state or weight, or both",
	})
	.meta({ id: "EndpointChange" });

/** Called after an operator changed an endpoint. */
export type EndpointChanged = (upstream: Upstream, endpoint: Endpoint) => void;

export function upstreamRoutes(gateway: ApiGateway, changed: EndpointChanged): ApiRoute[] {
	return [
		operation({
			method: "GET",
			path: "/api/v1/upstreams",
			summary: "The upstreams and their endpoints",
			answers: { 200: { description: "All upstreams.", schema: upstreamsSchema } },
			handle: () => ok({ upstreams: [...gateway.snapshot.upstreams.values()].map((each) => view(gateway, each)) }),
		}),
		operation({
			method: "PATCH",
			path: "/api/v1/upstreams/{name}/endpoints/{id}",
			summary: "Changes an endpoint's state or weight while the gateway runs",
			description:
				"The change outlives reloads, until the file's own value changes; a restart forgets it. A slash in the id of a unix socket is written %2F.",
			params: { name: "Name of the upstream.", id: "Id of the endpoint: `host:port`, or the socket's path." },
			body: patchBody,
			answers: { 200: { description: "The endpoint as it is now.", schema: changedSchema } },
			handle: ({ params, body }) => {
				const upstream = gateway.snapshot.upstreams.get(params.name ?? "");
				const { name = "", id: wanted = "" } = params;
				if (!upstream) throw noSuch("name", "upstream", name, [...gateway.snapshot.upstreams.keys()]);
				const endpoint = upstream.endpoints.find(({ id }) => id === wanted);
				if (!endpoint) {
					const known = upstream.endpoints.map(({ id }) => id);
					throw noSuch("id", `endpoint in ${name}`, wanted, known);
				}
				override(endpoint.state, endpoint.written, { mode: body.state, weight: body.weight });
				changed(upstream, endpoint);
				return ok(endpointView(upstream, endpoint, gateway.clock()));
			},
		}),
	];
}

function view({ snapshot, clock }: ApiGateway, upstream: Upstream): z.output<typeof upstreamSchema> {
	const { sticky, load_balancing } = snapshot.config.upstreams[upstream.name] ?? {};
	const now = clock();
	return {
		name: upstream.name,
		policy: load_balancing?.policy ?? "",
		sticky: sticky === undefined ? null : sticky === "socketio" ? "socketio" : "cookie",
		discovery: upstream.discovery?.type ?? null,
		health_check: upstream.healthCheck?.type ?? null,
		endpoints: upstream.endpoints.map((endpoint) => endpointView(upstream, endpoint, now)),
	};
}
