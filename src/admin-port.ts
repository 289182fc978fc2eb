/** The admin port of a running gateway: its routes, and how it follows the configuration. */
import { isDeepStrictEqual } from "node:util";
import { ActivityLog } from "./admin/api/activity-log.ts";
import { EventFeed } from "./admin/api/event-feed.ts";
import { EventStreams } from "./admin/api/events.ts";
import { apiRoutes } from "./admin/api/index.ts";
import { RouteCounter } from "./admin/api/route-counts.ts";
import { dashboardRoutes } from "./admin/dashboard.ts";
import { healthRoutes } from "./admin/health.ts";
import { metricsRoute } from "./admin/metrics.ts";
import type { AdminRoute } from "./admin/router.ts";
import { type AdminServer, startAdmin } from "./admin/server.ts";
import { redactConfig } from "./config/redact.ts";
import type { AdminConfig } from "./config/schema.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { revoke } from "./gateway/revoke.ts";
import type { ReloadResult, ReloadTrigger } from "./reload.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import type { Endpoint } from "./upstreams/endpoint.ts";
import { noteService } from "./upstreams/slow-start.ts";
import type { Upstream } from "./upstreams/upstream.ts";

/** Where the build puts the dashboard; the same for `src/` and `dist/`. */
const DASHBOARD = new URL("../dist/dashboard/", import.meta.url);

export interface AdminPortParts {
	readonly gateway: Gateway;
	readonly metrics: Metrics;
	readonly isReady: () => boolean;
	readonly reload: (trigger: ReloadTrigger) => Promise<ReloadResult>;
}

export class AdminPort {
	readonly #parts: AdminPortParts;
	readonly #counter = new RouteCounter();
	readonly #activity = new ActivityLog(Date.now);
	readonly #streams: EventStreams;
	#config: AdminConfig | undefined;
	#server: AdminServer | undefined;
	/** Earlier ones that still answer what was under way. */
	readonly #closing = new Set<Promise<void>>();

	/** Follows the gateway's events from here on. */
	constructor(parts: AdminPortParts) {
		this.#parts = parts;
		const feed = new EventFeed(Date.now);
		this.#streams = new EventStreams(feed);
		parts.gateway.events.add(this.#counter);
		parts.gateway.events.add(feed);
		parts.gateway.events.add(this.#activity);
	}

	/** The bound port; undefined without an admin port, or when it is a unix socket. */
	get port(): number | undefined {
		const address = this.#server?.address;
		return typeof address === "object" ? address.port : undefined;
	}

	/**
	 * Opens, moves or closes the port, if the configuration asks for it. The old one ends in the background: the request
	 * that asked for the reload may have come through it, and is answered there.
	 * @throws ListenError when the address cannot be had; a port at another address stays open then
	 */
	async configure(config: AdminConfig | undefined): Promise<void> {
		if (isDeepStrictEqual(config, this.#config)) return;
		const previous = this.#server;
		const moves = !isDeepStrictEqual(config?.address, this.#config?.address);
		const opened = config && moves ? await this.#open(config) : undefined;
		if (previous) this.#retire(previous);
		this.#server = undefined;
		this.#config = undefined;
		this.#server = opened ?? (config && (await this.#open(config)));
		this.#config = config;
	}

	/** Like {@link configure} after a reload: the rest of it is in force already, so a failure is only told. */
	async follow(config: AdminConfig | undefined): Promise<void> {
		try {
			await this.configure(config);
		} catch (error) {
			this.#parts.gateway.events.notice("error", "internal.error", {
				message: (error as Error).message,
				where: "admin port after a reload",
			});
		}
	}

	async close(): Promise<void> {
		this.#streams.close();
		await Promise.all([this.#server?.close(), ...this.#closing]);
	}

	#retire(server: AdminServer): void {
		this.#streams.close();
		const closed = server.close().then(() => void this.#closing.delete(closed));
		this.#closing.add(closed);
	}

	#open(config: AdminConfig): Promise<AdminServer> {
		const { events } = this.#parts.gateway;
		return startAdmin({
			...config,
			routes: this.#routes(config.token !== undefined && config.token !== ""),
			onError: (error, where) => events.notice("error", "internal.error", { message: error.message, where }),
		});
	}

	#routes(needsToken: boolean): AdminRoute[] {
		const { gateway, metrics, isReady, reload } = this.#parts;
		const readiness = () => {
			const ready = isReady();
			return ready ? { ready } : { ready, reason: "the gateway is starting or shutting down" };
		};
		return [
			...healthRoutes(readiness),
			metricsRoute(metrics),
			...dashboardRoutes(DASHBOARD, needsToken),
			...apiRoutes({
				gateway,
				counter: this.#counter,
				activity: this.#activity,
				streams: this.#streams,
				reload: () => reload("api"),
				redact: redactConfig,
				endpointChanged: (upstream, endpoint) => this.#endpointChanged(upstream, endpoint),
				revocations: {
					revoke: (target) => revoke(gateway, target),
					list: () => gateway.policies.revocations.list(),
				},
				now: Date.now,
			}),
		];
	}

	/** One that is back in service starts slowly, as after a reload that says so. */
	#endpointChanged(upstream: Upstream, endpoint: Endpoint): void {
		const { gateway } = this.#parts;
		noteService(endpoint, false, gateway.clock());
		gateway.events.notice("info", "endpoint.changed", {
			upstream: upstream.name,
			endpoint: endpoint.id,
			state: endpoint.mode,
			weight: endpoint.weight,
			by: "api",
		});
	}
}
