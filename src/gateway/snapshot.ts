/** A snapshot: everything compiled from one configuration. It is swapped whole; `UpstreamStates` lives on across it. */
import { type FileContents, readContent, sameContent } from "../config/files.ts";
import type { DrainConfig, GatewayConfig, RouteConfig, UpstreamConfig } from "../config/schema.ts";
import { tunnelCloseCode } from "../config/values.ts";
import { AddressRanges } from "../options.ts";
import { compilePolicy, type Policy } from "../policy/index.ts";
import type { PolicyStates } from "../policy/states.ts";
import { DEFAULT_CLIENT_IP_HEADER, readWithHeader } from "../protocol/client.ts";
import { compileHeaderRules, type HeaderRules } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { type CompiledMatch, compileMatch } from "../routing/match.ts";
import type { CompiledRewrite } from "../routing/rewrite.ts";
import { compileRewrite } from "../routing/rewrite.ts";
import { RouteTable } from "../routing/table.ts";
import type { Sliced } from "../slices.ts";
import { compileTunnelLimits } from "../tunnel/limits-options.ts";
import type { TunnelOptions } from "../tunnel/tunnel.ts";
import { certificateName } from "../upstreams/discovery/index.ts";
import type { UpstreamStates } from "../upstreams/states.ts";
import { compileUpstreamTls } from "../upstreams/tls.ts";
import { compileUpstream, type Upstream } from "../upstreams/upstream.ts";
import type { HubRoute } from "./hub-connection.ts";
import { compileSides, NO_SIDES, onlySide, type Side, type Sides } from "./sides.ts";

/** Names that the configuration's loader gives to nameless routes. */
const GIVEN_NAME = /^route-\d+$/;

/** A route, ready to be used. */
export interface Route {
	readonly name: string;
	/** How the route sees a request; undefined: as it was read, with `Snapshot.clientIpHeader`. */
	readonly view: ((request: GatewayRequest) => GatewayRequest) | undefined;
	/** The hub where connections end; undefined: they go to an upstream. */
	readonly hub: HubRoute | undefined;
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
	/** What it is recognised by in the next configuration: see {@link Snapshot.successors}. */
	readonly identity: string;
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
	/** The header in which they name the client; routes may believe another one. */
	readonly clientIpHeader: string;
	/** Routes by {@link Route.identity}: which one a route of an earlier snapshot lives on as. */
	readonly successors: ReadonlyMap<string, Route>;
	/** For the next snapshot, which uses again what has not changed. */
	readonly compiled: Compiled;
}

/** What was compiled, by the configuration's own objects. */
export interface Compiled {
	readonly routes: ReadonlyMap<RouteConfig, CompiledRoute>;
	readonly upstreams: ReadonlyMap<UpstreamConfig, Upstream>;
	readonly contents: FileContents;
}

/** The part of a route that depends on nothing else of the configuration. */
interface CompiledRoute {
	readonly parts: Omit<Route, "view" | "sides" | "upstreams">;
	readonly match: CompiledMatch;
	/** Files that were read for it. */
	readonly files: readonly string[];
}

/** What a snapshot is given from outside. */
export interface SnapshotDeps {
	readonly states: UpstreamStates;
	readonly policies: PolicyStates;
	/** A number in [0, 1). */
	readonly random: () => number;
	readonly stickySecret: Buffer;
	/** The files of the configuration, as they were read and checked; others are read when they are needed. */
	readonly contents: FileContents;
}

/**
 * Compiles a checked configuration.
 * @param previous what is equal by identity, and whose files have not changed, is taken from it
 * @throws Error when a file that the checks could read cannot be used
 */
export function* compileSnapshot(config: GatewayConfig, deps: SnapshotDeps, previous?: Snapshot): Sliced<Snapshot> {
	const { contents } = deps;
	const before = previous?.compiled;
	const unchanged = (files: readonly string[]): boolean =>
		files.every((file) => sameContent(before?.contents.get(file), contents.get(file)));
	const upstreams = new Map<string, Upstream>();
	const compiledUpstreams = new Map<UpstreamConfig, Upstream>();
	for (const [name, upstream] of Object.entries(config.upstreams)) {
		const known = before?.upstreams.get(upstream);
		const { ca, cert, key } = upstream.tls;
		const files = [ca, cert, key].filter((file) => file !== undefined);
		const compiled = known?.name === name && unchanged(files) ? known : makeUpstream(name, upstream, deps);
		upstreams.set(name, compiled);
		compiledUpstreams.set(upstream, compiled);
		yield;
	}
	const trustedProxies = new AddressRanges(config.trusted_proxies);
	const clientIpHeader = config.routes[0]?.client_ip_header ?? DEFAULT_CLIENT_IP_HEADER;
	const viewOf = ({ client_ip_header: header }: RouteConfig): Route["view"] =>
		header === clientIpHeader ? undefined : (request) => readWithHeader(request, trustedProxies, header);
	const routes: Route[] = [];
	const table = new RouteTable<Route>();
	const successors = new Map<string, Route>();
	const compiledRoutes = new Map<RouteConfig, CompiledRoute>();
	for (const route of config.routes) {
		const known = before?.routes.get(route);
		const compiled = known && unchanged(known.files) ? known : compileRoute(route, deps);
		compiledRoutes.set(route, compiled);
		const target: Route = {
			...compiled.parts,
			view: viewOf(route),
			...sidesOf(route, upstreams, deps),
		};
		routes.push(target);
		table.add({ match: route.match, view: target.view, target }, compiled.match);
		if (!successors.has(target.identity)) successors.set(target.identity, target);
		yield;
	}
	return {
		config,
		routes,
		upstreams,
		lenient: [...upstreams.values()].some(({ lenient }) => lenient),
		table,
		trustedProxies,
		clientIpHeader,
		successors,
		compiled: { routes: compiledRoutes, upstreams: compiledUpstreams, contents },
	};
}

function makeUpstream(name: string, config: UpstreamConfig, deps: SnapshotDeps): Upstream {
	const { discovery } = config;
	const encrypted = discovery?.scheme === "wss" || config.endpoints.some(({ url }) => /^(wss|https):/.test(url));
	const tls = encrypted
		? {
				...compileUpstreamTls(config.tls, fileReader(deps.contents)),
				discoveredName: discovery && certificateName(discovery),
			}
		: undefined;
	return compileUpstream(name, config, deps.states, { random: deps.random, stickySecret: deps.stickySecret, tls });
}

/** Where a route's requests go. */
function sidesOf(
	config: RouteConfig,
	upstreams: ReadonlyMap<string, Upstream>,
	{ random, stickySecret }: SnapshotDeps,
): Pick<Route, "sides" | "upstreams"> {
	const find = (name: string): Upstream => {
		const upstream = upstreams.get(name);
		if (!upstream) throw new Error(`route ${config.name}: there is no upstream ${name}`);
		return upstream;
	};
	if (config.hub !== undefined) return { sides: NO_SIDES, upstreams: [] };
	if (config.split === undefined) {
		const only = find(config.upstream as string);
		return { sides: onlySide(only), upstreams: [only] };
	}
	const choices: readonly Side[] = config.split.map(({ upstream, weight }) => ({ target: find(upstream), weight }));
	return {
		sides: compileSides(config.name, choices, config.split_cookie, { random, secret: stickySecret }),
		upstreams: choices.map(({ target }) => target),
	};
}

function compileRoute(config: RouteConfig, deps: SnapshotDeps): CompiledRoute {
	const { timeouts, ping } = config;
	const files: string[] = [];
	const read = fileReader(deps.contents);
	const readFile = (path: string): Buffer => {
		files.push(path);
		return read(path);
	};
	const parts: CompiledRoute["parts"] = {
		name: config.name,
		// A given name says where the route stands in the file, and is another's when one is put before it.
		identity: GIVEN_NAME.test(config.name) ? `match ${JSON.stringify(config.match)}` : `name ${config.name}`,
		rewrite: compileRewrite(config.rewrite),
		requestHeaders: compileHeaderRules(config.request_headers),
		responseHeaders: compileHeaderRules(config.response_headers),
		// A hub has nothing to say to a plain request.
		http: config.hub === undefined ? config.http : "reject",
		hub: config.hub && {
			...config.hub,
			session: {
				handshake: timeouts.handshake,
				idle: timeouts.idle,
				lifetime: timeouts.lifetime,
				close: timeouts.close,
				overloadCode: config.close_codes.overload,
				authExpiredCode: config.close_codes.auth_expired,
			},
		},
		timeouts,
		retries: { attempts: config.retries.attempts, on: new Set(config.retries.on) },
		policy: compilePolicy(config, { states: deps.policies, readFile }),
		tunnel: {
			idle: timeouts.idle,
			lifetime: timeouts.lifetime,
			close: timeouts.close,
			pingInterval: ping.interval,
			pingTimeout: ping.timeout,
			pingClient: ping.sides.includes("client"),
			pingBackend: ping.sides.includes("backend"),
			backendLostCode: tunnelCloseCode(config.close_codes.backend_lost),
			clientLostCode: tunnelCloseCode(config.close_codes.client_lost),
			authExpiredCode: config.close_codes.auth_expired,
			limits: compileTunnelLimits(config.limits, config.close_codes.overload),
		},
		drain: config.drain,
	};
	return { parts, match: compileMatch(config.match), files };
}

/** Gives what was read of a file, and reads one that was not. @throws Error when it cannot be read */
export function fileReader(contents: FileContents): (path: string) => Buffer {
	return (path) => {
		const content = contents.get(path) ?? readContent(path);
		if (content.trouble !== undefined) throw new Error(`cannot read ${path}: ${content.trouble}`);
		return Buffer.from(content.bytes.buffer, content.bytes.byteOffset, content.bytes.byteLength);
	};
}
