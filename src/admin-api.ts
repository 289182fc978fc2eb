/** The admin API's operations on one process: what they follow of its events, and what they do to it. */
import { ActivityLog } from "./admin/api/activity-log.ts";
import type { ApiGateway } from "./admin/api/api-gateway.ts";
import { EventFeed } from "./admin/api/event-feed.ts";
import type { EventStreams } from "./admin/api/events.ts";
import { apiOperations } from "./admin/api/index.ts";
import type { ApiRoute } from "./admin/api/operation.ts";
import type { RevocationStore } from "./admin/api/revocations.ts";
import { RouteCounter } from "./admin/api/route-counts.ts";
import { redactConfig } from "./config/redact.ts";
import type { GatewayEvents } from "./gateway/events.ts";
import type { ReloadResult } from "./reload.ts";
import type { Endpoint } from "./upstreams/endpoint.ts";
import { noteService } from "./upstreams/slow-start.ts";
import type { Upstream } from "./upstreams/upstream.ts";

/** What the operations work on. */
export interface ApiTarget {
	readonly gateway: ApiGateway;
	readonly reload: (how: { readonly force: boolean }) => Promise<ReloadResult>;
	readonly revocations: RevocationStore;
	/** For `GET events`. */
	readonly streams: EventStreams;
	/** Called after an operator changed an endpoint. */
	readonly endpointChanged: (upstream: Upstream, endpoint: Endpoint) => void;
}

/** Follows the events of a process from its construction on. */
export class AdminApi {
	readonly feed = new EventFeed(Date.now);
	readonly #counter = new RouteCounter();
	readonly #activity = new ActivityLog(Date.now);

	constructor(events: GatewayEvents) {
		for (const sink of [this.feed, this.#counter, this.#activity]) events.add(sink);
	}

	operations({ endpointChanged, ...target }: ApiTarget): ApiRoute[] {
		return apiOperations({
			...target,
			counter: this.#counter,
			activity: this.#activity,
			redact: redactConfig,
			endpointChanged: (upstream, endpoint) => {
				// One that is back in service starts slowly, as after a reload that says so.
				noteService(endpoint, false, target.gateway.clock());
				endpointChanged(upstream, endpoint);
			},
			now: Date.now,
		});
	}
}

/** Says in the log what an operator changed. */
export function announceEndpoint(events: GatewayEvents): ApiTarget["endpointChanged"] {
	return (upstream, endpoint) =>
		events.notice("info", "endpoint.changed", {
			upstream: upstream.name,
			endpoint: endpoint.id,
			state: endpoint.mode,
			weight: endpoint.weight,
			by: "api",
		});
}
