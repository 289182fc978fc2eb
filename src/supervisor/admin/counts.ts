/** `routes` and `upstreams` of all workers as one list: what the supervisor knows, with the workers' counts. */
import type { z } from "zod";
import type { endpointSchema } from "../../admin/api/endpoint-view.ts";
import type { routeSchema } from "../../admin/api/routes.ts";
import type { upstreamSchema } from "../../admin/api/upstreams.ts";
import type { RouteTotals } from "./gone.ts";

export type RouteView = z.output<typeof routeSchema>;
export type UpstreamView = z.output<typeof upstreamSchema>;
export type EndpointView = z.output<typeof endpointSchema>;

const COUNTS = ["active", "draining", "opened", "closed", "rejected"] as const;

/**
 * @param own the supervisor's: the running configuration's routes in their order
 * @param gone what processes that have ended counted
 */
export function mergedRoutes(
	own: readonly RouteView[],
	parts: readonly (readonly RouteView[])[],
	gone: (route: string) => RouteTotals,
): RouteView[] {
	return own.map((route) => {
		const sum = { ...route };
		for (const part of parts) {
			const same = part.find(({ name }) => name === route.name);
			for (const count of COUNTS) sum[count] += same?.[count] ?? 0;
		}
		const { opened, closed, rejected } = gone(route.name);
		sum.opened += opened;
		sum.closed += closed;
		sum.rejected += rejected;
		return sum;
	});
}

/** @param own the supervisor's: the running configuration, what probes found, what operators changed */
export function mergedUpstreams(
	own: readonly UpstreamView[],
	parts: readonly (readonly UpstreamView[])[],
): UpstreamView[] {
	return own.map((upstream) => ({
		...upstream,
		endpoints: upstream.endpoints.map((endpoint) =>
			mergedEndpoint(
				endpoint,
				parts.flatMap((part) => {
					const same = part.find(({ name }) => name === upstream.name);
					return same?.endpoints.find(({ id }) => id === endpoint.id) ?? [];
				}),
			),
		),
	}));
}

const BREAKER_STATES = ["closed", "half_open", "open"] as const;

/** Connections are added; of breakers, ejections and availability the worst counts: some clients meet it. */
export function mergedEndpoint(own: EndpointView, parts: readonly EndpointView[]): EndpointView {
	const all = [own, ...parts];
	const { unavailable_reason: _, ejected_ms: __, ...endpoint } = own;
	const unavailable = all.find(({ available }) => !available);
	const reason = unavailable?.unavailable_reason;
	const failing = all.find((each) => each.failing);
	const ejections = parts.flatMap(({ ejected_ms }) => ejected_ms ?? []);
	const breaker = BREAKER_STATES.findLast((state) => all.some((each) => each.breaker === state));
	return {
		...endpoint,
		effective_weight: Math.min(...all.map(({ effective_weight }) => effective_weight)),
		available: unavailable === undefined,
		...(reason !== undefined && { unavailable_reason: reason }),
		failing: failing !== undefined,
		...(failing?.failing_reason !== undefined && { failing_reason: failing.failing_reason }),
		...(breaker !== undefined && { breaker }),
		ejected: parts.some(({ ejected }) => ejected),
		...(ejections.length > 0 && { ejected_ms: Math.max(...ejections) }),
		active: all.reduce((sum, { active }) => sum + active, 0),
		pending: all.reduce((sum, { pending }) => sum + pending, 0),
	};
}
