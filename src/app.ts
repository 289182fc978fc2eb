/** The composition root of one gateway process: makes every part, joins them, and takes them down in order. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { healthRoutes } from "./admin/health.ts";
import { metricsRoute } from "./admin/metrics.ts";
import { startAdmin } from "./admin/server.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { Connections } from "./gateway/connections.ts";
import { GatewayEvents } from "./gateway/events.ts";
import { Forwarders } from "./gateway/forwarders.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { shutDown } from "./gateway/shutdown.ts";
import { compileSnapshot } from "./gateway/snapshot.ts";
import { gatewaySource } from "./metrics-source.ts";
import { Listener } from "./server/listener.ts";
import { LogSink } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { TimerWheel } from "./tunnel/wheel.ts";
import { UpstreamStates } from "./upstreams/states.ts";

/** A running gateway. */
export interface GatewayHandle {
	/** Bound port by listener name; 0 for a unix socket. */
	readonly ports: Readonly<Record<string, number>>;
	readonly adminPort: number | undefined;
	/** Tunnels open now. */
	connectionCount(): number;
	/**
	 * Stops as SIGTERM does: not ready, `shutdown.delay`, no new connections, drain. Resolves when all is closed.
	 * `immediately` cuts everything off, also when a stop is under way.
	 */
	stop(options?: { immediately?: boolean }): Promise<void>;
}

export interface GatewayOptions {
	readonly config: GatewayConfig;
	/** Takes the log lines instead of stdout. */
	readonly write?: (line: string) => void;
}

/**
 * Starts a gateway.
 * @throws ListenError when an address cannot be had; Error when a certificate or key cannot be used
 */
export async function startGateway({ config, write }: GatewayOptions): Promise<GatewayHandle> {
	const clock = () => performance.now();
	const random = Math.random;
	const events = new GatewayEvents();
	const log = new LogSink({ level: config.log.level, format: config.log.format, ...(write && { write }) });
	events.add(log);
	const states = new UpstreamStates(clock);
	const gateway: Gateway = {
		snapshot: compileSnapshot(config, { states, random, stickySecret: stickySecret(), readFile: readFileSync }),
		stopping: false,
		connections: new Connections(events, clock),
		handshakes: new Set(),
		events,
		wheel: new TimerWheel(clock),
		forwarders: new Forwarders(),
		clock,
		random,
	};
	const listeners: Listener[] = [];
	const metrics = new Metrics({ source: gatewaySource(gateway, listeners) });
	events.add(metrics);
	let ready = false;
	let admin: Awaited<ReturnType<typeof startAdmin>> | undefined;

	const close = async (): Promise<void> => {
		ready = false;
		for (const listener of listeners) listener.destroy();
		gateway.forwarders.close();
		metrics.stop();
		await admin?.close();
		await log.stop();
	};

	try {
		for (const listener of config.listeners) listeners.push(await Listener.open(listener, gateway));
		if (config.admin) {
			admin = await startAdmin({
				...config.admin,
				routes: [...healthRoutes(() => readiness(ready)), metricsRoute(metrics)],
				onError: (error, where) => events.notice("error", "internal.error", { message: error.message, where }),
			});
		}
	} catch (error) {
		await close();
		throw error;
	}
	ready = true;

	let stopped: Promise<void> | undefined;
	let cut: () => void = () => undefined;
	return {
		ports: Object.fromEntries(listeners.map(({ name, port }) => [name, port])),
		adminPort: typeof admin?.address === "object" ? admin.address.port : undefined,
		connectionCount: () => gateway.connections.size,
		stop: ({ immediately = false } = {}) => {
			if (!stopped) {
				ready = false;
				const stopping = shutDown(gateway, listeners, config.shutdown);
				cut = stopping.cut;
				stopped = stopping.done.then(close);
			}
			if (immediately) cut();
			return stopped;
		},
	};
}

function readiness(ready: boolean): { ready: boolean; reason?: string } {
	return ready ? { ready } : { ready, reason: "the gateway is starting or shutting down" };
}

/**
 * Key of sticky cookies where the config has none. It is the same everywhere, so that cookies survive a restart and
 * hold on every gateway; whoever must not be able to choose an endpoint is kept from it by `sticky.cookie.secret`.
 */
function stickySecret(): Buffer {
	return createHash("sha256").update("clawgate sticky cookie").digest();
}
