/** The composition root of one gateway process: makes every part, joins them, and takes them down in order. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { AdminPort } from "./admin-port.ts";
import type { Loaded } from "./config/load.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { type WatchedFiles, watchFiles } from "./config/watch.ts";
import { Connections } from "./gateway/connections.ts";
import { Drains } from "./gateway/drains.ts";
import { GatewayEvents } from "./gateway/events.ts";
import { Forwarders } from "./gateway/forwarders.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { ShutDown } from "./gateway/shutdown.ts";
import { compileSnapshot, type Snapshot } from "./gateway/snapshot.ts";
import { gatewaySource } from "./metrics-source.ts";
import { Reloader, type ReloadResult, type ReloadTrigger } from "./reload.ts";
import { Listeners } from "./server/listeners.ts";
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
	/** Reads the configuration anew. Without {@link GatewayOptions.source} there is nothing to read. */
	reload(trigger: ReloadTrigger): Promise<ReloadResult>;
	/**
	 * Stops as SIGTERM does: not ready, `shutdown.delay`, no new connections, drain. Resolves when all is closed.
	 * `immediately` cuts everything off, also when a stop is under way.
	 */
	stop(options?: { immediately?: boolean }): Promise<void>;
}

/** Where the configuration comes from, for reloads. */
export interface ConfigSource {
	/** The configuration file's absolute path. */
	readonly file: string;
	/** Reads it anew. */
	load(): Loaded;
}

export interface GatewayOptions {
	readonly config: GatewayConfig;
	/** With it, the gateway reloads when a file changes, and when it is told to. */
	readonly source?: ConfigSource | undefined;
	/** Takes the log lines instead of stdout. */
	readonly write?: (line: string) => void;
}

/**
 * Starts a gateway.
 * @throws ListenError when an address cannot be had; Error when a certificate or key cannot be used
 */
export async function startGateway({ config, source, write }: GatewayOptions): Promise<GatewayHandle> {
	const clock = () => performance.now();
	const random = Math.random;
	const events = new GatewayEvents();
	const log = new LogSink({ level: config.log.level, format: config.log.format, ...(write && { write }) });
	events.add(log);
	const states = new UpstreamStates(clock);
	const compile = (next: GatewayConfig): Snapshot =>
		compileSnapshot(next, { states, random, stickySecret: stickySecret(), readFile: readFileSync });
	const gateway: Gateway = {
		snapshot: compile(config),
		stopping: false,
		connections: new Connections(events, clock),
		handshakes: new Set(),
		drains: new Drains(events, random),
		events,
		wheel: new TimerWheel(clock),
		forwarders: new Forwarders(),
		clock,
		random,
	};
	const listeners = new Listeners(gateway);
	const metrics = new Metrics({ source: gatewaySource(gateway, listeners) });
	events.add(metrics);
	let ready = false;
	let watched: WatchedFiles | undefined;

	const reloader = new Reloader(
		{
			gateway,
			listeners,
			load: () => source?.load() ?? { config: gateway.snapshot.config, problems: [], files: [] },
			compile,
			applied: async (snapshot) => {
				states.prune(snapshot.upstreams.values());
				log.configure(snapshot.config.log);
				await admin.configure(snapshot.config.admin);
			},
		},
		source?.load().files ?? [],
	);
	const reload = async (trigger: ReloadTrigger): Promise<ReloadResult> => {
		const result = await reloader.reload(trigger);
		if (source) watched?.set([source.file, ...reloader.files]);
		return result;
	};
	const admin = new AdminPort({ gateway, metrics, isReady: () => ready, reload });

	const close = async (): Promise<void> => {
		ready = false;
		watched?.stop();
		listeners.destroy();
		gateway.forwarders.close();
		metrics.stop();
		await admin.close();
		await log.stop();
	};

	try {
		await (await listeners.prepare(config.listeners)).commit();
		await admin.configure(config.admin);
	} catch (error) {
		await close();
		throw error;
	}
	if (source) {
		watched = watchFiles(() => void reload("file"));
		watched.set([source.file, ...reloader.files]);
	}
	ready = true;

	let stopping: ShutDown | undefined;
	let stopped: Promise<void> | undefined;
	return {
		get ports() {
			return Object.fromEntries([...listeners.list()].map(({ name, port }) => [name, port]));
		},
		get adminPort() {
			return admin.port;
		},
		connectionCount: () => gateway.connections.size,
		reload,
		stop: ({ immediately = false } = {}) => {
			ready = false;
			stopping ??= new ShutDown(gateway, listeners);
			if (immediately) stopping.cut();
			stopped ??= stopping.done.then(close);
			return stopped;
		},
	};
}

/**
 * Key of sticky cookies where the config has none. It is the same everywhere, so that cookies survive a restart and
 * hold on every gateway; whoever must not be able to choose an endpoint is kept from it by `sticky.cookie.secret`.
 */
function stickySecret(): Buffer {
	return createHash("sha256").update("clawgate sticky cookie").digest();
}
