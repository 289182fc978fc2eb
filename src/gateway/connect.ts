/** Failover: dials the candidates one after the other until one accepts or refuses for good. */
import { GatewayError } from "../errors.ts";
import { backendRequestHead } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { type DialResult, dial } from "../upstreams/dial.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Upstream } from "../upstreams/upstream.ts";
import type { Attempt } from "./events.ts";
import type { Route } from "./snapshot.ts";

/** Seconds a client is asked to wait when no endpoint can be tried. */
const RETRY_AFTER = 1;

export interface ConnectOptions {
	readonly request: GatewayRequest;
	readonly key: string;
	readonly route: Route;
	readonly upstream: Upstream;
	readonly connectionId: string;
	/** Aborts when the client leaves. */
	readonly signal: AbortSignal;
	/** Monotonic, ms. */
	readonly clock: () => number;
	/** Every attempt is added here as it ends, also when `connect` throws. */
	readonly attempts: Attempt[];
}

export interface Connected {
	readonly endpoint: Endpoint;
	readonly result: DialResult;
}

/**
 * One try after the other, by the retry rule (DESIGN §4): another endpoint only when nothing went to the client, the
 * failure is one of `retries.on`, attempts are left, and the client is still there.
 * @throws GatewayError NO_ENDPOINT when nothing could be tried; otherwise the last attempt's failure
 */
export async function connect(options: ConnectOptions): Promise<Connected> {
	const { route, upstream, request } = options;
	const candidates = upstream.candidates(request);
	let last: Connected | GatewayError = new GatewayError("NO_ENDPOINT", undefined, { retryAfter: RETRY_AFTER });
	for (let tried = 0; tried < route.retries.attempts; tried++) {
		const endpoint = candidates.next();
		if (!endpoint) break;
		last = await attempt(options, endpoint);
		const condition = retryCondition(last);
		if (condition === undefined || !route.retries.on.has(condition) || options.signal.aborted) break;
	}
	if (last instanceof GatewayError) throw last;
	return last;
}

async function attempt(options: ConnectOptions, endpoint: Endpoint): Promise<Connected | GatewayError> {
	const { route, upstream, request } = options;
	const startedAt = options.clock();
	endpoint.state.pending++;
	let outcome = "ok";
	try {
		const result = await dial({
			address: endpoint.address,
			tls: upstream.tls,
			head: backendRequestHead({
				request,
				target: route.rewrite.target(request),
				host: route.rewrite.host(request, endpoint.address.authority),
				connectionId: options.connectionId,
				rules: route.requestHeaders,
			}),
			key: options.key,
			offered: request.subprotocols,
			extensions: joined(request.headers["sec-websocket-extensions"]),
			connectTimeout: route.timeouts.connect,
			handshakeTimeout: route.timeouts.handshake,
			signal: options.signal,
		});
		if (result.kind === "refused") outcome = String(result.status);
		return { endpoint, result };
	} catch (error) {
		if (!(error instanceof GatewayError)) throw error;
		outcome = error.retry ?? error.code.toLowerCase();
		return error;
	} finally {
		endpoint.state.pending--;
		options.attempts.push({
			endpoint: endpoint.id,
			outcome,
			ms: Math.round((options.clock() - startedAt) * 10) / 10,
		});
	}
}

function joined(header: string | string[] | undefined): string | undefined {
	return Array.isArray(header) ? header.join(", ") : header;
}

function retryCondition(last: Connected | GatewayError): string | undefined {
	if (last instanceof GatewayError) return last.retry;
	return last.result.kind === "refused" ? String(last.result.status) : undefined;
}
