/** A snapshot: everything compiled from one configuration. It is swapped whole; `UpstreamStates` lives on across it. */
import type { DrainConfig, GatewayConfig, RouteConfig } from "../config/schema.ts";
import { AddressRanges } from "../options.ts";
import { compilePolicy, type Policy } from "../policy/index.ts";
import type { PolicyStates } from "../policy/states.ts";
import { compileHeaderRules, type HeaderRules } from "../protocol/headers.ts";
import type { CompiledRewrite } from "../routing/rewrite.ts";
import { compileRewrite } from "../routing/rewrite.ts";
import { RouteTable } from "../routing/table.ts";
import { compileTunnelLimits } from "../tunnel/limits-options.ts";
import type { TunnelOptions } from "../tunnel/tunnel.ts";
import { certificateName } from "../upstreams/discovery/index.ts";
import type { UpstreamStates } from "../upstreams/states.ts";
import { compileUpstreamTls } from "../upstreams/tls.ts";
import { compileUpstream, type Upstream } from "../upstreams/upstream.ts";
import { compileSides, onlySide, type Side, type Sides } from "./sides.ts";

/** A route, ready to be used. */
export interface Route {
	readonly name: string;
	/** Which upstream a request goes to. */
	readonly sides: Sides;
	/** Every upstream that {@link sides} can give. */
	readonly upstreams: readonly Upstream[];
	readonly rewrite: CompiledRewrite;
	readonly requestHeaders: HeaderRules | undefined;
	readonly responseHeaders: HeaderRules | undefined;
	readonly http: RouteConfig["http"];
	readonly timeouts: RouteConfig["timeouts"];
	readonly retries: { readonly attempts: number; readonly on: ReadonlySet<string> };
	/** Who may connect. */
	readonly policy: Policy;
	readonly tunnel: TunnelOptions;
	readonly drain: DrainConfig;
}

export interface Snapshot {
	readonly config: GatewayConfig;
	readonly table: RouteTable<Route>;
	readonly routes: readonly Route[];
	readonly upstreams: ReadonlyMap<string, Upstream>;
	/** Whether an upstream takes handshakes of drafts of the protocol. */
	readonly lenient: boolean;
	/** Whose X-Forwarded-* is believed. */
	readonly trustedProxies: AddressRanges;
}

/** What a snapshot is given from outside. */
export interface SnapshotDeps {
	readonly states: UpstreamStates;
	readonly policies: PolicyStates;
	/** A number in [0, 1). */
	readonly random: () => number;
	readonly stickySecret: Buffer;
	/** The content of a file of the configuration. */
	readonly readFile: (path: string) => Buffer;
}

/**
 * Compiles a checked configuration.
 * @throws Error when a file that the checks could read cannot be read any more
 */
export function compileSnapshot(config: GatewayConfig, deps: SnapshotDeps): Snapshot {
	const upstreams = new Map<string, Upstream>();
	for (const [name, upstream] of Object.entries(config.upstreams)) {
		const { discovery } = upstream;
		const tls =
			discovery?.scheme === "wss" || upstream.endpoints.some(({ url }) => /^(wss|https):/.test(url))
				? {
						...compileUpstreamTls(upstream.tls, deps.readFile),
						discoveredName: discovery && certificateName(discovery),
					}
				: undefined;
		upstreams.set(
			name,
			compileUpstream(name, upstream, deps.states, { random: deps.random, stickySecret: deps.stickySecret, tls }),
		);
	}
	const routes = config.routes.map((route) => compileRoute(route, upstreams, deps));
	return {
		config,
		routes,
		upstreams,
		lenient: [...upstreams.values()].some(({ lenient }) => lenient),
		table: RouteTable.build(
			config.routes.map((route, index) => ({ match: route.match, target: routes[index] as Route })),
		),
		trustedProxies: new AddressRanges(config.trusted_proxies),
	};
}

function compileRoute(config: RouteConfig, upstreams: ReadonlyMap<string, Upstream>, deps: SnapshotDeps): Route {
	const find = (name: string): Upstream => {
		const upstream = upstreams.get(name);
		if (!upstream) throw new Error(`route ${config.name}: there is no upstream ${name}`);
		return upstream;
	};
	const choices: readonly Side[] = config.split
		? config.split.map(({ upstream, weight }) => ({ target: find(upstream), weight }))
		: [{ target: find(config.upstream as string), weight: 1 }];
	const { timeouts, ping } = config;
	return {
		name: config.name,
		sides:
			config.split === undefined
				? onlySide(find(config.upstream as string))
				: compileSides(config.name, choices, config.split_cookie, { random: deps.random, secret: deps.stickySecret }),
		upstreams: choices.map(({ target }) => target),
		rewrite: compileRewrite(config.rewrite),
		requestHeaders: compileHeaderRules(config.request_headers),
		responseHeaders: compileHeaderRules(config.response_headers),
		http: config.http,
		timeouts,
		retries: { attempts: config.retries.attempts, on: new Set(config.retries.on) },
		policy: compilePolicy(config, { states: deps.policies, readFile: deps.readFile }),
		tunnel: {
			idle: timeouts.idle,
			lifetime: timeouts.lifetime,
			close: timeouts.close,
			pingInterval: ping.interval,
			pingTimeout: ping.timeout,
			pingClient: ping.sides.includes("client"),
			pingBackend: ping.sides.includes("backend"),
			backendLostCode: config.close_codes.backend_lost,
			authExpiredCode: config.close_codes.auth_expired,
			limits: compileTunnelLimits(config.limits, config.close_codes.overload),
		},
		drain: config.drain,
	};
}
