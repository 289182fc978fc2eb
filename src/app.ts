/** The composition root of one gateway process: makes every part, joins them, and takes them down in order. */
import { EventStreams } from "./admin/api/events.ts";
import { AdminApi, announceEndpoint } from "./admin-api.ts";
import { AdminPort } from "./admin-port.ts";
import { unlessCancelled } from "./cancellable.ts";
import type { Loaded } from "./config/load.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { type WatchedFiles, watchFiles } from "./config/watch.ts";
import { workerCount } from "./config/workers.ts";
import type { GatewayEvents } from "./gateway/events.ts";
import { type Revoked, type RevokeOptions, revoke } from "./gateway/revoke.ts";
import { ShutDown } from "./gateway/shutdown.ts";
import { fileReader } from "./gateway/snapshot.ts";
import { GatewayProcess, type Shared } from "./gateway-process.ts";
import { HubApiPort } from "./hub-api.ts";
import { Reloader, type ReloadResult, type ReloadTrigger, restartWarnings } from "./reload.ts";
import type { TicketKeys } from "./server/ticket-keys.ts";
import type { NameServersOptions } from "./sockets/name-servers.ts";
import { Monitor } from "./upstreams/monitor.ts";
import { packageVersion } from "./version.ts";

/** A running gateway, of one process or of several. */
export interface RunningGateway {
	/** Bound port by listener name; 0 for a unix socket. */
	readonly ports: Readonly<Record<string, number>>;
	readonly adminPort: number | undefined;
	readonly hubApiPort: number | undefined;
	/** Reads the configuration anew. Without {@link GatewayOptions.source} there is nothing to read. */
	reload(trigger: ReloadTrigger, options?: { force?: boolean }): Promise<ReloadResult>;
	/**
	 * Stops as SIGTERM does: not ready, `shutdown.delay`, no new connections, drain. Resolves when all is closed.
	 * `immediately` cuts everything off, also when a stop is under way.
	 */
	stop(options?: { immediately?: boolean }): Promise<void>;
	/** How long {@link stop} may take, ms: what takes longer is a mistake of ours. */
	readonly longestStop: number;
	/** Ends the processes that it has started, now and without a word. */
	abandon(): void;
	/** For what concerns the whole process. */
	readonly events: Pick<GatewayEvents, "notice">;
}

/** A gateway that runs in this process. */
export interface GatewayHandle extends RunningGateway {
	/** Tunnels open now. */
	connectionCount(): number;
	/**
	 * Takes tokens back: closes their connections with 1008 and refuses them from now on.
	 * @throws RangeError unless exactly one of `sub` and `jti` is given, and when there are too many revocations already
	 */
	revoke(options: RevokeOptions): Revoked;
}

/** Where the configuration comes from, for reloads. */
export interface ConfigSource {
	/** The configuration file's absolute path. */
	readonly file: string;
	/** Reads it anew. */
	load(): Loaded | Promise<Loaded>;
}

export interface GatewayOptions {
	readonly config: GatewayConfig;
	/** With it, the gateway reloads when a file changes, and when it is told to. */
	readonly source?: ConfigSource | undefined;
	/** What `config` was loaded with; without it the source is asked once more. */
	readonly loaded?: Loaded | undefined;
	/** Takes the log lines instead of stdout. */
	readonly write?: (line: string) => void;
	/** What session tickets are encrypted with, when other processes serve the same clients; else it has its own. */
	readonly ticketKeys?: TicketKeys | undefined;
	/** What a supervisor gives; without it the gateway has its own. */
	readonly shared?: Shared | undefined;
	/** Who is asked for the addresses of host names, when that is not what this machine asks. */
	readonly nameServers?: NameServersOptions | undefined;
	/** Gives the start up. */
	readonly cancelled?: AbortSignal | undefined;
}

/** What a stop may take beyond its delay and drain, ms: the last lines of the log among others. */
const STOP_GRACE_MS = 5_000;

/**
 * Starts a gateway.
 * @throws ListenError when an address cannot be had; Error when a certificate or key cannot be used; StartCancelled
 */
export async function startGateway(options: GatewayOptions): Promise<GatewayHandle> {
	const { config, source, write, ticketKeys, shared, nameServers, cancelled } = options;
	const { files = [], contents } = options.loaded ?? (await source?.load()) ?? {};
	const serving = new GatewayProcess({ config, contents, write, ticketKeys, shared, nameServers });
	const { gateway, listeners, metrics, log } = serving;
	const { events, policies } = gateway;
	const monitor = new Monitor({
		notice: (level, event, fields) => events.notice(level, event, fields),
		random: gateway.random,
		clock: gateway.clock,
		onDown: (upstream, endpoint) => serving.endpointDown(upstream, endpoint),
		onUp: (_upstream, endpoint) => serving.endpointUp(endpoint),
		onEndpoints: () => {
			if (serving.follow(monitor.discovered)) monitor.update(gateway.snapshot.upstreams.values());
		},
	});
	const api = new AdminApi(events);
	let ready = false;
	let watched: WatchedFiles | undefined;

	const reloader = new Reloader(
		{
			gateway,
			load: () => source?.load() ?? { config: gateway.snapshot.config, problems: [], files: [], contents: new Map() },
			prepare: async (next, read) => admin.join(await serving.prepare(next, read), next.admin),
			warnings: ({ workers }) => restartWarnings(1, workerCount(workers)),
			applied: () => {
				monitor.update(gateway.snapshot.upstreams.values());
				void hubApi.follow(gateway.snapshot.config.hub_api, fileReader(serving.contents));
			},
			files: (named) => source && watched?.set([source.file, ...named]),
		},
		serving.contents,
	);
	const streams = new EventStreams(api.feed);
	const admin = new AdminPort({
		events,
		metrics,
		readiness: () => (ready ? { ready } : { ready, reason: "the gateway is starting or shutting down" }),
		operations: api.operations({
			gateway,
			reload: (how) => reloader.reload("api", how),
			revocations: {
				revoke: (target) => revoke(gateway, target),
				list: () => policies.revocations.list(),
			},
			streams,
			endpointChanged: announceEndpoint(events),
		}),
		streams,
	});

	const hubApi = new HubApiPort({ hubs: gateway.hubs, events, version: packageVersion() });

	const close = async (): Promise<void> => {
		ready = false;
		await hubApi.close();
		watched?.stop();
		reloader.stop();
		monitor.stop();
		await serving.close();
		await admin.close();
		await log.stop();
	};

	try {
		monitor.update(gateway.snapshot.upstreams.values());
		await unlessCancelled(monitor.ready(), cancelled);
		await listeners.open(config.listeners, fileReader(serving.contents));
		await admin.configure(config.admin);
		await hubApi.configure(config.hub_api, fileReader(serving.contents));
	} catch (error) {
		await close();
		throw error;
	}
	if (source) {
		watched = watchFiles(() => void reloader.reload("file"));
		watched.set([source.file, ...files]);
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
		get hubApiPort() {
			return hubApi.port;
		},
		get longestStop() {
			const { delay, drain } = gateway.snapshot.config.shutdown;
			return delay + drain.timeout + STOP_GRACE_MS;
		},
		abandon: () => undefined,
		events,
		connectionCount: () => gateway.connections.size,
		revoke: (options) => revoke(gateway, options),
		reload: (trigger, how) => reloader.reload(trigger, how),
		stop: ({ immediately = false } = {}) => {
			ready = false;
			stopping ??= new ShutDown(gateway, listeners);
			if (immediately) stopping.cut();
			stopped ??= stopping.done.then(close);
			return stopped;
		},
	};
}
