/** The supervisor of a gateway with several workers: what there is once for all of them, and the order of its life. */
import { setTimeout as wait } from "node:timers/promises";
import type { ConfigSource, RunningGateway } from "../app.ts";
import { unlessCancelled } from "../cancellable.ts";
import type { FileContents } from "../config/files.ts";
import type { Loaded } from "../config/load.ts";
import type { GatewayConfig } from "../config/schema.ts";
import { type WatchedFiles, watchFiles } from "../config/watch.ts";
import { workerCount } from "../config/workers.ts";
import { MemoryEngines } from "../engines/memory/engines.ts";
import { fileReader } from "../gateway/snapshot.ts";
import { GatewayProcess } from "../gateway-process.ts";
import { HubApiPort } from "../hub-api.ts";
import { type Change, Reloader, restartWarnings } from "../reload.ts";
import { newTicketSecret, TICKET_KEYS_LIFE_MS, TicketKeys } from "../server/ticket-keys.ts";
import { type MadeCertificate, makeSelfSigned, type SelfSigned } from "../server/tls.ts";
import { Monitor } from "../upstreams/monitor.ts";
import { packageVersion } from "../version.ts";
import { GatewayAdmin } from "./admin/gateway-admin.ts";
import { Handout } from "./handout.ts";
import { healthFact, knownHealth } from "./health.ts";
import { serveHubEngines } from "./hub-engine.ts";
import { OpenConnections } from "./open-connections.ts";
import { WorkerPool } from "./pool.ts";
import { SharedState } from "./shared/state.ts";
import { ListeningSockets } from "./sockets.ts";

/** What a worker has, beyond `shutdown.drain.timeout`, before it is killed; ms. */
const GRACE_MS = 10_000;
/** What this process may take for its own end when the workers are gone, ms. */
const CLOSE_MS = 5_000;

export interface SupervisorOptions {
	readonly config: GatewayConfig;
	readonly source: ConfigSource;
	/** What `config` was loaded with; without it the source is asked once more. */
	readonly loaded?: Loaded | undefined;
	/** Gives the start up. */
	readonly cancelled?: AbortSignal | undefined;
}

/**
 * Starts a gateway of several processes; this one becomes their supervisor.
 * @throws ListenError when an address cannot be had; Error when a file cannot be used, or a worker does not start; StartCancelled
 */
export async function startSupervisor(options: SupervisorOptions): Promise<RunningGateway> {
	const { config, source, loaded, cancelled } = options;
	const { files, contents } = loaded ?? (await source.load());
	const handout: Handout = new Handout({
		unserved: (listener, handle, why) => sockets.unserved(listener, handle, why),
		room: (taker, full) => pool.room(taker, full),
	});
	const sockets = new ListeningSockets(handout);
	const selfSigned = onceForAll(makeSelfSigned);
	let ticketSecret = newTicketSecret();
	const ticketKeys = new TicketKeys(ticketSecret);
	const pool: WorkerPool = new WorkerPool({
		handout,
		notice: (level, event, fields) => events.notice(level, event, fields),
		selfSigned,
		state: () => ({
			config: gateway.snapshot.config,
			contents: serving.contents,
			ports: sockets.ports(),
			discovered: monitor.discovered,
			health: knownHealth(gateway.snapshot.upstreams.values()),
			ticketSecret,
		}),
	});
	const engines = new MemoryEngines();
	const clock = () => performance.now();
	const shared = new SharedState(pool, clock, Math.random);
	const serving = new GatewayProcess({
		config,
		contents,
		sharesStdout: true,
		ticketKeys,
		shared: {
			openDoor: sockets.open,
			selfSigned,
			counters: shared.counters,
			hubEngine: (hub, listener) => engines.of(hub).attach(listener),
		},
	});
	serveHubEngines(pool, engines);
	const { gateway, listeners, log } = serving;
	const { events } = gateway;
	new OpenConnections(pool, events);
	const monitor = new Monitor({
		notice: (level, event, fields) => events.notice(level, event, fields),
		random: gateway.random,
		clock: gateway.clock,
		onDown: (upstream, endpoint) => pool.tell("health", [healthFact(upstream, endpoint)]),
		onUp: (upstream, endpoint) => {
			serving.endpointUp(endpoint);
			pool.tell("health", [healthFact(upstream, endpoint)]);
		},
		onForgotten: (upstream, endpoint) => pool.tell("health", [healthFact(upstream, endpoint)]),
		onEndpoints: () => {
			if (!serving.follow(monitor.discovered)) return;
			pool.tell("discovered", monitor.discovered);
			monitor.update(gateway.snapshot.upstreams.values());
		},
	});
	let ready = false;
	let watched: WatchedFiles | undefined;

	/** All workers or none; see docs/architecture.md. */
	const prepare = async (next: GatewayConfig, read: FileContents): Promise<Change> => {
		// A listener that had to make way has its address again; the workers have it still.
		const givenUp = (error: unknown): never => {
			handout.release();
			throw error;
		};
		const own = await serving
			.prepare(next, read)
			.then((change) => admin.port.join(change, next.admin))
			.catch(givenUp);
		const workers = await pool
			.prepare({ config: next, contents: read, ports: sockets.ports() })
			.catch(async (error: unknown) => {
				await own.abandon();
				return givenUp(error);
			});
		return {
			forecast: workers.forecast,
			abandon: async () => {
				workers.abandon();
				await own.abandon();
				handout.release();
			},
			commit: async () => {
				const changed = await own.commit();
				const sums = await workers.commit();
				handout.release();
				const count = workerCount(next.workers);
				if (count > 1) pool.resize(count, next.shutdown.drain.timeout + GRACE_MS);
				return { ...changed, ...sums };
			},
		};
	};
	const reloader = new Reloader(
		{
			gateway,
			load: () => source.load(),
			prepare,
			warnings: ({ workers }) => restartWarnings(pool.size, workerCount(workers)),
			applied: () => {
				void hubApi.follow(gateway.snapshot.config.hub_api, fileReader(serving.contents));
				shared.retain(new Set(gateway.snapshot.upstreams.keys()));
				engines.retain(new Set(Object.keys(gateway.snapshot.config.hubs)));
				monitor.update(gateway.snapshot.upstreams.values());
			},
			files: (named) => watched?.set([source.file, ...named]),
		},
		serving.contents,
	);
	const admin = new GatewayAdmin({
		gateway,
		metrics: serving.metrics,
		workers: pool,
		readiness: () => {
			if (!ready) return { ready, reason: "the gateway is starting or shutting down" };
			return pool.list().length > 0 ? { ready } : { ready: false, reason: "no worker process serves now" };
		},
		reload: (how) => reloader.reload("api", how),
	});
	const rotation = setInterval(() => {
		ticketSecret = newTicketSecret();
		ticketKeys.replace(ticketSecret);
		pool.tell("ticketSecret", ticketSecret);
	}, TICKET_KEYS_LIFE_MS);

	const hubApi = new HubApiPort({ hubs: gateway.hubs, events, version: packageVersion() });

	const close = async (): Promise<void> => {
		ready = false;
		await hubApi.close();
		watched?.stop();
		reloader.stop();
		clearInterval(rotation);
		monitor.stop();
		handout.stop();
		await serving.close();
		engines.close();
		await admin.close();
		await log.stop();
	};

	try {
		monitor.update(gateway.snapshot.upstreams.values());
		// Already now: the start of the workers takes a while, in which `/readyz` says so.
		await admin.port.configure(config.admin);
		await hubApi.configure(config.hub_api, fileReader(serving.contents));
		const open = async (): Promise<void> => {
			await monitor.ready();
			if (cancelled?.aborted) return;
			await listeners.open(config.listeners, fileReader(serving.contents));
		};
		await unlessCancelled(pool.start(workerCount(config.workers), open), cancelled);
	} catch (error) {
		const stopped = pool.stop(GRACE_MS);
		pool.cut();
		await stopped;
		await close();
		throw error;
	}
	handout.release();
	watched = watchFiles(() => void reloader.reload("file"));
	watched.set([source.file, ...files]);
	ready = true;

	const cut = new AbortController();
	const stop = async (): Promise<void> => {
		const { delay, drain } = gateway.snapshot.config.shutdown;
		await wait(delay, undefined, { signal: cut.signal }).catch(() => undefined);
		gateway.stopping = true;
		listeners.stopAccepting();
		handout.stop();
		const stopped = pool.stop(drain.timeout + GRACE_MS);
		if (cut.signal.aborted) pool.cut();
		else cut.signal.addEventListener("abort", () => pool.cut());
		await stopped;
		await close();
	};
	let stopped: Promise<void> | undefined;
	return {
		get ports() {
			return Object.fromEntries([...listeners.list()].map(({ name, port }) => [name, port]));
		},
		get adminPort() {
			return admin.port.port;
		},
		get hubApiPort() {
			return hubApi.port;
		},
		get longestStop() {
			const { delay, drain } = gateway.snapshot.config.shutdown;
			return delay + drain.timeout + GRACE_MS + CLOSE_MS;
		},
		abandon: () => pool.kill(),
		events,
		reload: (trigger, how) => reloader.reload(trigger, how),
		stop: ({ immediately = false } = {}) => {
			ready = false;
			if (immediately) cut.abort();
			stopped ??= stop();
			return stopped;
		},
	};
}

/** The same certificate for the same names, for whichever process asks. */
function onceForAll(make: SelfSigned): SelfSigned {
	const made = new Map<string, Promise<MadeCertificate>>();
	return (names) => {
		const key = JSON.stringify(names);
		const known = made.get(key);
		if (known) return known;
		const certificate = make(names);
		made.set(key, certificate);
		// The next one to ask tries again.
		certificate.catch(() => made.delete(key));
		return certificate;
	};
}
