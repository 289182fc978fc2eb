/** The composition root of one gateway process: makes every part, joins them, and takes them down in order. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { AdminPort } from "./admin-port.ts";
import type { Loaded } from "./config/load.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { type WatchedFiles, watchFiles } from "./config/watch.ts";
import { afterOn } from "./gateway/after.ts";
import { Connections } from "./gateway/connections.ts";
import { Drains } from "./gateway/drains.ts";
import { GatewayEvents } from "./gateway/events.ts";
import { Forwarders } from "./gateway/forwarders.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { leaveEndpoint, retire } from "./gateway/retire.ts";
import { type Revoked, type RevokeOptions, revoke } from "./gateway/revoke.ts";
import { ShutDown } from "./gateway/shutdown.ts";
import { compileSnapshot, type Snapshot } from "./gateway/snapshot.ts";
import { gatewaySource } from "./metrics-source.ts";
import { PolicyStates } from "./policy/states.ts";
import { Reloader, type ReloadResult, type ReloadTrigger } from "./reload.ts";
import { Listeners } from "./server/listeners.ts";
import { LogSink } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { OpenTelemetryTracing } from "./telemetry/tracing.ts";
import { TimerWheel } from "./tunnel/wheel.ts";
import { withDiscovered } from "./upstreams/discovery/merge.ts";
import { Monitor } from "./upstreams/monitor.ts";
import { becameAvailable } from "./upstreams/slow-start.ts";
import { UpstreamStates } from "./upstreams/states.ts";

/** A running gateway. */
export interface GatewayHandle {
	/** Bound port by listener name; 0 for a unix socket. */
	readonly ports: Readonly<Record<string, number>>;
	readonly adminPort: number | undefined;
	/** Tunnels open now. */
	connectionCount(): number;
	/**
	 * Takes tokens back: closes their connections with 1008 and refuses them from now on.
	 * @throws RangeError unless exactly one of `sub` and `jti` is given, and when there are too many revocations already
	 */
	revoke(options: RevokeOptions): Revoked;
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
	const tracing = new OpenTelemetryTracing();
	events.add(tracing);
	const log = new LogSink({ ...config.log, ...(write && { write }) });
	events.add(log);
	const states = new UpstreamStates(clock, (level, event, fields) => events.notice(level, event, fields));
	const wheel = new TimerWheel(clock);
	const policies = new PolicyStates({
		now: Date.now,
		clock,
		random,
		after: afterOn(wheel, clock),
		notice: (level, event, fields) => events.notice(level, event, fields),
		limited: (route, limit) => events.limited(route, limit),
	});
	const monitor = new Monitor({
		notice: (level, event, fields) => events.notice(level, event, fields),
		random,
		clock,
		onDown: (upstream, endpoint) => {
			if (upstream.onUnhealthy !== "close") return;
			leaveEndpoint(gateway.connections.list(), upstream.name, endpoint.id, gateway.drains);
		},
		onUp: (_upstream, endpoint) => becameAvailable(endpoint, clock()),
		onEndpoints: () => followDiscovery(),
	});
	const compile = (next: GatewayConfig): Snapshot => ({
		...compileSnapshot(withDiscovered(next, monitor.discovered), {
			states,
			policies,
			random,
			stickySecret: stickySecret(),
			readFile: readFileSync,
		}),
		// What the operator wrote, without what was discovered: the next file is compared with it.
		config: next,
	});
	const gateway: Gateway = {
		snapshot: compile(config),
		stopping: false,
		connections: new Connections(events, clock),
		handshakes: new Set(),
		drains: new Drains(events, random),
		events,
		tracing,
		wheel,
		policies,
		forwarders: new Forwarders(),
		clock,
		random,
	};
	states.prune(gateway.snapshot.upstreams.values());
	/** The same configuration with the endpoints that discovery knows now; connections to others are drained. */
	const followDiscovery = (): void => {
		const old = gateway.snapshot;
		let next: Snapshot;
		try {
			next = compile(old.config);
		} catch (error) {
			// A file of the configuration is not there at this moment. The next change of DNS, or a reload, tries again.
			events.notice("error", "discovery.rejected", { message: (error as Error).message });
			return;
		}
		gateway.snapshot = next;
		gateway.forwarders.retain(new Set(next.upstreams.values()));
		retire(gateway.connections.list(), old, next, gateway.drains);
		states.prune(next.upstreams.values());
		monitor.update(next.upstreams.values());
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
				policies.prune(snapshot.config.routes.flatMap(({ auth }) => auth.jwt?.jwks_url ?? []));
				// While a reload waited for its listeners, discovery may have gone on.
				if (monitor.discovered.size > 0) followDiscovery();
				else monitor.update(snapshot.upstreams.values());
				log.configure(snapshot.config.log);
				await admin.follow(snapshot.config.admin);
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
		monitor.stop();
		listeners.destroy();
		gateway.forwarders.close();
		await policies.close();
		states.close();
		metrics.stop();
		await admin.close();
		await log.stop();
	};

	try {
		monitor.update(gateway.snapshot.upstreams.values());
		await monitor.ready();
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
		revoke: (options) => revoke(gateway, options),
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
export function stickySecret(): Buffer {
	return createHash("sha256").update("clawgate sticky cookie").digest();
}
