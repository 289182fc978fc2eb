/**
 * One request at a time on each client connection. What a client sends behind a request is not looked at before the
 * answer is out (RFC 9112 §9.3.2 lets it send, not us act): neither a request, nor an upgrade, nor what is no HTTP.
 *
 * Node's parser would go on and hand over every request that has come. It is told at the next request's head that the
 * connection is upgraded: it stops there, and leaves the connection to us with all its bytes. They are held until the
 * answer is out, then the connection begins anew with them. The parser's `onIncoming` is not documented; `test/versions`
 * sees to it that it is there on every Node version that is supported. Without it a second request ends the connection.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import { requestText } from "./other-upgrade.ts";

/** Held behind a request. A client that has sent more is not read any more, and cannot be seen to leave. */
const MAX_HELD = 64 * 1024;
/** How long a client may have sent more than that. */
const MAX_UNREAD_MS = 1_000;
/** Pause between two looks at a client that has closed its side. */
const LOOK_MS = 1_000;
/** The first makes the system of a client that is gone say so, the second notices it. */
const PROBES = 2;
/** How long a client may take for the rest of a body that nobody wants any more. */
const LINGER_MS = 2_000;

/** `onIncoming` says what kind of message it is: for this value the parser stops behind the head. */
const UPGRADED = 2;

type OnIncoming = (request: IncomingMessage & { upgrade?: boolean }, keepAlive: boolean) => number;
type ParsedSocket = Socket & { parser?: { onIncoming?: (OnIncoming & { [STOPS]?: true }) | null } | null };

const STOPS = Symbol("clawgate.stops");

/** The answer that is under way on a client's connection. */
export class Underway {
	readonly request: IncomingMessage;
	readonly #response: ServerResponse;
	readonly #socket: Socket;
	/** What is to be done after the answer with what cannot be read. */
	#refuse: (() => void) | undefined;
	/** What has come behind the request; undefined while nothing has. */
	#held: Buffer[] | undefined;
	#heldBytes = 0;
	#ended = false;
	#over = false;
	#probes = 0;
	#written = 0;
	/** Its client closed its side when it had a part of it. */
	#leftMidway = false;
	#timer: NodeJS.Timeout | undefined;
	readonly #onData = (chunk: Buffer): void => this.#hold(chunk);
	readonly #onDrain = (): boolean => this.#response.emit("drain");
	readonly #onEnd = (): void => this.#clientEnded();

	/** @param isUnderway whether an answer is under way on the connection */
	constructor(request: IncomingMessage, response: ServerResponse, isUnderway: () => boolean) {
		this.request = request;
		this.#response = response;
		this.#socket = request.socket;
		stopParserWhile(this.#socket, isUnderway);
		if (this.#socket.readableEnded) this.#clientEnded();
		else this.#socket.on("end", this.#onEnd);
	}

	/** Takes the connection with a request that came too early, and `head`, which is what came behind it. */
	hold(request: IncomingMessage, head: Buffer): void {
		this.#refuse = undefined;
		this.#held = [requestText(request)];
		// Node has taken its own listeners off.
		this.#socket.on("data", this.#onData).on("drain", this.#onDrain);
		this.#hold(head);
	}

	/** What came behind the request is no HTTP, or late: `refuse` is called after the answer. */
	thenRefuse(refuse: () => void): void {
		this.#refuse ??= refuse;
	}

	/**
	 * The answer is out, or the connection gone. What was held is served now: `serve` makes an HTTP connection of the socket.
	 */
	finish(serve: () => void): void {
		this.#over = true;
		clearTimeout(this.#timer);
		const socket = this.#socket;
		socket.off("end", this.#onEnd).off("data", this.#onData).off("drain", this.#onDrain);
		if (socket.destroyed) return;
		if (!this.request.complete) {
			// An answer that did not wait for the body. The client gets the time to read it, and to send the rest to nobody.
			this.request.resume();
			this.#timer = setTimeout(() => {
				if (!this.request.complete) socket.destroy();
			}, LINGER_MS);
			socket.once("close", () => clearTimeout(this.#timer));
		} else if (this.#refuse !== undefined) {
			this.#refuse();
		} else if (this.#held !== undefined) {
			// Node's pause for idle connections would go on during the next answer.
			socket.setTimeout(0);
			serve();
			socket.resume();
			socket.emit("data", Buffer.concat(this.#held));
			if (this.#ended) socket.emit("end");
		}
	}

	#hold(chunk: Buffer): void {
		this.#held?.push(chunk);
		this.#heldBytes += chunk.length;
		if (this.#heldBytes <= MAX_HELD || this.#socket.isPaused()) return;
		this.#socket.pause();
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => {
			const what = `more than ${MAX_HELD} bytes came behind a request that takes longer than ${MAX_UNREAD_MS} ms`;
			this.request.destroy(new GatewayError("BAD_REQUEST", what));
			this.#socket.destroy();
		}, MAX_UNREAD_MS);
	}

	/**
	 * The client has closed its side: it waits for the answer (RFC 9112 §9.6), or it is gone; the network says the same of
	 * both. Whoever waits closes it behind the request, so one that does it in the middle of an answer counts as gone when
	 * nothing is sent that would show it. Before the answer an interim one is sent for that.
	 */
	#clientEnded(): void {
		this.#ended = true;
		this.#leftMidway = this.#response.headersSent;
		this.#written = this.#socket.bytesWritten;
		this.#lookAgain();
	}

	#lookAgain(): void {
		clearTimeout(this.#timer);
		if (!this.#over) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
	}

	#look(): void {
		const response = this.#response;
		const { bytesWritten, writableLength } = this.#socket;
		if (response.headersSent) {
			if (this.#leftMidway && bytesWritten === this.#written && writableLength === 0) this.#socket.destroy();
		} else if (this.request.httpVersion !== "1.1") {
			this.#socket.destroy();
		} else if (this.#probes++ < PROBES) {
			// An interim answer, which every client skips.
			response.writeContinue();
		}
		this.#written = bytesWritten;
		this.#lookAgain();
	}
}

/** Node's parser of `socket` stops at the next request that comes while `isUnderway`. */
function stopParserWhile(socket: ParsedSocket, isUnderway: () => boolean): void {
	const parser = socket.parser;
	const onIncoming = parser?.onIncoming;
	if (!parser || !onIncoming || onIncoming[STOPS]) return;
	const stopping: OnIncoming = (request, keepAlive) => {
		if (!isUnderway()) return onIncoming(request, keepAlive);
		request.upgrade = true;
		return UPGRADED;
	};
	parser.onIncoming = Object.assign(stopping, { [STOPS]: true as const });
}
