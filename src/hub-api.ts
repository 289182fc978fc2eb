/** `hub_api` of a running gateway: the server for backends, and how it follows the configuration. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { isDeepStrictEqual } from "node:util";
import type { HubApiConfig } from "./config/schema.ts";
import type { GatewayEvents } from "./gateway/events.ts";
import { tellInternalError } from "./gateway/internal-error.ts";
import { HubApi } from "./hub/api/server.ts";
import type { Hubs } from "./hub/hubs.ts";
import { parseKeysFile } from "./policy/api-key.ts";
import { listen } from "./protocol/listen.ts";
import { tlsOrder } from "./server/tls-order.ts";

/** For the head of a request, and for the whole of it, ms. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How long an idle connection of a backend is kept, ms: longer than clients' own. */
const KEEP_ALIVE_MS = 65_000;
const MOST_CONNECTIONS = 1_024;

export interface HubApiPortParts {
	readonly hubs: Hubs;
	readonly events: GatewayEvents;
	readonly version: string;
}

export class HubApiPort {
	readonly #api: HubApi;
	readonly #events: GatewayEvents;
	#config: HubApiConfig | undefined;
	#keys: ReadonlyMap<string, string> | undefined;
	#server: Server | undefined;
	#port: number | undefined;

	constructor({ hubs, events, version }: HubApiPortParts) {
		this.#events = events;
		this.#api = new HubApi({
			hubs: () => hubs.all(),
			keys: () => this.#keys,
			node: () => ({ uid: String(process.pid), name: "clawgate", version, uptime: Math.round(process.uptime()) }),
			log: ({ operation, caller, status, message }) => {
				const level = message === undefined ? "debug" : "warn";
				events.notice(level, "hub_api.request", { operation, caller, status, message });
			},
			failed: (error) => tellInternalError(events, error, { where: "hub_api" }),
		});
	}

	/** The bound port; undefined when it is not open, or on a unix socket. */
	get port(): number | undefined {
		return this.#port;
	}

	/**
	 * Opens, moves or closes it.
	 * @param readFile the content of a file of the configuration
	 * @throws ListenError when the address cannot be had; Error when the keys cannot be read
	 */
	async configure(config: HubApiConfig | undefined, readFile: (path: string) => Buffer): Promise<void> {
		const keys =
			config?.keys_file === undefined
				? undefined
				: new Map(
						[...parseKeysFile(readFile(config.keys_file).toString("utf8"))].map(([hex, { name }]) => [hex, name]),
					);
		const secrets = config?.tls && readTls(config.tls, readFile);
		const known = this.#config;
		if (
			!isDeepStrictEqual(config?.address, known?.address) ||
			(config?.tls === undefined) !== (known?.tls === undefined)
		) {
			await this.close();
			if (config) await this.#open(config, secrets);
		} else if (secrets) (this.#server as TlsServer | undefined)?.setSecureContext(secrets);
		this.#keys = keys;
		this.#config = config;
	}

	/** Like {@link configure} after a reload: the rest of it is in force already, so a failure is only told. */
	async follow(config: HubApiConfig | undefined, readFile: (path: string) => Buffer): Promise<void> {
		try {
			await this.configure(config, readFile);
		} catch (error) {
			tellInternalError(this.#events, error, { where: "hub_api after a reload" });
		}
	}

	async close(): Promise<void> {
		const server = this.#server;
		this.#server = undefined;
		this.#port = undefined;
		if (!server) return;
		await new Promise<void>((resolve) => {
			server.close(() => resolve());
			server.closeAllConnections();
		});
	}

	async #open({ address }: HubApiConfig, tls: TlsSecrets | undefined): Promise<void> {
		const times = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS };
		const server = tls ? createTlsServer({ ...times, handshakeTimeout: HEADERS_MS, ...tls }) : createServer(times);
		server.maxConnections = MOST_CONNECTIONS;
		server.on("request", (request, response) => void this.#api.handle(request, response));
		const bound = await listen(server, address, "hub_api.address");
		server.on("error", (error) => tellInternalError(this.#events, error, { where: "hub_api" }));
		this.#server = server;
		this.#port = typeof bound === "object" ? bound.port : undefined;
	}
}

type TlsSecrets = ReturnType<typeof readTls>;

/** @throws Error when a file cannot be read */
function readTls({ certificates, min_version }: NonNullable<HubApiConfig["tls"]>, readFile: (path: string) => Buffer) {
	return {
		...tlsOrder(),
		minVersion: `TLSv${min_version}` as const,
		cert: certificates.map(({ cert }) => readFile(cert)),
		key: certificates.map(({ key }) => readFile(key)),
	};
}
