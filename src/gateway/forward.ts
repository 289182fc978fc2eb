/** Plain HTTP on a route (Socket.IO and SockJS polling, event streams, up- and downloads): one request, one answer. */
import {
	type IncomingMessage,
	type InformationEvent,
	type OutgoingMessage,
	type RequestOptions,
	request as requestHttp,
	type ServerResponse,
} from "node:http";
import type { LookupFunction } from "node:net";
import { GatewayError, type RetryCondition } from "../errors.ts";
import { type BackendRequest, checkTarget } from "../protocol/headers.ts";
import { type EndpointAddress, endpointId } from "../upstreams/endpoint.ts";
import { socketErrorWords } from "../upstreams/failure.ts";
import type { TlsConnectOptions } from "../upstreams/tls.ts";
import { BackendAgent, type Dialling } from "./backend-agent.ts";
import {
	type AnswerRules,
	answerTrailers,
	badAnswer,
	hasBody,
	isIdempotent,
	outgoingHeaders,
	writeAnswerHead,
	writeInterim,
} from "./forward-head.ts";

/** For an answer's head, as for the answer to an opening handshake; more where clients may send more. */
const MAX_HEAD = 64 * 1024;
/** Most interim answers (1xx) that are passed on, as of an opening handshake's answer. */
const MAX_INTERIM = 8;
/** Node's timers hold a signed 32-bit number of milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** The kept-alive connection was closed by the backend just when it was used again. */
const STALE = Symbol("stale");

/** How far an exchange is; counted as it goes on. */
export interface Progress {
	/** Bytes of the request's body. */
	bytesIn: number;
	/** Bytes of the answer's body. */
	bytesOut: number;
	/** The answer's media type. */
	contentType: string | undefined;
}

/** One request to forward. */
export interface ForwardOptions extends BackendRequest, AnswerRules {
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
	/**
	 * Milliseconds or OFF. `connect`: until the backend took the connection; `handshake`: until a request can be sent on it,
	 * TLS included; `idle`: without a byte in either direction.
	 */
	readonly timeouts: { readonly connect: number; readonly handshake: number; readonly idle: number };
	/** Most bytes of the answer's head, when that is more than 64 KiB. */
	readonly maxHeaderSize?: number | undefined;
	/** A PROXY protocol header; the connection is then not kept for other requests. */
	readonly preamble?: Buffer | undefined;
	/** Is given the chunks of the answer's body, unless they have a content coding; must not keep, change or throw. */
	readonly watchAnswer?: ((chunk: Uint8Array) => void) | undefined;
	/** Is told the backend's status as soon as it is there, long before a stream ends; must not throw. */
	readonly answered?: ((status: number) => void) | undefined;
	/**
	 * Asked with the status of an answer to a request that can be sent again; must not throw. When true, the answer is given
	 * up and {@link Forwarder.forward} throws BACKEND_REFUSED with the status as its `retry`.
	 */
	readonly tryNext?: ((status: number) => boolean) | undefined;
	readonly progress: Progress;
}

export interface Forwarder {
	/**
	 * Forwards a request and its answer, streaming both. Resolves with the backend's status when the client has the answer.
	 *
	 * @throws GatewayError. When `res.headersSent` is false nothing was written and the caller answers, or tries another
	 *   endpoint if the error has a `retry` (the request's body is then still unread). Otherwise the client's connection
	 *   was destroyed, since the answer cannot be finished.
	 *   CONNECT_FAILED, CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT (no TLS, or silent for `timeouts.idle`), BAD_BACKEND_ANSWER
	 *   (closed early, or not valid HTTP), BACKEND_REFUSED, CLIENT_GONE, BAD_REQUEST (a transfer coding other than
	 *   chunked), BAD_TARGET
	 */
	forward(options: ForwardOptions): Promise<number>;
	/** Closes idle connections now, and the others when their request is done. */
	close(): void;
	/** Closes all connections now. */
	destroy(): void;
}

/** Makes the forwarder of one upstream; it keeps connections alive between requests. */
export function createForwarder(): Forwarder {
	const kept = new BackendAgent(true);
	const single = new BackendAgent(false);
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
			throw badAnswer(`${endpointId(options.address)}: the connection was closed before the answer`);
		},
		close() {
			kept.close();
		},
		destroy() {
			kept.destroy();
			single.destroy();
		},
	};
}

/** One request on one connection. */
function attempt(options: ForwardOptions, agent: BackendAgent): Promise<number | typeof STALE> {
	const { req, res, address, request, timeouts, progress } = options;
	const body = hasBody(request);
	const repeatable = !body && isIdempotent(request.method);
	const dialling: Dialling = {
		address,
		tls: options.tls,
		lookup: options.lookup,
		connectTimeout: timeouts.connect,
		readyTimeout: timeouts.handshake,
		preamble: options.preamble,
	};
	const requestOptions: RequestOptions & { dialling: Dialling } = {
		agent,
		method: request.method,
		path: options.target,
		headers: outgoingHeaders(options, body),
		maxHeaderSize: Math.max(MAX_HEAD, options.maxHeaderSize ?? 0),
		dialling,
	};
	return new Promise((resolve, reject) => {
		const outgoing = requestHttp(requestOptions);
		// Node leaves out what is beyond its limit without a word; the size of the head is limited already.
		outgoing.maxHeadersCount = 0;
		let answer: IncomingMessage | undefined;
		let failure: GatewayError | undefined;
		let interim = 0;
		let settled = false;

		/** Leaves nothing behind: what goes on afterwards is the client's connection only. */
		const settle = (): boolean => {
			if (settled) return false;
			settled = true;
			res.off("close", onClose).off("drain", onDrain);
			req.off("data", countBody).unpipe(outgoing);
			dialling.cancel?.();
			// An answer that came before the end of the request's body is the end of both.
			if (!outgoing.writableFinished || !answer?.complete) outgoing.destroy();
			return true;
		};
		const fail = (error: GatewayError): void => {
			if (settled || failure !== undefined) return;
			failure = error;
			if (res.headersSent && !res.destroyed) {
				// Half an answer cannot be taken back: breaking off is the only way to say so. `close` settles.
				outgoing.destroy();
				res.destroy();
			} else if (settle()) {
				reject(error);
			}
		};
		/** The exchange is over for the client: it has the whole answer, or is gone. */
		const onClose = (): void => {
			const complete = res.writableFinished;
			if (!settle()) return;
			if (failure !== undefined) reject(failure);
			else if (complete) resolve(res.statusCode);
			else reject(new GatewayError("CLIENT_GONE", "the client left before it had the whole answer"));
		};
		const onDrain = (): void => {
			answer?.resume();
		};
		const countBody = (chunk: Buffer): void => {
			progress.bytesIn += chunk.length;
		};

		const onError = (error: unknown): void => {
			// What comes behind a complete answer does not change it; the connection is not used again.
			if (settled || answer?.complete) return;
			if (error instanceof GatewayError) {
				fail(error);
			} else if (answer === undefined && repeatable && outgoing.reusedSocket) {
				if (settle()) resolve(STALE);
			} else {
				fail(invalidAnswer(address, error, answer !== undefined, repeatable));
			}
		};
		const onResponse = (response: IncomingMessage): void => {
			answer = response;
			const status = response.statusCode as number;
			response.on("error", onError);
			options.answered?.(status);
			if (repeatable && options.tryNext?.(status)) {
				const retry: RetryCondition = `${status}`;
				fail(new GatewayError("BACKEND_REFUSED", `${endpointId(address)}: the backend answered ${status}`, { retry }));
				return;
			}
			// What came with the head is parsed first: where it is not valid the client can still be told so.
			process.nextTick(passOn, response);
		};
		const passOn = (response: IncomingMessage): void => {
			if (settled || failure !== undefined || res.destroyed) return;
			try {
				writeAnswerHead(res, response, options);
			} catch (error) {
				fail(asBadAnswer(address, error, repeatable));
				return;
			}
			progress.contentType = response.headers["content-type"];
			const watch = response.headers["content-encoding"] === undefined ? options.watchAnswer : undefined;
			response.on("data", (chunk: Buffer) => {
				if (settled || res.writableEnded) return;
				progress.bytesOut += chunk.length;
				watch?.(chunk);
				if (!res.write(chunk)) response.pause();
			});
			response.on("end", () => {
				if (settled || res.writableEnded) return;
				if (response.rawTrailers.length > 0) res.addTrailers(answerTrailers(response.rawTrailers, options));
				res.end();
			});
			// A head without a body yet (events, long polls) must not wait for it.
			setImmediate(() => {
				if (progress.bytesOut === 0 && !res.writableEnded && !res.destroyed) sendHead(res);
			});
		};

		res.on("close", onClose).on("drain", onDrain);
		outgoing.on("error", onError).on("response", onResponse);
		outgoing.once("close", () => {
			if (answer === undefined) onError(Object.assign(new Error("closed"), { code: "EPIPE" }));
			else if (!answer.complete) fail(named(address, "the connection broke in the middle of the answer"));
		});
		outgoing.on("information", (information: InformationEvent) => {
			if (information.statusCode === 101) onSwitched();
			else if (information.statusCode !== 100 && ++interim <= MAX_INTERIM) writeInterim(res, information, options);
		});
		outgoing.on("upgrade", (_response, socket) => {
			socket.destroy();
			onSwitched();
		});
		const onSwitched = (): void =>
			fail(named(address, "it answered 101 to a request that asked for nothing of the kind"));
		if (timeouts.idle <= LONGEST_TIMER) {
			outgoing.setTimeout(timeouts.idle, () => fail(silentFor(address, timeouts.idle)));
		}
		if (!body) {
			outgoing.end();
			return;
		}
		// Not before there is a connection: the body can be read only once.
		outgoing.once("socket", () => {
			if (settled) return;
			req.on("data", countBody).pipe(outgoing);
			sendHead(outgoing);
		});
	});
}

/** Sends a head at once. `flushHeaders` would write it as UTF-8, and change bytes above 0x7f. */
function sendHead(message: OutgoingMessage): void {
	message.write("", "latin1");
}

function named(address: EndpointAddress, what: string, cause?: unknown): GatewayError {
	return badAnswer(`${endpointId(address)}: ${what}`, cause);
}

/** Another endpoint may be tried where the request can be sent again. */
function asBadAnswer(address: EndpointAddress, error: unknown, repeatable: boolean): GatewayError {
	const { message } = error as Error;
	return new GatewayError("BAD_BACKEND_ANSWER", `${endpointId(address)}: ${message}`, {
		cause: error,
		...(repeatable ? { retry: "bad_handshake" } : {}),
	});
}

function invalidAnswer(address: EndpointAddress, error: unknown, begun: boolean, repeatable: boolean): GatewayError {
	const code = error instanceof Error && "code" in error ? String(error.code) : "";
	const where = begun ? "in the middle of" : "before";
	const words = code.startsWith("HPE_")
		? `sent something that is not valid HTTP/1.1 (${(error as Error).message.replace(/^Parse Error: /, "")}, ${code})`
		: `${socketErrorWords(error)} ${where} the answer`;
	return asBadAnswer(address, new Error(words, { cause: error }), repeatable);
}

function silentFor(address: EndpointAddress, ms: number): GatewayError {
	return new GatewayError("HANDSHAKE_TIMEOUT", `${endpointId(address)}: silent for ${ms} ms`, {
		hint: "the backend did not answer in time; try again later",
	});
}
