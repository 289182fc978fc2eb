/** `routes`: the running configuration's routes in their order, and how much goes through them. */
import { z } from "zod";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import type { Redact } from "./config.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";
import type { RouteCounter } from "./route-counts.ts";

const count = z.int().nonnegative();

export const routeSchema = z
	.strictObject({
		name: z.string(),
		match: z.looseObject({}).meta({ description: "As in routes.yaml; a list means any of." }),
		upstreams: z
			.array(z.strictObject({ name: z.string(), weight: z.number().nonnegative() }))
			.meta({ description: "One, or the shares of a `split`; none where the route ends in a hub." }),
		hub: z.string().nullable().meta({ description: "Where the route ends in a hub: its name." }),
		http: z.enum(["forward", "reject"]),
		active: count.meta({ description: "Open connections." }),
		draining: count.meta({ description: "Those of them that a drain has on its list." }),
		opened: count.meta({ description: "Since the process started." }),
		closed: count,
		rejected: count.meta({ description: "Handshakes refused, by the gateway or by the backend." }),
	})
	.meta({ id: "Route" });

const routesSchema = z.strictObject({ routes: z.array(routeSchema), ...missingWorkers }).meta({ id: "RouteList" });

export function routeRoutes(gateway: ApiGateway, counter: RouteCounter, redact: Redact): ApiRoute[] {
	return [
		operation({
			method: "GET",
			path: "/api/v1/routes",
			summary: "The routes, in the order in which they are tried",
			answers: { 200: { description: "All routes.", schema: routesSchema } },
			handle: () => ok({ routes: routeViews(gateway, counter, redact) }),
		}),
	];
}

function routeViews(
	{ snapshot, connections }: ApiGateway,
	counter: RouteCounter,
	redact: Redact,
): z.output<typeof routeSchema>[] {
	const open = new Map<string, { active: number; draining: number }>();
	for (const { facts, draining } of connections.list()) {
		const name = facts.route ?? "";
		const sum = open.get(name);
		if (sum === undefined) open.set(name, { active: 1, draining: draining ? 1 : 0 });
		else {
			sum.active++;
			if (draining) sum.draining++;
		}
	}
	return snapshot.config.routes.map(({ name, match, upstream, split, hub, http }) => ({
		name,
		match: redact(match) as Record<string, unknown>,
		upstreams: split
			? split.map((choice) => ({ name: choice.upstream, weight: choice.weight }))
			: upstream === undefined
				? []
				: [{ name: upstream, weight: 1 }],
		hub: hub?.name ?? null,
		http,
		...(open.get(name) ?? { active: 0, draining: 0 }),
		...counter.of(name),
	}));
}
