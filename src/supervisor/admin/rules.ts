/** How each operation of the admin API is done on several workers. */
import type { Activity } from "../../admin/api/activity.ts";
import { type ApiRoute, type Call, doneBy, type Run } from "../../admin/api/operation.ts";
import type { DrainProgress } from "../../gateway/drains.ts";
import type { MetricObject } from "../../telemetry/merge.ts";
import type { WorkerHandle } from "../contract.ts";
import { mergedActivity } from "./activity.ts";
import { askApi } from "./ask.ts";
import { connectionRules } from "./connections.ts";
import {
	type EndpointView,
	mergedEndpoint,
	mergedRoutes,
	mergedUpstreams,
	type RouteView,
	type UpstreamView,
} from "./counts.ts";
import type { GatewayDrains } from "./drains.ts";
import { routeTotals, trafficTotals } from "./gone.ts";
import { hubRules } from "./hubs.ts";
import type { Rule } from "./rule.ts";

export interface RuleParts {
	/** Those that can be asked, also when they are about to serve, or to end. */
	readonly alive: () => readonly WorkerHandle[];
	readonly workers: () => Activity["workers"];
	readonly drains: GatewayDrains;
	/** Metrics of workers that have ended. */
	readonly gone: () => readonly MetricObject[];
}

/** The operations of the whole gateway. One without a rule is the supervisor's own: the configuration, reloads, events. */
export function gathered(operations: readonly ApiRoute[], parts: RuleParts): ApiRoute[] {
	const rules = new Map(
		Object.entries({ ...connectionRules(parts.alive), ...hubRules(parts.alive), ...otherRules(parts) }),
	);
	return operations.map((route) => {
		const { spec, run } = route;
		const operation = `${spec.method} ${spec.path}`;
		const rule = rules.get(operation);
		return rule && run ? doneBy(spec, (call) => rule(call, run, operation)) : route;
	});
}

function otherRules({ alive, workers, drains, gone }: RuleParts): Record<string, Rule> {
	return {
		"GET /api/v1/routes": async (call, own, operation) => {
			const { routes } = await bodyOf<{ routes: RouteView[] }>(own, call);
			const { parts, missing } = await askApi<{ routes: RouteView[] }>(alive(), operation, call);
			const ended = gone();
			const merged = mergedRoutes(
				routes,
				parts.map(({ body }) => body.routes),
				(route) => routeTotals(ended, route),
			);
			return { status: 200, body: { routes: merged, ...missing } };
		},
		"GET /api/v1/upstreams": async (call, own, operation) => {
			const { upstreams } = await bodyOf<{ upstreams: UpstreamView[] }>(own, call);
			const { parts, missing } = await askApi<{ upstreams: UpstreamView[] }>(alive(), operation, call);
			const merged = mergedUpstreams(
				upstreams,
				parts.map(({ body }) => body.upstreams),
			);
			return { status: 200, body: { upstreams: merged, ...missing } };
		},
		"PATCH /api/v1/upstreams/{name}/endpoints/{id}": async (call, own, operation) => {
			const endpoint = await bodyOf<EndpointView>(own, call);
			const { parts, missing } = await askApi<EndpointView>(alive(), operation, call);
			const merged = mergedEndpoint(
				endpoint,
				parts.map(({ body }) => body),
			);
			return { status: 200, body: { ...merged, ...missing } };
		},
		"POST /api/v1/drain": async (call, own, operation) => {
			const drain = await bodyOf<DrainProgress>(own, call);
			const { missing } = await askApi<DrainProgress>(alive(), operation, call);
			return { status: 202, body: { ...(drains.begun(drain.id) ?? drain), ...missing } };
		},
		"GET /api/v1/drain": async (call, own, operation) => {
			const { parts, missing } = await askApi<{ drains: DrainProgress[] }>(alive(), operation, call);
			for (const { worker, body } of parts) drains.refresh(worker, body.drains);
			return { status: 200, body: { ...(await bodyOf<{ drains: DrainProgress[] }>(own, call)), ...missing } };
		},
		"GET /api/v1/activity": async (call, own, operation) => {
			const activity = await bodyOf<Activity>(own, call);
			const { parts, missing } = await askApi<Activity>(alive(), operation, call);
			const merged = mergedActivity(
				activity,
				parts.map(({ body }) => body),
				trafficTotals(gone()),
			);
			return { status: 200, body: { ...merged, workers: workers(), ...missing } };
		},
	};
}

async function bodyOf<T>(run: Run, call: Call<unknown, unknown>): Promise<T> {
	return (await run(call)).body as T;
}
