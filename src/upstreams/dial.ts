/** One attempt: an opening handshake with one endpoint. It never sees the client's socket. */
import type { Socket } from "node:net";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import { checkAccepted, type Offer } from "../protocol/accepted.ts";
import { type Answer, AnswerParser, refusalHeaders } from "../protocol/answer.ts";
import { writeAll } from "../sockets/direct-write.ts";
import { endpointId } from "./endpoint.ts";
import { badHandshake, connectFailed, isTlsError, socketErrorWords } from "./failure.ts";
import { openSocket, type SocketOptions, startTimer } from "./socket.ts";

/** What to dial and what to say there. */
export interface DialOptions extends SocketOptions, Offer {
	/** The complete request head, as `backendRequestHead` makes it; written as latin1. */
	readonly head: string;
	/** Milliseconds for the whole attempt, from its start to the end of the answer; OFF = no limit. */
	readonly handshakeTimeout: number;
	/** Aborted when the client has left. */
	readonly signal: DepartureSignal;
	/** Asked when the connection is there: the head is written when it resolves; undefined = at once. Must not reject. */
	readonly beforeHead?: (() => Promise<unknown> | undefined) | undefined;
	/** Milliseconds of a monotonic clock; for tests. */
	readonly now?: (() => number) | undefined;
}

/** The backend accepted: a verified 101. */
export interface Accepted {
	readonly kind: "accepted";
	/**
	 * Paused, half-open capable. It has one listener, `ignoreSocketError` for "error", which may stay or be removed. It can
	 * have been closed since: look at `destroyed` before waiting for events.
	 */
	readonly socket: Socket;
	/** What came after the head; what comes later is in the socket. */
	readonly early: Buffer;
	/** As received. */
	readonly rawHeaders: readonly string[];
	/** The one the backend chose, which may be one that was not offered. */
	readonly subprotocol: string | undefined;
	/** Milliseconds until HTTP could be spoken: name look-up, TCP, TLS. */
	readonly connectMs: number;
}

/** The backend answered with any other status; the connection is closed. */
export interface Refused {
	readonly kind: "refused";
	readonly status: number;
	readonly statusText: string;
	/** End-to-end headers with a Content-Length that fits `body`. */
	readonly rawHeaders: readonly string[];
	/** At most 64 KiB of it. */
	readonly body: Buffer;
	readonly connectMs: number;
}

export type DialResult = Accepted | Refused;

/**
 * Connects, writes the head and waits for the answer.
 *
 * @throws GatewayError, always with the socket destroyed and nothing left listening:
 *   CONNECT_FAILED, CONNECT_TIMEOUT (`retry: connect_failure`);
 *   HANDSHAKE_TIMEOUT (`handshake_timeout`);
 *   BAD_BACKEND_HANDSHAKE (`bad_handshake`): closed before answering, a malformed answer, or a 101 that RFC 6455 §4.1
 *   tells a client to fail;
 *   CLIENT_GONE when the signal was aborted.
 */
export function dial(options: DialOptions): Promise<DialResult> {
	return new Promise((resolve, reject) => {
		const { address, signal } = options;
		if (signal.aborted) {
			reject(new GatewayError("CLIENT_GONE"));
			return;
		}
		const now = options.now ?? monotonicNow;
		const started = now();
		const parser = new AnswerParser(options.lenient);
		let socket: Socket | undefined;
		let connectMs = 0;

		const settle = (): void => {
			clearTimeout(timer);
			signal.removeEventListener("abort", onAbort);
			if (socket === undefined) cancel();
			else {
				socket.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
				socket.removeAllListeners("session");
			}
		};
		const fail = (error: GatewayError): void => {
			settle();
			socket?.destroy();
			reject(error);
		};
		const refuse = (answer: Answer): void => {
			settle();
			socket?.destroy();
			const { status, statusText, body } = answer;
			resolve({ kind: "refused", status, statusText, rawHeaders: refusalHeaders(answer), body, connectMs });
		};
		/** The status says enough even when the body broke off; a refusal must not turn into a retry. */
		const failUnlessRefused = (error: GatewayError): void => {
			const answer = parser.soFar();
			if (answer === undefined) fail(error);
			else refuse(answer);
		};
		const accept = (answer: Answer): void => {
			const subprotocol = checkAccepted(answer, options);
			settle();
			const accepted = socket as Socket;
			accepted.pause();
			const { rawHeaders, rest } = answer;
			resolve({ kind: "accepted", socket: accepted, early: rest, rawHeaders, subprotocol, connectMs });
		};

		const onAbort = (): void => fail(new GatewayError("CLIENT_GONE"));
		const onTimeout = (): void =>
			failUnlessRefused(
				new GatewayError(
					"HANDSHAKE_TIMEOUT",
					`${endpointId(address)}: ${socket === undefined ? "not connected" : "no answer"} within ${options.handshakeTimeout} ms`,
					{ retry: "handshake_timeout" },
				),
			);
		const onData = (chunk: Buffer): void => {
			try {
				const answer = parser.push(chunk);
				if (answer === undefined) return;
				if (answer.status === 101) accept(answer);
				else refuse(answer);
			} catch (error) {
				fail(named(error));
			}
		};
		const onEnd = (): void => {
			try {
				refuse(parser.end());
			} catch (error) {
				fail(named(error));
			}
		};
		const onError = (error: Error): void => {
			const words = socketErrorWords(error);
			// TLS 1.3 tells that it wants another client certificate only after the handshake.
			if (isTlsError(error)) failUnlessRefused(connectFailed(address, words, error));
			else failUnlessRefused(badHandshake(address, `${words} before the opening handshake was answered`, error));
		};
		const onClose = (): void =>
			failUnlessRefused(badHandshake(address, "the connection was closed before the opening handshake was answered"));
		const named = (error: unknown): GatewayError =>
			error instanceof GatewayError
				? badHandshake(address, error.message, error)
				: new GatewayError("INTERNAL", String(error), { cause: error });

		signal.addEventListener("abort", onAbort, { once: true });
		const timer = startTimer(options.handshakeTimeout, onTimeout);
		const cancel = openSocket(options, (error, opened) => {
			if (error !== undefined) {
				fail(error);
				return;
			}
			socket = opened as Socket;
			connectMs = now() - started;
			socket.on("error", onError).on("close", onClose).on("end", onEnd).on("data", onData);
			const write = (): void => {
				writeAll(opened as Socket, Buffer.from(options.head, "latin1"));
			};
			const turn = options.beforeHead?.();
			if (turn === undefined) write();
			else void turn.then(write);
		});
	});
}

function monotonicNow(): number {
	return performance.now();
}
