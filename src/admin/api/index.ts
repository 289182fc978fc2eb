/** The admin API: every resource, put together. A new one is a file and a line. */
import { activityRoutes } from "./activity.ts";
import type { ActivityLog } from "./activity-log.ts";
import type { ApiGateway } from "./api-gateway.ts";
import { configRoutes, type Redact } from "./config.ts";
import { connectionRoutes } from "./connections.ts";
import { drainRoutes } from "./drain.ts";
import { type EventStreams, eventRoutes } from "./events.ts";
import { hubRoutes } from "./hubs.ts";
import type { ApiRoute } from "./operation.ts";
import { type ReloadOutcome, reloadRoutes } from "./reload.ts";
import { type RevocationStore, revocationRoutes } from "./revocations.ts";
import type { RouteCounter } from "./route-counts.ts";
import { routeRoutes } from "./routes.ts";
import { type EndpointChanged, upstreamRoutes } from "./upstreams.ts";

export interface ApiParts {
	readonly gateway: ApiGateway;
	readonly counter: RouteCounter;
	readonly activity: ActivityLog;
	readonly streams: EventStreams;
	readonly reload: (how: { readonly force: boolean }) => Promise<ReloadOutcome>;
	readonly redact: Redact;
	readonly endpointChanged: EndpointChanged;
	readonly revocations: RevocationStore;
	/** ms since the epoch. */
	readonly now: () => number;
}

/** Every operation under /api/v1, without the OpenAPI document itself. */
export function apiOperations(parts: ApiParts): ApiRoute[] {
	const { gateway } = parts;
	return [
		...routeRoutes(gateway, parts.counter, parts.redact),
		...upstreamRoutes(gateway, parts.endpointChanged),
		...hubRoutes(gateway),
		...configRoutes(gateway, parts.redact),
		...connectionRoutes(gateway),
		...drainRoutes(gateway, parts.endpointChanged),
		...reloadRoutes(parts.reload),
		...activityRoutes(gateway, parts.activity, parts.now),
		...eventRoutes(parts.streams),
		...revocationRoutes(parts.revocations, parts.now),
	];
}
