/** The story of one plain HTTP request on a route: Socket.IO and SockJS polling, health pages, sign-in (CONFIG `http`). */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asGatewayError, ERRORS, type ErrorCode, GatewayError } from "../errors.ts";
import { type Admission, admit } from "../policy/admission.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Permit } from "../upstreams/attempts/permit.ts";
import { answerVerdict, errorVerdict } from "../upstreams/attempts/verdict.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Gateway } from "./gateway.ts";
import { findRoute, type Incoming, type ListenerFacts, readIncoming, readRequest } from "./incoming.ts";
import { tellInternalError } from "./internal-error.ts";
import { preambleFor } from "./proxied.ts";
import { errorBody, errorHeaders } from "./respond.ts";
import { bindingCookies } from "./sides.ts";
import type { Route } from "./snapshot.ts";

/** Answers a request, from a backend or with an error. Never throws; leaves exactly one http event. */
export async function handleHttp(
	gateway: Gateway,
	listener: ListenerFacts,
	message: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const startedAt = gateway.clock();
	response.on("error", ignoreError);
	message.on("error", ignoreError);
	const incoming = readIncoming(message, message.socket, listener, gateway.snapshot);
	gateway.tracing.begin(incoming, false);
	let code: ErrorCode | undefined;
	let bytesOut = 0;
	try {
		const { request, route } = readHttp(gateway, incoming);
		const admission = await admit(route.policy, {
			request,
			route: route.name,
			connectionId: incoming.facts.connection_id,
			signal: goneSignal(response),
		});
		incoming.facts.user = admission.user;
		try {
			bytesOut = await forward(gateway, incoming, admission, route, response);
		} finally {
			admission.leases?.release();
		}
	} catch (error) {
		const failure = whyFailed(message, response, error);
		code = failure.code;
		// Nothing was answered where nothing can be sent any more: the line tells what would have been.
		if (response.destroyed && !response.headersSent) response.statusCode = failure.status;
		if (code === "INTERNAL") {
			tellInternalError(gateway.events, failure, { connection_id: incoming.facts.connection_id });
		}
		bytesOut = answerError(response, failure);
	}
	gateway.events.http(incoming.facts, {
		method: message.method ?? "",
		status: code === "CLIENT_GONE" ? ERRORS.CLIENT_GONE.status : response.statusCode,
		code,
		duration_ms: Math.round((gateway.clock() - startedAt) * 10) / 10,
		bytes_out: bytesOut,
	});
}

/** The route for a request that can be forwarded at all. */
function readHttp(gateway: Gateway, incoming: Incoming): { request: GatewayRequest; route: Route } {
	const { message } = incoming;
	if (message.headers["content-length"] !== undefined && message.headers["transfer-encoding"] !== undefined) {
		throw new GatewayError("BAD_REQUEST", "both Content-Length and Transfer-Encoding (RFC 9112 §6.1)");
	}
	const received = readRequest(incoming, false, []);
	refuseLostUpgrade(message);
	const found = findRoute(gateway.snapshot, incoming, received);
	if (found.route.http === "reject") throw new GatewayError("UPGRADE_REQUIRED");
	return found;
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

/** Failover as for handshakes, but only where nothing was sent; resolves with the bytes of the answer's body. */
async function forward(
	gateway: Gateway,
	incoming: Incoming,
	{ request, headers }: Admission,
	route: Route,
	response: ServerResponse,
): Promise<number> {
	const { message, facts, details } = incoming;
	const known = route.sides.recall(request);
	if (known !== undefined) await known;
	const upstream = route.sides.of(request);
	facts.upstream = upstream.name;
	const recalled = upstream.recall(request);
	if (recalled !== undefined) await recalled;
	const candidates = upstream.candidates(request);
	const { permits } = upstream;
	let last: GatewayError | undefined;
	let endpoint: Endpoint | undefined;
	let permit: Permit | undefined;
	for (let tried = 0; tried < route.retries.attempts; tried++) {
		if (permits === undefined) endpoint = candidates.next();
		else ({ endpoint, permit } = await permits.next(candidates, request));
		if (!endpoint) break;
		facts.endpoint = endpoint.id;
		const judgement = upstream.protection.begin(endpoint, request.clientIp);
		const trace = details.trace?.attempt(endpoint, tried + 1);
		try {
			const { bytesOut, status } = await gateway.forwarders.of(upstream).forward({
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
				watchAnswer: upstream.watchAnswer(request, endpoint),
				answered: (status) => judgement.settle(answerVerdict(status)),
			});
			trace?.end(String(status), status);
			return bytesOut;
		} catch (error) {
			last = asGatewayError(error);
			trace?.end(last.retry ?? last.code.toLowerCase(), undefined);
			judgement.settle(errorVerdict(last));
			// The forwarder names a retry only where the request can be sent again.
			const again = last.retry !== undefined && route.retries.on.has(last.retry);
			if (!again || response.headersSent || response.destroyed) break;
		} finally {
			permit?.release();
		}
	}
	throw last ?? upstream.unavailable();
}

/** A body that could not be read is the listener's word, and the cause of what else went wrong. */
function whyFailed(message: IncomingMessage, response: ServerResponse, error: unknown): GatewayError {
	if (message.errored instanceof GatewayError) return message.errored;
	return response.destroyed && !response.headersSent ? new GatewayError("CLIENT_GONE") : asGatewayError(error);
}

/** Gives the bytes of the body. */
function answerError(response: ServerResponse, error: GatewayError): number {
	if (response.destroyed) return 0;
	if (response.headersSent) {
		// A part of the backend's answer is out: to end it properly would make it look whole.
		response.destroy();
		return 0;
	}
	for (const name of response.getHeaderNames()) response.removeHeader(name);
	if (error.answer) {
		const { status, statusText, rawHeaders, body } = error.answer;
		response.writeHead(status, statusText, [...rawHeaders, "Connection", "close"]);
		response.end(body);
		return body.length;
	}
	const headers = errorHeaders(error);
	// The request's body may not have been read: its rest must not be taken for the next request.
	headers.Connection = error.status === 426 ? "Upgrade, close" : "close";
	const body = Buffer.from(errorBody(error));
	headers["Content-Length"] = String(body.length);
	response.writeHead(error.status, headers);
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
