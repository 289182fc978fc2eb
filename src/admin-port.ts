/** The admin port of a running gateway: its routes, and how it follows the configuration. */
import { isDeepStrictEqual } from "node:util";
import { healthRoutes } from "./admin/health.ts";
import { metricsRoute } from "./admin/metrics.ts";
import { type AdminServer, startAdmin } from "./admin/server.ts";
import type { AdminConfig } from "./config/schema.ts";
import type { Gateway } from "./gateway/gateway.ts";
import type { ReloadResult, ReloadTrigger } from "./reload.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface AdminPortParts {
	readonly gateway: Gateway;
	readonly metrics: Metrics;
	readonly isReady: () => boolean;
	readonly reload: (trigger: ReloadTrigger) => Promise<ReloadResult>;
}

export class AdminPort {
	readonly #parts: AdminPortParts;
	#config: AdminConfig | undefined;
	#server: AdminServer | undefined;

	constructor(parts: AdminPortParts) {
		this.#parts = parts;
	}

	/** The bound port; undefined without an admin port, or when it is a unix socket. */
	get port(): number | undefined {
		const address = this.#server?.address;
		return typeof address === "object" ? address.port : undefined;
	}

	/**
	 * Opens, moves or closes the port, if the configuration asks for it.
	 * @throws ListenError when the address cannot be had
	 */
	async configure(config: AdminConfig | undefined): Promise<void> {
		if (isDeepStrictEqual(config, this.#config)) return;
		const previous = this.#server;
		this.#server = undefined;
		this.#config = config;
		await previous?.close();
		if (config) this.#server = await this.#open(config);
	}

	async close(): Promise<void> {
		await this.#server?.close();
	}

	#open(config: AdminConfig): Promise<AdminServer> {
		const { gateway, metrics, isReady } = this.#parts;
		const readiness = () => {
			const ready = isReady();
			return ready ? { ready } : { ready, reason: "the gateway is starting or shutting down" };
		};
		return startAdmin({
			...config,
			routes: [...healthRoutes(readiness), metricsRoute(metrics)],
			onError: (error, where) => gateway.events.notice("error", "internal.error", { message: error.message, where }),
		});
	}
}
