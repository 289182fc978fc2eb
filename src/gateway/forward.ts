/** Plain HTTP on a route (Socket.IO and SockJS polling, health pages): forwarded by httpxy, with the gateway's own headers. */
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { createProxyServer } from "httpxy";
import { GatewayError } from "../errors.ts";
import { type BackendRequest, checkTarget, type HeaderRules } from "../protocol/headers.ts";
import { type EndpointAddress, endpointId } from "../upstreams/endpoint.ts";
import { badHandshake, socketErrorWords } from "../upstreams/failure.ts";
import type { TlsConnectOptions } from "../upstreams/tls.ts";
import { BackendAgent, type Dialling } from "./backend-agent.ts";
import { hasBody, isSafe, outgoingHeaders, writeAnswerHead } from "./forward-head.ts";

/** As for the answer to an opening handshake. */
const MAX_HEAD = 64 * 1024;
/** Node's timers hold a signed 32-bit number of milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** The kept-alive connection was closed by the backend just when it was used again. */
const STALE = Symbol("stale");

/** One request to forward. */
export interface ForwardOptions extends BackendRequest {
	readonly req: IncomingMessage;
	readonly res: ServerResponse;
	readonly address: EndpointAddress;
	readonly tls?: TlsConnectOptions | undefined;
	/** Finds the addresses of a host name. */
	readonly lookup?: LookupFunction | undefined;
	/** The request target's bytes. */
	readonly target: string;
	/** Value of the Host header. */
	readonly host: string;
	/** `rewrite.location` of the route: changes the answer's raw headers before the rules. */
	readonly rewriteAnswer?: ((raw: readonly string[]) => readonly string[]) | undefined;
	/** `response_headers` of the route. */
	readonly responseRules?: HeaderRules | undefined;
	/** Further headers of the answer as a raw list, such as Set-Cookie. */
	readonly extraResponseHeaders?: readonly string[] | undefined;
	/** Milliseconds or OFF. `connect`: until the backend took the connection; `idle`: without a byte in either direction. */
	readonly timeouts: { readonly connect: number; readonly idle: number };
	/** A PROXY protocol header; the connection is then not kept for other requests. */
	readonly preamble?: Buffer | undefined;
	/** Is given the chunks of the answer's body, unless they have a content coding; must not keep, change or throw. */
	readonly watchAnswer?: ((chunk: Uint8Array) => void) | undefined;
	/** Is told the backend's status as soon as it is there, long before a stream ends; must not throw. */
	readonly answered?: ((status: number) => void) | undefined;
}

/** How the exchange ended: the whole answer went to the client. */
export interface ForwardResult {
	/** The backend's status. */
	readonly status: number;
	/** Bytes of the answer's body. */
	readonly bytesOut: number;
}

export interface Forwarder {
	/**
	 * Forwards a request and its answer, streaming both.
	 *
	 * @throws GatewayError. When `res.headersSent` is false nothing was written and the caller answers, or tries another
	 *   endpoint if the error has a `retry` (the request's body is then still unread). Otherwise the client's connection
	 *   was destroyed, since the answer cannot be finished.
	 *   CONNECT_FAILED, CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT (silent for `timeouts.idle`), BAD_BACKEND_HANDSHAKE (closed
	 *   early, or not HTTP), CLIENT_GONE, BAD_REQUEST (a transfer coding other than chunked), BAD_TARGET
	 */
	forward(options: ForwardOptions): Promise<ForwardResult>;
	/** Closes idle connections now, and the others when their request is done. */
	close(): void;
}

/** What httpxy is given as the request: it reads nothing else of it, and cannot change the client's one. */
interface OutgoingRequest {
	readonly method: string | undefined;
	readonly url: string;
	readonly headers: Record<string, string | string[]>;
	readonly httpVersion: string;
	readonly httpVersionMajor: number;
	readonly socket: IncomingMessage["socket"];
	on(): OutgoingRequest;
	readonly exchange: Exchange;
}

/** What one exchange wants to know from httpxy. */
interface Exchange {
	started(request: ClientRequest): void;
	answered(answer: IncomingMessage): void;
}

/** Makes the forwarder of one upstream; it keeps connections alive between requests. */
export function createForwarder(): Forwarder {
	const kept = new BackendAgent(true);
	const single = new BackendAgent(false);
	const proxy = createProxyServer();
	const exchangeOf = (request: unknown): Exchange => (request as OutgoingRequest).exchange;
	proxy.on("proxyReq", (outgoing, request) => exchangeOf(request).started(outgoing));
	proxy.on("proxyRes", (answer, request) => exchangeOf(request).answered(answer));

	/** One request on one connection. */
	function attempt(options: ForwardOptions, agent: BackendAgent): Promise<ForwardResult | typeof STALE> {
		const { req, res, address, request } = options;
		const body = hasBody(request);
		const repeatable = !body && isSafe(request.method);
		const headers = outgoingHeaders(options, body);
		const dialling: Dialling = {
			address,
			tls: options.tls,
			lookup: options.lookup,
			connectTimeout: options.timeouts.connect,
			preamble: options.preamble,
		};
		return new Promise((resolve, reject) => {
			let outgoing: ClientRequest | undefined;
			let failure: GatewayError | undefined;
			let status = 0;
			let bytesOut = 0;
			let settled = false;

			const fail = (error: GatewayError): void => {
				if (settled || failure !== undefined) return;
				failure = error;
				outgoing?.destroy();
				if (res.headersSent && !res.destroyed) {
					// Half an answer cannot be taken back: breaking off is the only way to say so. `close` settles.
					res.destroy();
					return;
				}
				settled = true;
				res.off("close", onClose);
				reject(error);
			};
			const onError = (error: unknown): void => {
				if (settled) return;
				if (error instanceof GatewayError) {
					fail(error);
				} else if (repeatable && outgoing?.reusedSocket && status === 0) {
					settled = true;
					res.off("close", onClose);
					resolve(STALE);
				} else {
					fail(backendError(address, error, repeatable));
				}
			};
			const onClose = (): void => {
				dialling.cancel?.();
				if (settled) return;
				settled = true;
				if (failure !== undefined) reject(failure);
				else if (res.writableFinished) resolve({ status, bytesOut });
				else reject(new GatewayError("CLIENT_GONE", "the client left before it had the whole answer"));
			};

			const exchange: Exchange = {
				started(clientRequest) {
					outgoing = clientRequest;
					outgoing.on("error", onError);
					outgoing.once("close", () => {
						if (status === 0) onError(Object.assign(new Error("closed"), { code: "EPIPE" }));
					});
					const { idle } = options.timeouts;
					if (idle <= LONGEST_TIMER) outgoing.setTimeout(idle, () => fail(silentFor(address, idle)));
				},
				answered(answer) {
					status = answer.statusCode as number;
					options.answered?.(status);
					answer.once("close", () => {
						if (!answer.complete) fail(badHandshake(address, "the connection broke in the middle of the answer"));
					});
					const watch = answer.headers["content-encoding"] === undefined ? options.watchAnswer : undefined;
					answer.on("data", (chunk: Buffer) => {
						bytesOut += chunk.length;
						watch?.(chunk);
					});
					try {
						writeAnswerHead(res, answer, options);
					} catch (error) {
						// httpxy would go on and write a head of its own.
						failure ??= new GatewayError("INTERNAL", "the answer's head could not be written", { cause: error });
						res.destroy();
						return;
					}
					// A head without a body yet (events, long polls) must not wait for it.
					setImmediate(() => {
						if (bytesOut === 0 && !res.writableEnded && !res.destroyed) res.flushHeaders();
					});
				},
			};
			const facade: OutgoingRequest = {
				method: request.method,
				url: options.target,
				headers,
				httpVersion: "1.1",
				httpVersionMajor: 1,
				socket: req.socket,
				on: () => facade,
				exchange,
			};
			res.once("close", onClose);
			// httpxy leaves listeners of its own behind with every attempt.
			res.setMaxListeners(0);
			proxy
				.web(facade as unknown as IncomingMessage, res, {
					target: targetOf(address),
					agent,
					// An empty body can be sent twice; the client's own stream cannot.
					buffer: body ? req : Readable.from([]),
					// httpxy hands this object to http.request, with what it adds itself.
					ssl: { dialling, maxHeaderSize: MAX_HEAD },
				})
				.then(undefined, onError);
		});
	}

	return {
		async forward(options) {
			checkTarget(options.target, options.host);
			if (options.res.destroyed || options.res.closed || options.req.socket.destroyed) {
				throw new GatewayError("CLIENT_GONE");
			}
			const agent = options.preamble === undefined ? kept : single;
			const result = await attempt(options, agent);
			if (result !== STALE) return result;
			const second = await attempt(options, single);
			if (second !== STALE) return second;
			throw badHandshake(options.address, "the connection was closed before the answer");
		},
		close() {
			kept.close();
		},
	};
}

/** TLS is the agent's business, so httpxy always sees plain HTTP. */
function targetOf({ host, port, socketPath }: EndpointAddress) {
	return {
		protocol: "http:",
		host,
		...(port === undefined ? {} : { port }),
		...(socketPath === undefined ? {} : { socketPath }),
	};
}

function backendError(address: EndpointAddress, error: unknown, repeatable: boolean): GatewayError {
	const code = error instanceof Error && "code" in error ? String(error.code) : "";
	const what = code.startsWith("HPE_")
		? `sent something that is not a valid HTTP/1.1 answer (${code})`
		: `${socketErrorWords(error)} before the answer`;
	const { message } = badHandshake(address, what);
	return new GatewayError("BAD_BACKEND_HANDSHAKE", message, {
		hint: "the backend did not give a valid answer; try again later",
		cause: error,
		...(repeatable ? { retry: "bad_handshake" } : {}),
	});
}

function silentFor(address: EndpointAddress, ms: number): GatewayError {
	return new GatewayError("HANDSHAKE_TIMEOUT", `${endpointId(address)}: silent for ${ms} ms`, {
		hint: "the backend did not answer in time; try again later",
	});
}
