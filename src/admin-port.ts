/** The admin port of a running gateway: its routes, and how it follows the configuration. */
import { isDeepStrictEqual } from "node:util";
import type { EventStreams } from "./admin/api/events.ts";
import type { ApiRoute } from "./admin/api/operation.ts";
import { dashboardRoutes } from "./admin/dashboard.ts";
import { healthRoutes, type Readiness } from "./admin/health.ts";
import { type MetricsText, metricsRoute } from "./admin/metrics.ts";
import { openapiRoute } from "./admin/openapi.ts";
import type { AdminRoute } from "./admin/router.ts";
import { type AdminServer, type AdminSettings, startAdmin } from "./admin/server.ts";
import { addressesClash } from "./config/address.ts";
import type { AdminConfig } from "./config/schema.ts";
import type { GatewayEvents } from "./gateway/events.ts";
import { tellInternalError } from "./gateway/internal-error.ts";
import type { Change } from "./reload.ts";

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

/** A change of the port that can take effect, and can still be given up. */
export interface AdminChange {
	commit(): void;
	/** Everything stays as it was. */
	abandon(): Promise<void>;
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
	 * Opens, moves or closes the port, if the configuration asks for it.
	 * @throws ListenError when the address cannot be had
	 */
	async configure(config: AdminConfig | undefined): Promise<void> {
		(await this.prepare(config)).commit();
	}

	/**
	 * Does all of a change that can fail. The present port ends with the change, in the background: the request that asked
	 * for the reload may have come through it, and is answered there.
	 * @throws ListenError when the address cannot be had; the present port stays open then
	 */
	async prepare(config: AdminConfig | undefined): Promise<AdminChange> {
		const [previous, known] = [this.#server, this.#config];
		const opens = config !== undefined && !(previous && isDeepStrictEqual(config.address, known?.address));
		// The two cannot be open at once.
		const makesWay = opens && previous && known && addressesClash(config.address, known.address);
		if (makesWay) this.#retire(previous);
		const giveBack = async (): Promise<void> => {
			if (!makesWay) return;
			this.#server = undefined;
			try {
				this.#server = await this.#open(known);
			} catch (error) {
				// Another process was faster. The next reload tries again.
				tellInternalError(this.#parts.events, error, { where: "admin port" });
			}
		};
		const opened = opens
			? await this.#open(config).catch((error) => giveBack().then(() => Promise.reject(error)))
			: undefined;
		return {
			commit: () => {
				if (previous && !makesWay && (opens || config === undefined)) this.#retire(previous);
				if (opens || config === undefined) this.#server = opened;
				else if (config.token !== known?.token) {
					// Who reads the events with the old token may not any more.
					this.#parts.streams.close();
					previous?.configure(this.#settings(config));
				}
				this.#config = config;
			},
			abandon: async () => {
				await opened?.close();
				await giveBack();
			},
		};
	}

	/** A change of the rest of the configuration, together with the port's. @throws ListenError; the change is given up then */
	async join(change: Change, config: AdminConfig | undefined): Promise<Change> {
		const port = await this.prepare(config).catch(async (error: unknown) => {
			await change.abandon();
			throw error;
		});
		return {
			forecast: change.forecast,
			commit: async () => {
				const changed = await change.commit();
				port.commit();
				return changed;
			},
			abandon: async () => {
				await port.abandon();
				await change.abandon();
			},
		};
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
			address: config.address,
			...this.#settings(config),
			onError: (error, where) => tellInternalError(events, error, { where }),
		});
	}

	#settings({ token }: AdminConfig): AdminSettings {
		return { token, routes: this.#routes(token !== undefined && token !== "") };
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
