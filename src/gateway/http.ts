/** The story of one plain HTTP request on a route: Socket.IO and SockJS polling, health pages, sign-in. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asGatewayError, GatewayError } from "../errors.ts";
import { type Admission, admit } from "../policy/admission.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { atOnce } from "../slices.ts";
import type { Permit } from "../upstreams/attempts/permit.ts";
import { answerVerdict, errorVerdict } from "../upstreams/attempts/verdict.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import { Exchange } from "./exchange.ts";
import type { Gateway } from "./gateway.ts";
import { findRoute, type Incoming, type ListenerFacts, readIncoming, readRequest } from "./incoming.ts";
import { tellInternalError } from "./internal-error.ts";
import { preambleFor } from "./proxied.ts";
import { errorAnswer } from "./respond.ts";
import { retire } from "./retire.ts";
import { bindingCookies } from "./sides.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/** Answers a request, from a backend or with an error. Never throws; leaves exactly one http event. */
export async function handleHttp(
	gateway: Gateway,
	listener: ListenerFacts,
	message: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	response.on("error", ignoreError);
	message.on("error", ignoreError);
	const { snapshot } = gateway;
	const startedAt = gateway.clock();
	const incoming = readIncoming(message, message.socket, listener, snapshot);
	const exchange = new Exchange(gateway.connections, incoming.facts, startedAt, message, response);
	gateway.tracing.begin(incoming, false);
	// The client's connection is not kept: it would be idle only to be closed.
	if (gateway.stopping) response.shouldKeepAlive = false;
	let failure: GatewayError | undefined;
	try {
		const { request, route } = readHttp(snapshot, incoming);
		exchange.route = route;
		const admission = await admit(route.policy, {
			request,
			route: route.name,
			connectionId: incoming.facts.connection_id,
			signal: goneSignal(response),
		});
		exchange.leases = admission.leases;
		exchange.token = admission.token;
		incoming.facts.user = admission.user;
		await forward({ gateway, snapshot, listener, incoming, admission, route, exchange, response });
	} catch (error) {
		failure = whyFailed(message, response, error);
		if (failure.code === "INTERNAL") {
			tellInternalError(gateway.events, failure, { connection_id: incoming.facts.connection_id });
		}
		exchange.bytesOut += answerError(response, failure);
	}
	exchange.ended(failure);
}

/** The route for a request that can be forwarded at all. */
function readHttp(snapshot: Snapshot, incoming: Incoming): { request: GatewayRequest; route: Route } {
	const { message } = incoming;
	if (message.headers["content-length"] !== undefined && message.headers["transfer-encoding"] !== undefined) {
		throw new GatewayError("BAD_REQUEST", "both Content-Length and Transfer-Encoding (RFC 9112 §6.1)");
	}
	if (message.method === "TRACE") throw traceRefused();
	const received = readRequest(incoming, false, []);
	refuseLostUpgrade(message);
	const found = findRoute(snapshot, incoming, received);
	if (found.route.http === "reject") throw new GatewayError("UPGRADE_REQUIRED");
	return found;
}

/** Its answer would show what the gateway adds, and what a script in a browser cannot read: cookies (RFC 9110 §9.3.8). */
function traceRefused(): GatewayError {
	return new GatewayError("METHOD_NOT_ALLOWED", "TRACE is not forwarded", {
		hint: "TRACE is not forwarded",
		headers: { Allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" },
	});
}

/** A handshake that arrives as plain HTTP lost its Upgrade on the way, or never was complete: the backend cannot help. */
function refuseLostUpgrade(message: IncomingMessage): void {
	if (wantsWebSocket(message.headers)) {
		const hint = "Connection: Upgrade is missing; a proxy in front of the gateway may have removed it";
		throw new GatewayError("BAD_HANDSHAKE", hint, { hint });
	}
	if (message.headers["sec-websocket-key"] !== undefined && message.headers["sec-websocket-version"] !== undefined) {
		const hint = "Upgrade and Connection are missing; a proxy in front of the gateway has to pass them on";
		throw new GatewayError("UPGRADE_REQUIRED", hint, { hint });
	}
}

function answerRewrite({ rewrite: { answer } }: Route, request: GatewayRequest, { address }: Endpoint) {
	return answer && ((raw: readonly string[]) => answer(raw, request, address.authority));
}

interface Forwarding {
	readonly gateway: Gateway;
	/** The one that the route is from. */
	readonly snapshot: Snapshot;
	readonly listener: ListenerFacts;
	readonly incoming: Incoming;
	readonly admission: Admission;
	readonly route: Route;
	readonly exchange: Exchange;
	readonly response: ServerResponse;
}

/** Failover as for handshakes, but only where nothing was sent. */
async function forward(forwarding: Forwarding): Promise<void> {
	const { gateway, snapshot, listener, incoming, admission, route, exchange, response } = forwarding;
	const { request, headers } = admission;
	const { message, facts, details } = incoming;
	const known = route.sides.recall(request);
	if (known !== undefined) await known;
	const upstream = route.sides.of(request);
	facts.upstream = upstream.name;
	const recalled = upstream.recall(request);
	if (recalled !== undefined) await recalled;
	const candidates = upstream.candidates(request);
	const { permits } = upstream;
	const { attempts, on } = route.retries;
	let last: GatewayError | undefined;
	let endpoint: Endpoint | undefined;
	let permit: Permit | undefined;
	for (let tried = 1; tried <= attempts; tried++) {
		if (permits === undefined) endpoint = candidates.next();
		else ({ endpoint, permit } = await permits.next(candidates, request));
		if (!endpoint) break;
		facts.endpoint = endpoint.id;
		exchange.endpoint = endpoint;
		if (!exchange.isOpen) enter(gateway, snapshot, exchange);
		const judgement = upstream.protection.begin(endpoint, request.clientIp);
		const trace = details.trace?.attempt(endpoint, tried);
		try {
			const status = await gateway.forwarders.of(upstream).forward({
				req: message,
				res: response,
				request,
				address: endpoint.address,
				tls: upstream.tls,
				lookup: upstream.lookup,
				preamble: preambleFor(upstream.proxyProtocol, message.socket, request.clientIp),
				target: route.rewrite.target(request),
				host: route.rewrite.host(request, endpoint.address.authority),
				connectionId: facts.connection_id,
				rules: route.requestHeaders,
				checkHeaders: headers,
				reserved: route.policy.reserved,
				keepUnderscores: route.policy.keepUnderscores,
				trace: trace?.headers,
				rewriteAnswer: answerRewrite(route, request, endpoint),
				responseRules: route.responseHeaders,
				extraResponseHeaders: bindingCookies(route, upstream, endpoint, request),
				timeouts: route.timeouts,
				maxHeaderSize: listener.maxHeaderSize,
				watchAnswer: upstream.watchAnswer(request, endpoint),
				answered: (status) => judgement.settle(answerVerdict(status)),
				tryNext: (status) => tried < attempts && on.has(`${status}`) && candidates.any(),
				progress: exchange,
			});
			trace?.end(String(status), status);
			return;
		} catch (error) {
			last = asGatewayError(error);
			trace?.end(last.retry ?? last.code.toLowerCase(), undefined);
			judgement.settle(errorVerdict(last));
			// The forwarder names a retry only where the request can be sent again.
			const again = last.retry !== undefined && on.has(last.retry);
			if (!again || response.headersSent || response.destroyed) break;
		} finally {
			permit?.release();
		}
	}
	throw last ?? upstream.unavailable();
}

/** Into the population: a reload or a drain that came while it was on its way concerns it too. */
function enter(gateway: Gateway, snapshot: Snapshot, exchange: Exchange): void {
	exchange.opened();
	if (gateway.snapshot !== snapshot) atOnce(retire([exchange], gateway.snapshot, gateway.drains));
	gateway.drains.opened(exchange);
}

/** A body that could not be read is the listener's word, and the cause of what else went wrong. */
function whyFailed(message: IncomingMessage, response: ServerResponse, error: unknown): GatewayError {
	if (message.errored instanceof GatewayError) return message.errored;
	const gone = response.destroyed && !response.headersSent;
	return gone ? new GatewayError("CLIENT_GONE", "the client left before it was answered") : asGatewayError(error);
}

/** Gives the bytes of the body. */
function answerError(response: ServerResponse, error: GatewayError): number {
	if (response.destroyed) return 0;
	if (response.headersSent) {
		// A part of the backend's answer is out: to end it properly would make it look whole.
		response.destroy();
		return 0;
	}
	const { status, statusText, rawHeaders, body } = errorAnswer(error);
	// The request's body may not have been read: its rest must not be taken for the next request.
	const connection = status === 426 ? "Upgrade, close" : "close";
	response.writeHead(status, statusText, [...rawHeaders, "Connection", connection]);
	response.end(body);
	return response.req.method === "HEAD" ? 0 : body.length;
}

/** Aborts when the client leaves while its request waits for a check. */
function goneSignal(response: ServerResponse): AbortSignal {
	const gone = new AbortController();
	response.once("close", () => gone.abort());
	return gone.signal;
}

function ignoreError(): void {
	// The response's `close` tells whoever waits for it.
}
