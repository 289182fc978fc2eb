/**
 * What would happen to a request, without doing it: the listener's part is done, everything from reading the request to
 * the order of the endpoints is the code that the gateway itself runs, so that the two cannot disagree.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { asGatewayError, type ErrorCode, GatewayError } from "../errors.ts";
import { type Admission, admit } from "../policy/admission.ts";
import type { Check } from "../policy/check.ts";
import { checkHandshake } from "../protocol/handshake.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { orderAll } from "../upstreams/candidates.ts";
import type { Upstream } from "../upstreams/upstream.ts";
import { readIncoming, readRequest } from "./incoming.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/** An answer that the client would get instead of a tunnel. */
export interface Refusal {
	readonly status: number;
	readonly code: ErrorCode;
	readonly message: string;
}

export interface CheckExplanation {
	readonly name: string;
	/** `not_asked`: it would have to ask another server who decides; `not_reached`: an earlier one refused. */
	readonly outcome: "passed" | "refused" | "not_asked" | "not_reached";
	readonly refusal?: Refusal;
}

export interface EndpointExplanation {
	readonly id: string;
	/** Place in the order in which endpoints are tried, from 1; absent when it is not tried. */
	readonly place?: number;
	/** Why it is not tried. */
	readonly reason?: string;
	readonly backup: boolean;
}

export interface UpstreamExplanation {
	readonly name: string;
	/** Percent of the route's connections like this one: 100 or 0 when the client is bound to one of several upstreams. */
	readonly share: number;
	/** `load_balancing.policy` */
	readonly policy: string;
	/** Whether every handshake like this one gets this order; otherwise turns, loads or chance decide. */
	readonly fixed: boolean;
	/** The client is bound to the first one by stickiness. */
	readonly sticky: boolean;
	/** Further endpoints come from there, and are not known here. */
	readonly discovery?: string;
	readonly endpoints: readonly EndpointExplanation[];
}

export interface Explanation {
	readonly listener: string;
	readonly client_ip: string;
	readonly host: string;
	readonly path: string;
	/** Routes in file order up to the one that matched; `reason`: why it did not. */
	readonly routes: readonly { readonly name: string; readonly reason?: string }[];
	/** The one that matched. */
	readonly route?: string;
	readonly checks: readonly CheckExplanation[];
	/** How many endpoints are tried at most. */
	readonly attempts?: number;
	readonly upstreams: readonly UpstreamExplanation[];
	/** Where the connection ends, in place of an upstream. */
	readonly hub?: { readonly name: string; readonly protocol: string };
	/** What the backend is asked for. */
	readonly target?: string;
	/** The first thing that stands in the way; absent when the request would be passed on. */
	readonly refusal?: Refusal;
}

/** A request as it would come in at a listener. */
export interface Explained {
	readonly message: IncomingMessage;
	readonly socket: Socket;
	readonly listener: string;
	/** A WebSocket opening handshake; else plain HTTP. */
	readonly websocket: boolean;
}

/** The check that another server decides: it may count, or write down, what it is asked. */
const ASKS_OTHERS = "forward";

/** Runs a request through a snapshot up to, and without, the first dial. It takes turns of round robins in `snapshot`. */
export async function explain(
	snapshot: Snapshot,
	{ message, socket, listener, websocket }: Explained,
): Promise<Explanation> {
	const listenerFacts = { name: listener, port: socket.localPort ?? 0, maxHeaderSize: 0 };
	const incoming = readIncoming(message, socket, listenerFacts, snapshot);
	const basics = {
		listener,
		client_ip: incoming.client.clientIp,
		host: incoming.authority,
		path: incoming.facts.path ?? "",
	};
	const nothing = { ...basics, routes: [], checks: [], upstreams: [] };
	let request: GatewayRequest;
	try {
		request = readRequest(incoming, websocket, websocket ? checkHandshake(message, snapshot.lenient).subprotocols : []);
	} catch (error) {
		return { ...nothing, refusal: refusalOf(error) };
	}
	const routes = snapshot.table.explain(request).map(({ target, reason }) => ({
		name: target.name,
		...(reason !== undefined && { reason }),
	}));
	const { route, refusal } = routeFor(snapshot, request, websocket);
	if (route?.view) request = route.view(request);
	if (!route) return { ...nothing, routes, ...(refusal && { refusal }) };
	const { checks, admission, refused } = await explainChecks(route, request, incoming.facts.connection_id);
	// A check may take a token out of the query: balancing sees what is left.
	const admitted = admission?.request ?? request;
	if (route.hub) {
		const { name, protocol } = route.hub;
		const first = refusal ?? refused;
		const where = { client_ip: request.clientIp, route: route.name, hub: { name, protocol } };
		return { ...basics, ...where, routes, checks, upstreams: [], ...(first && { refusal: first }) };
	}
	const upstreams = explainUpstreams(snapshot, route, admitted);
	const usable = upstreams.some(({ endpoints }) => endpoints.some(({ place }) => place !== undefined));
	const first = refusal ?? refused ?? (usable ? undefined : refusalOf(new GatewayError("NO_ENDPOINT")));
	return {
		...basics,
		client_ip: request.clientIp,
		routes,
		route: route.name,
		checks,
		attempts: route.retries.attempts,
		upstreams,
		target: route.rewrite.target(admitted),
		...(first && { refusal: first }),
	};
}

/** A route that matches may still refuse plain HTTP. */
function routeFor(
	snapshot: Snapshot,
	request: GatewayRequest,
	websocket: boolean,
): { route?: Route; refusal?: Refusal } {
	try {
		const route = snapshot.table.find(request);
		if (!route) throw new GatewayError("NO_ROUTE");
		if (websocket || route.http !== "reject") return { route };
		return { route, refusal: refusalOf(new GatewayError("UPGRADE_REQUIRED")) };
	} catch (error) {
		return { refusal: refusalOf(error) };
	}
}

interface CheckedRequest {
	readonly checks: CheckExplanation[];
	/** Absent after a refusal. */
	readonly admission?: Admission;
	readonly refused?: Refusal;
}

async function explainChecks(route: Route, request: GatewayRequest, connectionId: string): Promise<CheckedRequest> {
	const asked: CheckExplanation[] = [];
	const { checks } = route.policy;
	const rest = (): CheckExplanation[] => [
		...asked,
		...checks.slice(asked.length).map(({ name }) => ({ name, outcome: "not_reached" as const })),
	];
	try {
		const admission = await admit(
			{ ...route.policy, checks: checks.map((check) => watched(check, asked)) },
			{ request, route: route.name, connectionId, signal: new AbortController().signal },
		);
		admission.leases?.release();
		return { checks: asked, admission };
	} catch (error) {
		return { checks: rest(), refused: refusalOf(error) };
	}
}

/** The same check, with its outcome noted. */
function watched(check: Check, asked: CheckExplanation[]): Check {
	const { name } = check;
	return {
		...check,
		check: async (context) => {
			if (name === ASKS_OTHERS) {
				asked.push({ name, outcome: "not_asked" });
				return undefined;
			}
			try {
				const granted = await check.check(context);
				asked.push({ name, outcome: "passed" });
				return granted;
			} catch (error) {
				asked.push({ name, outcome: "refused", refusal: refusalOf(error) });
				throw error;
			}
		},
	};
}

function explainUpstreams({ config }: Snapshot, route: Route, request: GatewayRequest): UpstreamExplanation[] {
	const split = config.routes.find(({ name }) => name === route.name)?.split;
	const total = split?.reduce((sum, { weight }) => sum + weight, 0) ?? 1;
	const bound = route.sides.boundTo(request);
	return route.upstreams.map((upstream, index) => ({
		share:
			bound === undefined
				? Math.round(((split?.[index]?.weight ?? 1) / total) * 1000) / 10
				: Number(upstream === bound) * 100,
		...explainUpstream(upstream, request, config.upstreams[upstream.name]?.load_balancing),
	}));
}

function explainUpstream(
	upstream: Upstream,
	request: GatewayRequest,
	balancing: { readonly policy: string; readonly hash_balance_factor?: number | undefined } | undefined,
): Omit<UpstreamExplanation, "share"> {
	const bound = upstream.sticky?.endpointOf(request);
	const order = orderAll(upstream.candidates(request));
	const sticky = bound !== undefined && order[0] === bound;
	const policy = upstream.sticky?.policyFor?.(request) ?? upstream.policy;
	const endpoints = upstream.endpoints.map((endpoint) => {
		const place = order.indexOf(endpoint) + 1;
		const { id, backup } = endpoint;
		if (place > 0) return { id, backup, place };
		return { id, backup, reason: upstream.ineligible(endpoint) ?? "not chosen" };
	});
	return {
		name: upstream.name,
		policy: balancing?.policy ?? "",
		fixed: order.length < 2 || (policy.stable && balancing?.hash_balance_factor === undefined),
		sticky,
		...(upstream.discovery && { discovery: upstream.discovery.type }),
		endpoints: endpoints.sort((a, b) => (a.place ?? Number.MAX_VALUE) - (b.place ?? Number.MAX_VALUE)),
	};
}

function refusalOf(error: unknown): Refusal {
	const { status, code, message, hint } = asGatewayError(error);
	if (code === "INTERNAL") throw error;
	return { status, code, message: message || hint };
}
