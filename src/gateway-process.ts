/** What every process of a gateway is made of, whether it is the only one, a worker, or the supervisor of workers. */
import { createHash } from "node:crypto";
import { compareConfigs } from "./config/compare.ts";
import type { FileContents } from "./config/files.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { MemoryEngines } from "./engines/memory/engines.ts";
import { afterOn } from "./gateway/after.ts";
import { Connections } from "./gateway/connections.ts";
import { type DrainEvents, Drains } from "./gateway/drains.ts";
import { GatewayEvents } from "./gateway/events.ts";
import { Forwarders } from "./gateway/forwarders.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { countRetired, leaveEndpoint, retire } from "./gateway/retire.ts";
import { compileSnapshot, fileReader, type Snapshot } from "./gateway/snapshot.ts";
import { Hubs, type HubsParts } from "./hub/hubs.ts";
import { gatewaySource } from "./metrics-source.ts";
import type { Counters } from "./policy/counters.ts";
import { PolicyStates } from "./policy/states.ts";
import type { Change } from "./reload.ts";
import type { OpenDoor } from "./server/door.ts";
import { Listeners } from "./server/listeners.ts";
import { rotateTicketKeys, TicketKeys } from "./server/ticket-keys.ts";
import type { SelfSigned } from "./server/tls.ts";
import { atOnce, inSlices, type Sliced } from "./slices.ts";
import type { NameServersOptions } from "./sockets/name-servers.ts";
import { Names } from "./sockets/names.ts";
import { LogSink } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { OpenTelemetryTracing } from "./telemetry/tracing.ts";
import { TimerWheel } from "./tunnel/wheel.ts";
import { withDiscovered } from "./upstreams/discovery/merge.ts";
import type { Endpoint, EndpointConfig } from "./upstreams/endpoint.ts";
import type { EndpointNews, SharedUpstreams } from "./upstreams/shared.ts";
import { becameAvailable } from "./upstreams/slow-start.ts";
import { UpstreamStates } from "./upstreams/states.ts";
import type { Upstream } from "./upstreams/upstream.ts";

/** What a supervisor gives each of its workers; a single process has its own. */
export interface Shared {
	/** Limits hold for all workers together. */
	readonly counters?: Counters | undefined;
	/** Places at endpoints, ejections, breakers, turns and sessions are those of all workers. */
	readonly upstreams?: SharedUpstreams | undefined;
	/** Connections are handed over instead of accepted here. */
	readonly openDoor?: OpenDoor | undefined;
	readonly handedOver?: boolean | undefined;
	/** The order of opening over all workers. */
	readonly nextSequence?: (() => number) | undefined;
	/** What is one drain for the supervisor is not told once by each worker. */
	readonly drainEvents?: DrainEvents | undefined;
	/** Called before lines of the log are written. */
	readonly beforeLines?: (() => void) | undefined;
	/** Topics live where the supervisor has them. */
	readonly hubEngine?: HubsParts["engine"] | undefined;
	/** Certificates made at start are the same in all workers. */
	readonly selfSigned?: SelfSigned | undefined;
}

export interface GatewayProcessOptions {
	readonly config: GatewayConfig;
	/** The files that it names, as far as they have been read. */
	readonly contents?: FileContents | undefined;
	/** Takes the log lines instead of stdout. */
	readonly write?: ((line: string) => void) | undefined;
	/** Other processes write to the same stdout. */
	readonly sharesStdout?: boolean;
	/** By upstream name; may change later, see {@link GatewayProcess.follow}. */
	readonly discovered?: ReadonlyMap<string, readonly EndpointConfig[]> | undefined;
	/** What session tickets are encrypted with, when other processes serve the same clients; else it has its own. */
	readonly ticketKeys?: TicketKeys | undefined;
	readonly shared?: Shared | undefined;
	/** Who is asked for the addresses of host names, when that is not what this machine asks. */
	readonly nameServers?: NameServersOptions | undefined;
}

export class GatewayProcess {
	readonly gateway: Gateway;
	readonly listeners: Listeners;
	readonly metrics: Metrics;
	readonly log: LogSink;
	readonly states: UpstreamStates;
	/** Endpoints that discovery knows now, by upstream name. */
	#discovered: ReadonlyMap<string, readonly EndpointConfig[]>;
	/** Of the files of the running configuration: what runs does not change with them, only with a reload. */
	#contents: FileContents;
	/** Changes that are prepared, and neither committed nor abandoned: the states of their endpoints are there already. */
	#prepared = 0;
	/** Connections go over to one snapshot after the other. */
	#retiring: Promise<unknown> = Promise.resolve();
	readonly #names: Names;
	/** Of the hubs, where no supervisor has them. */
	readonly #engines = new MemoryEngines();
	readonly #stopRotation: (() => void) | undefined;

	/** @throws Error when a file of the configuration cannot be used */
	constructor(options: GatewayProcessOptions) {
		const { config, contents, write, sharesStdout, discovered, ticketKeys, shared, nameServers } = options;
		const clock = () => performance.now();
		const random = Math.random;
		const events = new GatewayEvents();
		const tracing = new OpenTelemetryTracing();
		events.add(tracing);
		this.log = new LogSink({
			...config.log,
			...(write && { write }),
			sharesStdout: sharesStdout ?? false,
			beforeLines: shared?.beforeLines,
		});
		events.add(this.log);
		const notice: GatewayEvents["notice"] = (level, event, fields) => events.notice(level, event, fields);
		this.#names = new Names({ ...nameServers, clock, notice });
		this.states = new UpstreamStates(clock, notice, shared?.upstreams, this.#names);
		const wheel = new TimerWheel(clock);
		const policies = new PolicyStates({
			now: Date.now,
			clock,
			random,
			after: afterOn(wheel, clock),
			notice,
			limited: (route, limit) => events.limited(route, limit),
			lookup: this.#names.lookup(),
			...(shared?.counters && { counters: shared.counters }),
		});
		this.#discovered = discovered ?? new Map();
		this.#contents = contents ?? new Map();
		const parts = { states: this.states, policies, random, discovered: this.#discovered, contents: this.#contents };
		this.gateway = {
			snapshot: atOnce(compile(config, parts)),
			stopping: false,
			connections: new Connections(events, clock, shared?.nextSequence),
			handshakes: new Set(),
			drains: new Drains(shared?.drainEvents ?? events, random),
			events,
			tracing,
			wheel,
			policies,
			forwarders: new Forwarders(),
			hubs: new Hubs({
				engine: shared?.hubEngine ?? ((hub, listener) => this.#engines.of(hub).attach(listener)),
				agents: policies.agents,
				clock: wheel,
				notice,
				delivered: (hub, seconds) => this.metrics.hubDelivered(hub, seconds),
				asked: (hub, _kind, result, seconds) => this.metrics.hubAsked(hub, result, seconds),
				told: (hub, result, count) => this.metrics.hubTold(hub, result, count),
			}),
			clock,
			random,
		};
		this.states.prune(this.gateway.snapshot.upstreams.values());
		this.gateway.hubs.configure(config.hubs);
		const tickets = ticketKeys ?? new TicketKeys();
		this.#stopRotation = ticketKeys ? undefined : rotateTicketKeys(tickets);
		this.listeners = new Listeners(this.gateway, tickets, shared);
		this.metrics = new Metrics({ source: gatewaySource(this.gateway, this.listeners, this.log) });
		events.add(this.metrics);
		shared?.upstreams?.follow((news) => this.#learn(news));
	}

	/** {@link GatewayProcessOptions.contents} of the running configuration. */
	get contents(): FileContents {
		return this.#contents;
	}

	/**
	 * Does all of a change of the configuration that can fail.
	 * @param contents the files that it names
	 * @throws Error when something that the checks could read cannot be used; nothing has changed then
	 */
	async prepare(config: GatewayConfig, contents: FileContents = new Map()): Promise<Change> {
		const { gateway } = this;
		const { connections } = gateway;
		const discovered = this.#discovered;
		const { config: joined } = await inSlices(compareConfigs(gateway.snapshot.config, config));
		this.#prepared++;
		const over = (): void => void this.#prepared--;
		const prepareAll = async () => {
			const next = await inSlices(this.#compile(joined, contents));
			const drained = await inSlices(countRetired(connections.list(), next));
			return { next, drained, listening: await this.listeners.prepare(config.listeners, fileReader(contents)) };
		};
		const { next, drained, listening } = await prepareAll().catch((error: unknown) => {
			over();
			throw error;
		});
		return {
			forecast: { connections: connections.size, drained },
			abandon: () => {
				over();
				return listening.abandon();
			},
			commit: async () => {
				over();
				this.#contents = contents;
				gateway.snapshot = next;
				const changed = listening.commit();
				this.log.configure(config.log);
				// While the reload waited, discovery may have gone on.
				if (this.#discovered !== discovered) this.follow(this.#discovered);
				const drained = await this.#swapped();
				const { snapshot } = gateway;
				return {
					...changed,
					routes: snapshot.routes.length,
					upstreams: snapshot.upstreams.size,
					connections: connections.size,
					drained,
				};
			},
		};
	}

	/**
	 * The same configuration with the endpoints that discovery knows now; connections to others are drained.
	 * @returns false when that is not possible now; the log says why
	 */
	follow(discovered: ReadonlyMap<string, readonly EndpointConfig[]>): boolean {
		this.#discovered = discovered;
		const { gateway } = this;
		try {
			gateway.snapshot = atOnce(this.#compile(gateway.snapshot.config, this.#contents));
		} catch (error) {
			gateway.events.notice("error", "discovery.rejected", { message: (error as Error).message });
			return false;
		}
		void this.#swapped();
		return true;
	}

	/** To be called when an endpoint was found unhealthy. */
	endpointDown(upstream: Pick<Upstream, "name" | "onUnhealthy">, endpoint: Pick<Endpoint, "id">): void {
		if (upstream.onUnhealthy !== "close") return;
		leaveEndpoint(this.gateway.connections.list(), upstream.name, endpoint.id, this.gateway.drains);
	}

	/** To be called when an endpoint was found healthy. */
	endpointUp(endpoint: Pick<Endpoint, "state">): void {
		becameAvailable(endpoint, this.gateway.clock());
	}

	/** Ends everything; connections are expected to be gone. The log comes last: see {@link LogSink.stop}. */
	async close(): Promise<void> {
		this.listeners.destroy();
		this.#stopRotation?.();
		this.gateway.forwarders.close();
		await this.gateway.hubs.close();
		this.#engines.close();
		await this.gateway.policies.close();
		this.states.close();
		this.#names.close();
		this.metrics.stop();
	}

	/** Takes over what another worker found out about an endpoint. */
	#learn(news: EndpointNews): void {
		const upstream = this.gateway.snapshot.upstreams.get(news.upstream);
		const endpoint = upstream?.endpoints.find(({ id }) => id === news.endpoint);
		// A reload may have taken it away here, and not there yet.
		if (upstream && endpoint) upstream.protection.learn(endpoint, news);
	}

	#compile(config: GatewayConfig, contents: FileContents): Sliced<Snapshot> {
		const { policies, random, snapshot } = this.gateway;
		return compile(config, { states: this.states, policies, random, discovered: this.#discovered, contents }, snapshot);
	}

	/** Everything else follows the snapshot that is in force now. Resolves with how many connections are drained. */
	#swapped(): Promise<number> {
		const { gateway } = this;
		const { upstreams, config } = gateway.snapshot;
		gateway.forwarders.retain(new Set(upstreams.values()));
		gateway.hubs.configure(config.hubs);
		this.#engines.retain(new Set(Object.keys(config.hubs)));
		if (this.#prepared === 0) {
			this.states.prune(upstreams.values());
			gateway.policies.prune(config.routes.flatMap(({ auth }) => auth.jwt?.jwks_url ?? []));
		}
		const retired = this.#retiring.then(() => {
			return inSlices(retire(gateway.connections.list(), gateway.snapshot, gateway.drains));
		});
		this.#retiring = retired;
		return retired;
	}
}

interface CompileDeps {
	readonly states: UpstreamStates;
	readonly policies: PolicyStates;
	readonly random: () => number;
	readonly discovered: ReadonlyMap<string, readonly EndpointConfig[]>;
	readonly contents: FileContents;
}

function* compile(config: GatewayConfig, deps: CompileDeps, previous?: Snapshot): Sliced<Snapshot> {
	const { discovered, ...rest } = deps;
	const parts = { ...rest, stickySecret: stickySecret() };
	const snapshot = yield* compileSnapshot(withDiscovered(config, discovered), parts, previous);
	// What the operator wrote, without what was discovered: the next file is compared with it.
	return { ...snapshot, config };
}

/**
 * Key of sticky cookies where the config has none. It is the same everywhere, so that cookies survive a restart and
 * hold on every gateway; whoever must not be able to choose an endpoint is kept from it by `sticky.cookie.secret`.
 */
export function stickySecret(): Buffer {
	return createHash("sha256").update("clawgate sticky cookie").digest();
}
