/**
 * Watches a client's socket between its request and the 101: bytes that come too early are held in order, and a client
 * that leaves is noticed, which a socket that nobody reads would hide.
 */
import type { Socket } from "node:net";
import { Departure } from "../departure.ts";

/** More than this before the 101 stops reading; a client has nothing to say yet (docs/lifecycle.md, step 3). */
const MAX_EARLY_BYTES = 16 * 1024;

export class ClientGuard {
	/** Aborts when the client leaves. */
	readonly signal = new Departure();

	readonly #socket: Socket;
	readonly #onGone = () => this.signal.abort();
	readonly #onData = (chunk: Buffer) => this.#hold(chunk);
	readonly #early: Buffer[] = [];
	#heldBytes = 0;

	/** `head` is what stood behind the request's head already. */
	constructor(socket: Socket, head: Buffer) {
		this.#socket = socket;
		socket.on("error", this.#onGone);
		socket.on("end", this.#onGone);
		socket.on("close", this.#onGone);
		socket.on("data", this.#onData);
		if (head.length > 0) this.#hold(head);
		if (socket.destroyed || socket.readableEnded) this.signal.abort();
	}

	/** The client has left, or has said that it will not say any more. */
	get gone(): boolean {
		return this.signal.aborted;
	}

	/** Hands the socket over to the tunnel, with the bytes held so far. */
	release(): Buffer[] {
		this.#detach();
		return this.#early;
	}

	/** The socket gets an answer and is closed: what else comes is thrown away. */
	discard(): void {
		this.#detach();
		this.#socket.on("error", ignore);
		this.#socket.resume();
	}

	#detach(): void {
		this.#socket.removeListener("error", this.#onGone);
		this.#socket.removeListener("end", this.#onGone);
		this.#socket.removeListener("close", this.#onGone);
		this.#socket.removeListener("data", this.#onData);
	}

	#hold(chunk: Buffer): void {
		this.#early.push(chunk);
		this.#heldBytes += chunk.length;
		if (this.#heldBytes >= MAX_EARLY_BYTES) this.#socket.pause();
	}
}

function ignore(): void {
	// The answer is written; whether the client reads it is its own affair.
}
