/** Failover: dials the candidates one after the other until one accepts or refuses for good. */
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import { backendRequestHead } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { type Attempted, attemptHandshake } from "../upstreams/attempts/attempt.ts";
import type { Permit } from "../upstreams/attempts/permit.ts";
import { dial } from "../upstreams/dial.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Upstream } from "../upstreams/upstream.ts";
import type { Attempt } from "./events.ts";
import type { Route } from "./snapshot.ts";
import type { RequestTrace } from "./tracing.ts";

export interface ConnectOptions {
	readonly request: GatewayRequest;
	/** Headers that the route's checks add, as a raw list. */
	readonly checkHeaders: readonly string[] | undefined;
	readonly key: string;
	readonly route: Route;
	readonly upstream: Upstream;
	readonly connectionId: string;
	/** A PROXY protocol header for the backend. */
	readonly preamble: Buffer | undefined;
	/** Aborts when the client leaves. */
	readonly signal: DepartureSignal;
	/** Monotonic, ms. */
	readonly clock: () => number;
	readonly trace: RequestTrace | undefined;
	/** Every attempt is added here as it ends, also when `connect` throws. */
	readonly attempts: Attempt[];
}

/** The lease of an accepted handshake is still held: the caller opens or releases it. */
export type Connected = Attempted;

/**
 * One try after the other, by the retry rule: another endpoint only when nothing went to the client, the
 * failure is one of `retries.on`, attempts are left, and the client is still there.
 * Each attempt waits for its turn where the upstream limits handshakes.
 * @throws GatewayError NO_ENDPOINT or OVERLOADED when nothing could be tried; otherwise the last attempt's failure;
 *   LIMITS_UNAVAILABLE when the supervisor of several workers does not answer
 */
export async function connect(options: ConnectOptions): Promise<Connected> {
	const { route, upstream, request, signal } = options;
	const recalled = upstream.recall(request);
	if (recalled !== undefined) await recalled;
	const candidates = upstream.candidates(request);
	const { permits } = upstream;
	let last: Connected | GatewayError | undefined;
	let endpoint: Endpoint | undefined;
	let permit: Permit | undefined;
	let full = false;
	for (let tried = 0; tried < route.retries.attempts; tried++) {
		const turn = upstream.turn(candidates, signal, route.timeouts.handshake, tried > 0);
		if (turn !== undefined) await turn;
		if (permits === undefined) endpoint = candidates.next();
		else ({ endpoint, permit, full } = await permits.next(candidates, request));
		if (!endpoint) break;
		last = await attempt(options, endpoint, permit);
		const condition = retryCondition(last);
		if (condition === undefined || !route.retries.on.has(condition) || signal.aborted) break;
	}
	last ??= upstream.unavailable(full);
	if (last instanceof GatewayError) throw last;
	return last;
}

async function attempt(
	options: ConnectOptions,
	endpoint: Endpoint,
	permit: Permit | undefined,
): Promise<Connected | GatewayError> {
	const { route, upstream, request } = options;
	const startedAt = options.clock();
	const trace = options.trace?.attempt(endpoint, options.attempts.length + 1);
	let outcome = "ok";
	let status: number | undefined = 101;
	try {
		const attempted = await attemptHandshake(
			upstream.protection,
			endpoint,
			options.signal,
			async (signal) =>
				dial({
					address: endpoint.address,
					tls: upstream.tls,
					lookup: upstream.lookup,
					preamble: options.preamble,
					head: backendRequestHead({
						request,
						target: route.rewrite.target(request),
						host: route.rewrite.host(request, endpoint.address.authority),
						connectionId: options.connectionId,
						rules: route.requestHeaders,
						checkHeaders: options.checkHeaders,
						reserved: route.policy.reserved,
						keepUnderscores: route.policy.keepUnderscores,
						trace: trace?.headers,
					}),
					key: options.key,
					offered: request.subprotocols,
					lenient: upstream.lenient,
					extensions: joined(request.headers["sec-websocket-extensions"]),
					connectTimeout: route.timeouts.connect,
					handshakeTimeout: route.timeouts.handshake,
					signal,
					beforeHead: upstream.pace,
				}),
			permit,
			request.clientIp,
		);
		if (attempted.result.kind === "refused") {
			status = attempted.result.status;
			outcome = String(status);
		}
		return attempted;
	} catch (error) {
		status = undefined;
		if (!(error instanceof GatewayError)) throw error;
		outcome = error.retry ?? error.code.toLowerCase();
		return error;
	} finally {
		options.attempts.push({
			endpoint: endpoint.id,
			outcome,
			ms: Math.round((options.clock() - startedAt) * 10) / 10,
		});
		trace?.end(outcome, status);
	}
}

function joined(header: string | string[] | undefined): string | undefined {
	return Array.isArray(header) ? header.join(", ") : header;
}

function retryCondition(last: Connected | GatewayError): string | undefined {
	if (last instanceof GatewayError) return last.retry;
	return last.result.kind === "refused" ? String(last.result.status) : undefined;
}
