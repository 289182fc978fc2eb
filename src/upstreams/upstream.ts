/** An upstream of one snapshot: a named pool of endpoints, how to choose among them, and who is bound to which. */
import type { LookupFunction } from "node:net";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import type { ProxyVersion } from "../protocol/proxy-protocol-header.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Turns } from "./admission.ts";
import { Permits } from "./attempts/permit.ts";
import { Protection, type ProtectionConfig } from "./attempts/protection.ts";
import { createPolicy, type LoadBalancingConfig } from "./balance/index.ts";
import type { Policy } from "./balance/policy.ts";
import { smoothPick } from "./balance/smooth.ts";
import { type Candidates, createCandidates, type Pool } from "./candidates.ts";
import { isOverload } from "./capacity.ts";
import { ConfiguredEndpoint } from "./configured-endpoint.ts";
import type { DiscoveryConfig } from "./discovery/index.ts";
import { type EligibilityRule, ineligible } from "./eligible.ts";
import type { Endpoint, EndpointConfig } from "./endpoint.ts";
import type { HealthCheckConfig } from "./health/index.ts";
import { healthRules } from "./health/rules.ts";
import { slowStartWeight } from "./slow-start.ts";
import type { UpstreamStates } from "./states.ts";
import type { AnswerWatch, Sticky } from "./sticky/affinity.ts";
import { createSticky, type StickyConfig } from "./sticky.ts";
import type { TlsConnectOptions } from "./tls.ts";

/** The part of an entry of `upstreams` that is compiled here. */
export interface UpstreamConfig extends ProtectionConfig {
	readonly endpoints: readonly EndpointConfig[];
	readonly load_balancing: LoadBalancingConfig;
	readonly sticky?: StickyConfig | undefined;
	readonly health_check?: HealthCheckConfig | undefined;
	readonly discovery?: DiscoveryConfig | undefined;
	readonly proxy_protocol?: ProxyVersion | undefined;
	readonly on_unhealthy?: "keep" | "close" | undefined;
	readonly max_handshakes_per_second?: number | undefined;
	/** ms */
	readonly address_cache?: number | undefined;
	readonly handshake?: "strict" | "lenient" | undefined;
}

/** What an upstream is given from outside. */
export interface UpstreamDeps {
	/** A number in [0, 1). */
	readonly random: () => number;
	/**
	 * Key of sticky cookies for upstreams whose config has no `secret`. Pass the same bytes after a restart and on every
	 * gateway that shares clients; otherwise cookies are not recognised and clients are balanced anew.
	 */
	readonly stickySecret: Buffer;
	/** Further conditions for using an endpoint; none by default. */
	readonly rules?: readonly EligibilityRule[];
	/** The weight that counts now; by default the configured one. */
	readonly weight?: (endpoint: Endpoint) => number;
	/** TLS towards the endpoints, with its files read. */
	readonly tls?: TlsConnectOptions | undefined;
}

/** Clients that were refused because everything is full come back spread over so many seconds. */
const FULL_SECONDS = 4;

/** Lives as long as its snapshot. What outlives that is in each endpoint's `state`. */
export class Upstream implements Pool {
	readonly name: string;
	readonly endpoints: readonly Endpoint[];
	readonly primaries: readonly Endpoint[];
	readonly backups: readonly Endpoint[];
	readonly policy: Policy;
	readonly sticky: Sticky | undefined;
	readonly rules: readonly EligibilityRule[];
	readonly tls: TlsConnectOptions | undefined;
	/** How long an address is used without asking for it again; ms. */
	readonly addressCache: number | undefined;
	/** Finds the addresses of endpoints that have a name. */
	readonly lookup: LookupFunction;
	/** For the monitor: whether and how endpoints are probed, and where more of them come from. */
	readonly healthCheck: HealthCheckConfig | undefined;
	readonly discovery: DiscoveryConfig | undefined;
	/** Every connection to an endpoint begins with a PROXY header of this version. */
	readonly proxyProtocol: ProxyVersion | undefined;
	/** What happens to the open connections of an endpoint that goes down. */
	readonly onUnhealthy: "keep" | "close";
	/** Any 101 of an endpoint is passed on as it is, and handshakes of drafts of the protocol are sent there. */
	readonly lenient: boolean;
	readonly random: () => number;
	readonly weight: (endpoint: Endpoint) => number;
	/** Outlier detection and circuit breaker: every attempt is told to it. */
	readonly protection: Protection;
	/** Whether endpoints can be ejected, and have a breaker, here. */
	readonly ejects: boolean;
	readonly breaks: boolean;
	/** What has to be granted before each attempt; undefined when there is nobody to ask. */
	readonly permits: Permits | undefined;
	readonly #admission: Turns | undefined;
	readonly #rate: number;
	readonly #states: UpstreamStates;

	constructor(
		name: string,
		config: UpstreamConfig,
		endpoints: readonly Endpoint[],
		policy: Policy,
		sticky: Sticky | undefined,
		states: UpstreamStates,
		deps: UpstreamDeps,
	) {
		this.name = name;
		this.endpoints = endpoints;
		this.primaries = endpoints.filter((endpoint) => !endpoint.backup);
		this.backups = endpoints.filter((endpoint) => endpoint.backup);
		this.policy = policy;
		this.sticky = sticky;
		this.protection = new Protection(config, {
			upstream: name,
			endpoints,
			now: states.now,
			notice: states.notice,
			shared: states.shared,
		});
		this.ejects = config.outlier_detection !== undefined;
		this.breaks = config.circuit_breaker !== undefined;
		const shares = this.breaks || endpoints.some(({ maxConnections }) => maxConnections !== undefined);
		this.permits = states.shared && shares ? new Permits(states.shared, name, config.circuit_breaker, this) : undefined;
		this.#rate = config.max_handshakes_per_second ?? Number.POSITIVE_INFINITY;
		this.#admission = Number.isFinite(this.#rate) ? states.admission(name, deps.random) : undefined;
		this.rules = [
			...(config.health_check ? healthRules(endpoints) : []),
			...this.protection.rules,
			...(deps.rules ?? []),
		];
		this.tls = deps.tls;
		this.addressCache = config.address_cache;
		this.lookup = states.names.lookup(config.address_cache);
		this.healthCheck = config.health_check;
		this.discovery = config.discovery;
		this.proxyProtocol = config.proxy_protocol;
		this.lenient = config.handshake === "lenient";
		this.#states = states;
		this.onUnhealthy = config.on_unhealthy ?? "keep";
		this.random = deps.random;
		const { slow_start } = config.load_balancing;
		this.weight =
			deps.weight ?? (slow_start === undefined ? configuredWeight : slowStartWeight(slow_start, states.now));
	}

	/**
	 * A handshake's turn to be sent to an endpoint (`max_handshakes_per_second`); undefined when it need not wait. Without
	 * an endpoint that could be tried there is nothing to wait for.
	 *
	 * @param again whether it is a further attempt of a handshake that had its turn
	 * @param maxWait ms
	 * @throws GatewayError OVERLOADED, CLIENT_GONE
	 */
	turn(candidates: Candidates, signal: DepartureSignal, maxWait: number, again: boolean): Promise<void> | undefined {
		if (this.#admission === undefined || !candidates.any()) return undefined;
		return this.#admission.enter({ rate: this.#rate, signal, maxWait, again });
	}

	/** A handshake's turn to be written to the connection that was made for it; undefined when it need not wait. */
	readonly pace = (): Promise<unknown> | undefined => this.#admission?.pace();

	/**
	 * Why nothing can be tried: OVERLOADED when an endpoint would be fine if it were not full, else NO_ENDPOINT.
	 *
	 * @param refused whether the other workers together have filled one
	 */
	unavailable(refused = false): GatewayError {
		const full = refused || this.endpoints.some((endpoint) => isOverload(this.ineligible(endpoint)));
		if (!full) return new GatewayError("NO_ENDPOINT", undefined, { retryAfter: 1 });
		return new GatewayError("OVERLOADED", "every usable endpoint is at max_connections or max_pending_handshakes", {
			retryAfter: 1 + Math.floor(this.random() * FULL_SECONDS),
		});
	}

	/** To be awaited before {@link candidates}, unless undefined: who is bound to which endpoint is then known here. */
	recall(request: GatewayRequest): Promise<void> | undefined {
		return this.sticky?.recall?.(request);
	}

	/** The endpoints for one handshake, in the order to try them. */
	candidates(request: GatewayRequest): Candidates {
		return createCandidates(this, request);
	}

	/** To be called with the subprotocol of each accepted handshake: one that the client did not offer is told once. */
	answered(endpoint: Endpoint, subprotocol: string | undefined, offered: readonly string[]): void {
		if (subprotocol === undefined || offered.includes(subprotocol)) return;
		this.#states.noteUnoffered(this.name, endpoint.id, subprotocol, offered);
	}

	/** Why an endpoint takes no new client now; undefined when it does. */
	ineligible(endpoint: Endpoint): string | undefined {
		return ineligible(endpoint, this, false);
	}

	/** The Set-Cookie value to add to the answer of `endpoint`; undefined when none is needed. */
	stickyCookie(endpoint: Endpoint, request: GatewayRequest): string | undefined {
		return this.sticky?.setCookie?.(endpoint, request);
	}

	/**
	 * Takes the chunks of the body that `endpoint` answers a plain HTTP request with, to learn the session it opens
	 * (`sticky: socketio`); undefined when there is nothing to learn. Only a body without content coding can be read.
	 */
	watchAnswer(request: GatewayRequest, endpoint: Endpoint): AnswerWatch | undefined {
		return this.sticky?.watchAnswer?.(request, endpoint);
	}
}

/**
 * Compiles an entry of `upstreams`. An endpoint that an earlier snapshot had under the same upstream name and id goes on
 * with its state.
 *
 * @throws Error when two endpoints have one id, or a URL is not one (the config's own checks report both with a position)
 */
export function compileUpstream(
	name: string,
	config: UpstreamConfig,
	states: UpstreamStates,
	deps: UpstreamDeps,
): Upstream {
	const fresh = !states.knows(name);
	const endpoints = config.endpoints.map(
		(endpoint) => new ConfiguredEndpoint(name, endpoint, (id) => states.endpoint(name, id)),
	);
	const ids = new Set<string>();
	for (const { id } of endpoints) {
		if (ids.has(id))
			throw new Error(`upstream ${name} has endpoint ${id} twice; remove one and set its weight instead`);
		ids.add(id);
	}
	const policy = createPolicy(config.load_balancing);
	const sticky =
		config.sticky &&
		createSticky(config.sticky, {
			upstream: name,
			endpoints,
			policy,
			secret: deps.stickySecret,
			table: () => states.stickyTable(name),
		});
	const upstream = new Upstream(name, config, endpoints, policy, sticky, states, deps);
	if (fresh) skipPicks(upstream, states.shared?.firstPick ?? 0);
	return upstream;
}

/** Lets round robins begin as if so many picks had been made. */
function skipPicks(upstream: Upstream, picks: number): void {
	for (const endpoints of [upstream.primaries, upstream.backups]) {
		const ready = endpoints.filter(({ mode }) => mode === "ready");
		for (let pick = 0; pick < picks; pick++) smoothPick(ready, upstream);
	}
}

function configuredWeight(endpoint: Endpoint): number {
	return endpoint.weight;
}
