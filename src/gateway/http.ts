/** The story of one plain HTTP request on a route: Socket.IO and SockJS polling, health pages, sign-in (CONFIG `http`). */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asGatewayError, type ErrorCode, GatewayError } from "../errors.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Gateway } from "./gateway.ts";
import { type Incoming, readIncoming, readRequest } from "./incoming.ts";
import { errorBody, errorHeaders } from "./respond.ts";
import type { Route } from "./snapshot.ts";

/** Answers a request, from a backend or with an error. Never throws; leaves exactly one http event. */
export async function handleHttp(
	gateway: Gateway,
	listener: string,
	message: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const startedAt = gateway.clock();
	response.on("error", ignoreError);
	message.on("error", ignoreError);
	const incoming = readIncoming(message, message.socket, listener, gateway.snapshot);
	let code: ErrorCode | undefined;
	let bytesOut = 0;
	try {
		const { request, route } = admit(gateway, incoming);
		bytesOut = await forward(gateway, incoming, request, route, response);
	} catch (error) {
		const failure =
			response.destroyed && !response.headersSent ? new GatewayError("CLIENT_GONE") : asGatewayError(error);
		code = failure.code;
		if (code === "INTERNAL") gateway.events.notice("error", "internal.error", { message: failure.message });
		answerError(response, failure);
	}
	gateway.events.http(incoming.facts, {
		method: message.method ?? "",
		status: code === "CLIENT_GONE" ? 499 : response.statusCode,
		code,
		duration_ms: Math.round((gateway.clock() - startedAt) * 10) / 10,
		bytes_out: bytesOut,
	});
}

/** What has to hold before a request is forwarded. */
function admit(gateway: Gateway, incoming: Incoming): { request: GatewayRequest; route: Route } {
	const { message, facts } = incoming;
	if (message.headers["content-length"] !== undefined && message.headers["transfer-encoding"] !== undefined) {
		throw new GatewayError("BAD_REQUEST", "both Content-Length and Transfer-Encoding (RFC 9112 §6.1)");
	}
	const request = readRequest(incoming, false, []);
	refuseLostUpgrade(message);
	const route = gateway.snapshot.table.find(request);
	if (!route) throw new GatewayError("NO_ROUTE");
	facts.route = route.name;
	if (route.http === "reject") throw new GatewayError("UPGRADE_REQUIRED");
	return { request, route };
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

/** Failover as for handshakes, but only where nothing was sent; resolves with the bytes of the answer's body. */
async function forward(
	gateway: Gateway,
	incoming: Incoming,
	request: GatewayRequest,
	route: Route,
	response: ServerResponse,
): Promise<number> {
	const { message, facts } = incoming;
	const upstream = route.upstream();
	facts.upstream = upstream.name;
	const candidates = upstream.candidates(request);
	let last = new GatewayError("NO_ENDPOINT", undefined, { retryAfter: 1 });
	for (let tried = 0; tried < route.retries.attempts; tried++) {
		const endpoint = candidates.next();
		if (!endpoint) break;
		facts.endpoint = endpoint.id;
		const cookie = upstream.stickyCookie(endpoint, request);
		try {
			const { bytesOut } = await gateway.forwarders.of(upstream).forward({
				req: message,
				res: response,
				request,
				address: endpoint.address,
				tls: upstream.tls,
				target: route.rewrite.target(request),
				host: route.rewrite.host(request, endpoint.address.authority),
				connectionId: facts.connection_id,
				rules: route.requestHeaders,
				responseRules: route.responseHeaders,
				extraResponseHeaders: cookie === undefined ? undefined : ["Set-Cookie", cookie],
				timeouts: route.timeouts,
				watchAnswer: upstream.watchAnswer(request, endpoint),
			});
			return bytesOut;
		} catch (error) {
			last = asGatewayError(error);
			// The forwarder names a retry only where the request can be sent again.
			const again = last.retry !== undefined && route.retries.on.has(last.retry);
			if (!again || response.headersSent || response.destroyed) break;
		}
	}
	throw last;
}

function answerError(response: ServerResponse, error: GatewayError): void {
	if (response.destroyed) return;
	if (response.headersSent) {
		// A part of the backend's answer is out: to end it properly would make it look whole.
		response.destroy();
		return;
	}
	for (const name of response.getHeaderNames()) response.removeHeader(name);
	const headers = errorHeaders(error);
	// The request's body may not have been read: its rest must not be taken for the next request.
	headers.Connection = error.status === 426 ? "Upgrade, close" : "close";
	response.writeHead(error.status, headers);
	response.end(errorBody(error));
}

function ignoreError(): void {
	// The response's `close` tells whoever waits for it.
}
