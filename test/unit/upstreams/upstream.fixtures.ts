/** Requests and upstreams for the tests of this folder. */
import type { GatewayRequest } from "../../../src/protocol/request.ts";
import { loadBalancingOptions } from "../../../src/upstreams/balance/index.ts";
import { type Endpoint, endpointOptions } from "../../../src/upstreams/endpoint.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import { stickyOptions } from "../../../src/upstreams/sticky.ts";
import {
	compileUpstream,
	type Upstream,
	type UpstreamConfig,
	type UpstreamDeps,
} from "../../../src/upstreams/upstream.ts";

/** A repeatable source of randomness (mulberry32). */
export function seededRandom(seed = 1): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
	};
}

export function request(facts: Partial<GatewayRequest> = {}): GatewayRequest {
	return {
		method: "GET",
		httpVersion: "1.1",
		path: "/ws",
		matchPath: "/ws",
		query: undefined,
		rawHeaders: [],
		headers: {},
		authority: "chat.example.com",
		host: "chat.example.com",
		subprotocols: [],
		clientIp: "192.0.2.1",
		peerIp: "192.0.2.1",
		secure: false,
		port: 80,
		trustedPeer: false,
		listener: "public",
		websocket: true,
		...facts,
	};
}

export interface Written {
	name?: string;
	/** As an operator writes them. */
	endpoints: unknown[];
	load_balancing?: unknown;
	sticky?: unknown;
	states?: UpstreamStates;
	/** Further keys, already parsed. */
	config?: Partial<UpstreamConfig>;
	deps?: Partial<UpstreamDeps>;
}

/** Compiles an upstream from what an operator writes. */
export function upstream({
	name = "chat",
	endpoints,
	load_balancing,
	sticky,
	states,
	config,
	deps,
}: Written): Upstream {
	return compileUpstream(
		name,
		{
			endpoints: endpoints.map((endpoint) => endpointOptions.parse(endpoint)),
			load_balancing: loadBalancingOptions.parse(load_balancing ?? {}),
			sticky: sticky === undefined ? undefined : stickyOptions.parse(sticky),
			...config,
		},
		states ?? new UpstreamStates(() => 1),
		{ random: seededRandom(), stickySecret: Buffer.from("a key for tests"), ...deps },
	);
}

/** `ws://a:1`, `ws://b:1` … with these weights. */
export function weighted(...weights: number[]): { url: string; weight: number }[] {
	return weights.map((weight, index) => ({ url: `ws://${String.fromCharCode(97 + index)}:1`, weight }));
}

export function first(pool: Upstream, asked: GatewayRequest = request()): Endpoint {
	const endpoint = pool.candidates(asked).next();
	if (endpoint === undefined) throw new Error("no endpoint was chosen");
	return endpoint;
}

export function byId(pool: Upstream, id: string): Endpoint {
	const endpoint = pool.endpoints.find((candidate) => candidate.id === id);
	if (endpoint === undefined) throw new Error(`no endpoint ${id}`);
	return endpoint;
}
