/** The admin port of a running gateway: its routes, and how it follows the configuration. */
import { isDeepStrictEqual } from "node:util";
import type { EventStreams } from "./admin/api/events.ts";
import type { ApiRoute } from "./admin/api/operation.ts";
import { dashboardRoutes } from "./admin/dashboard.ts";
import { healthRoutes, type Readiness } from "./admin/health.ts";
import { type MetricsText, metricsRoute } from "./admin/metrics.ts";
import { openapiRoute } from "./admin/openapi.ts";
import type { AdminRoute } from "./admin/router.ts";
import { type AdminServer, startAdmin } from "./admin/server.ts";
import type { AdminConfig } from "./config/schema.ts";
import type { GatewayEvents } from "./gateway/events.ts";
import { tellInternalError } from "./gateway/internal-error.ts";

/** Where the build puts the dashboard; the same for `src/` and `dist/`. */
const DASHBOARD = new URL("../dist/dashboard/", import.meta.url);

export interface AdminPortParts {
	/** Takes what goes wrong. */
	readonly events: GatewayEvents;
	readonly metrics: MetricsText;
	readonly readiness: () => Readiness;
	/** The API without its OpenAPI document. */
	readonly operations: readonly ApiRoute[];
	/** Those of `GET events`: they end with the port. */
	readonly streams: EventStreams;
}

export class AdminPort {
	readonly #parts: AdminPortParts;
	#config: AdminConfig | undefined;
	#server: AdminServer | undefined;
	/** Earlier ones that still answer what was under way. */
	readonly #closing = new Set<Promise<void>>();

	constructor(parts: AdminPortParts) {
		this.#parts = parts;
	}

	get open(): boolean {
		return this.#server !== undefined;
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
			tellInternalError(this.#parts.events, error, { where: "admin port after a reload" });
		}
	}

	async close(): Promise<void> {
		this.#parts.streams.close();
		await Promise.all([this.#server?.close(), ...this.#closing]);
	}

	#retire(server: AdminServer): void {
		this.#parts.streams.close();
		const closed = server.close().then(() => void this.#closing.delete(closed));
		this.#closing.add(closed);
	}

	#open(config: AdminConfig): Promise<AdminServer> {
		const { events } = this.#parts;
		return startAdmin({
			...config,
			routes: this.#routes(config.token !== undefined && config.token !== ""),
			onError: (error, where) => tellInternalError(events, error, { where }),
		});
	}

	#routes(needsToken: boolean): AdminRoute[] {
		const { metrics, readiness, operations } = this.#parts;
		return [
			...healthRoutes(readiness),
			metricsRoute(metrics),
			...dashboardRoutes(DASHBOARD, needsToken),
			...[...operations, openapiRoute(operations)].map(({ route }) => route),
		];
	}
}
