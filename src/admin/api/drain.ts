/** `drain`: tells connections to come back, spread over time, and how far that is. */
import { z } from "zod";
import type { DrainConfig } from "../../config/schema.ts";
import { closeCodeOr, closeReason, finiteTimer, span } from "../../config/values.ts";
import type { DrainProgress } from "../../gateway/drains.ts";
import type { Snapshot } from "../../gateway/snapshot.ts";
import type { Endpoint } from "../../upstreams/endpoint.ts";
import { override } from "../../upstreams/override.ts";
import type { Upstream } from "../../upstreams/upstream.ts";
import { ApiError } from "./api-error.ts";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import { compileFilter, filtered } from "./connection-filter.ts";
import { noSuch } from "./no-such.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";
import type { EndpointChanged } from "./upstreams.ts";

const PATH = "/api/v1/drain";
const name = z.string().min(1).optional();

const drainBody = z
	.strictObject({
		route: name.meta({ description: "Only connections of this route." }),
		upstream: name.meta({ description: "Only connections to this upstream." }),
		endpoint: name.meta({
			description: "Only connections to this endpoint, whose state becomes `drain`, so that nothing new arrives.",
		}),
		spread: span.optional().meta({ description: "Connections are closed one by one over this time." }),
		timeout: finiteTimer.optional().meta({ description: "After this time what is still open is cut off." }),
		close_code: closeCodeOr("none")
			.optional()
			.meta({ description: "Code of the Close frame; `none` ends without one." }),
		reason: closeReason.optional().meta({ description: "Text of the Close frame, at most 123 bytes." }),
	})
	.meta({
		id: "DrainRequest",
		description:
			"Nothing given: every connection of the gateway. What is not said about time and code is the route's `drain`, or `shutdown.drain` when no route is named.",
	});

export const drainSchema = z
	.strictObject({
		id: z.int().positive(),
		target: z.string(),
		state: z.enum(["running", "done"]),
		total: z.int().nonnegative().meta({ description: "Connections it started with." }),
		remaining: z.int().nonnegative().meta({ description: "Those that are still open." }),
		started_at: z.iso.datetime(),
		spread_ms: z.number().nonnegative(),
		timeout_ms: z.number().positive(),
		close_code: z.int().meta({ description: "Of the Close frame; 1006: there is none." }),
	})
	.meta({ id: "Drain" });

const startedSchema = z.strictObject({ ...drainSchema.shape, ...missingWorkers }).meta({ id: "StartedDrain" });

const drainsSchema = z.strictObject({ drains: z.array(drainSchema), ...missingWorkers }).meta({ id: "DrainList" });

type DrainBody = z.output<typeof drainBody>;

export function drainRoutes(gateway: ApiGateway, changed: EndpointChanged): ApiRoute[] {
	return [
		operation({
			method: "POST",
			path: PATH,
			summary: "Closes connections politely, spread over time",
			description:
				"In random order, each with a Close frame at a frame boundary. New connections are still accepted, except by an endpoint that is drained.",
			body: drainBody,
			answers: { 202: { description: "It has begun; `GET drain` tells how far it is.", schema: startedSchema } },
			handle: ({ body }) => ok(start(gateway, changed, body), 202),
		}),
		operation({
			method: "GET",
			path: PATH,
			summary: "Drains that run, and the last ones that ended",
			answers: { 200: { description: "The oldest first.", schema: drainsSchema } },
			handle: () => ok({ drains: gateway.drains.list() }),
		}),
	];
}

function start(
	{ snapshot, connections, drains }: ApiGateway,
	changed: EndpointChanged,
	body: DrainBody,
): DrainProgress {
	const { route, upstream, endpoint } = body;
	const policy = policyOf(snapshot, body);
	const pools = poolsOf(snapshot, upstream);
	const endpoints = endpoint === undefined ? [] : endpointsOf(pools, endpoint);
	for (const each of endpoints) {
		override(each.endpoint.state, each.endpoint.written, { mode: "drain" });
		changed(each.upstream, each.endpoint);
	}
	drains.start({
		target: targetOf(body),
		connections: filtered(connections.list(), { route, upstream, endpoint }),
		policy,
		termination: "drain",
		// The operator's latest word counts, also for what a slower drain has on its list.
		takesOver: true,
		...(endpoint !== undefined && { late: compileFilter({ route, upstream, endpoint }) }),
	});
	return drains.list().at(-1) as DrainProgress;
}

/** What counts for the whole drain: the body over the policy of the route, or of the gateway. */
function policyOf({ config }: Snapshot, body: DrainBody): DrainConfig {
	const route = config.routes.find(({ name }) => name === body.route);
	if (body.route !== undefined && !route) {
		throw noSuch(
			"route",
			"route",
			body.route,
			config.routes.map(({ name }) => name),
		);
	}
	const policy = route?.drain ?? config.shutdown.drain;
	const { close_code = policy.close_code, reason = policy.reason, spread = policy.spread } = body;
	// A longer spread keeps the time that the policy leaves after its own.
	const timeout = body.timeout ?? Math.max(policy.timeout, spread + policy.timeout - policy.spread);
	if (body.spread !== undefined && spread > timeout) {
		throw new ApiError("INVALID", "spread: must not be longer than timeout");
	}
	return { close_code, reason, timeout, spread: Math.min(spread, timeout) };
}

function poolsOf({ upstreams }: Snapshot, wanted: string | undefined): Upstream[] {
	if (wanted === undefined) return [...upstreams.values()];
	const upstream = upstreams.get(wanted);
	if (!upstream) throw noSuch("upstream", "upstream", wanted, [...upstreams.keys()]);
	return [upstream];
}

/** The endpoint in every upstream that has it. */
function endpointsOf(upstreams: readonly Upstream[], id: string): { upstream: Upstream; endpoint: Endpoint }[] {
	const found = upstreams.flatMap((upstream) =>
		upstream.endpoints.filter((endpoint) => endpoint.id === id).map((endpoint) => ({ upstream, endpoint })),
	);
	if (found.length > 0) return found;
	const known = upstreams.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.id));
	throw noSuch("endpoint", "endpoint", id, known);
}

function targetOf(body: DrainBody): string {
	const parts = (["route", "upstream", "endpoint"] as const).flatMap((key) =>
		body[key] === undefined ? [] : [`${key} ${body[key]}`],
	);
	return parts.length === 0 ? "gateway" : parts.join(", ");
}
