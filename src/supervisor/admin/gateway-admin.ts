/** The supervisor's admin port: the API, the dashboard and the metrics of one process, over all workers. */
import { EventStreams } from "../../admin/api/events.ts";
import type { Readiness } from "../../admin/health.ts";
import { AdminApi, announceEndpoint } from "../../admin-api.ts";
import { AdminPort } from "../../admin-port.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { ReloadResult } from "../../reload.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Workers } from "../contract.ts";
import { GatewayDrains } from "./drains.ts";
import { GatewayFeed } from "./events.ts";
import { GatewayMetrics } from "./metrics.ts";
import { gathered } from "./rules.ts";
import { GatewaySteering } from "./steering.ts";

export interface GatewayAdminParts {
	/** The supervisor's own: the configuration, health, overrides and revocations; it has no connections. */
	readonly gateway: Gateway;
	readonly metrics: Metrics;
	readonly workers: Workers;
	readonly readiness: () => Readiness;
	readonly reload: (how: { readonly force: boolean }) => Promise<ReloadResult>;
}

/** To be made before the first worker starts. */
export class GatewayAdmin {
	/** Opened by whoever knows the configuration. */
	readonly port: AdminPort;
	readonly #drains: GatewayDrains;
	readonly #feed: GatewayFeed;
	readonly #metrics: GatewayMetrics;

	constructor({ gateway, metrics, workers, readiness, reload }: GatewayAdminParts) {
		const { events } = gateway;
		const api = new AdminApi(events);
		const steering = new GatewaySteering(gateway, workers, () => this.#feed.following);
		this.#feed = new GatewayFeed(api.feed, workers, steering.workers);
		this.#drains = new GatewayDrains(events, workers);
		this.#metrics = new GatewayMetrics(metrics, workers, steering.workers, () => this.port.open);
		const streams = new EventStreams(this.#feed.feed, this.#feed);
		const own = api.operations({
			gateway: {
				get snapshot() {
					return gateway.snapshot;
				},
				get stopping() {
					return gateway.stopping;
				},
				connections: gateway.connections,
				handshakes: gateway.handshakes,
				hubs: gateway.hubs,
				clock: gateway.clock,
				drains: this.#drains,
			},
			reload,
			revocations: steering.revocations,
			streams,
			endpointChanged: announceEndpoint(events),
		});
		const operations = gathered(own, {
			alive: steering.workers,
			workers: () => ({ serving: workers.list().length, configured: workers.size }),
			drains: this.#drains,
			gone: () => this.#metrics.gone,
		});
		this.port = new AdminPort({
			events,
			metrics: this.#metrics,
			readiness: () => {
				const own = readiness();
				return own.ready && workers.list().length === 0 ? { ready: false, reason: "no worker runs" } : own;
			},
			operations,
			streams,
		});
	}

	/** Closes the port. What the log does not have yet about drains is written. */
	async close(): Promise<void> {
		this.#drains.close();
		this.#metrics.stop();
		this.#feed.close();
		await this.port.close();
	}
}
