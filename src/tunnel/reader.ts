/**
 * Reads a socket into a buffer of ours instead of a fresh 64 KiB allocation for each read. Node documents this for
 * outgoing sockets only (`net.connect({ onread })`); an accepted or already connected one has the same machinery
 * behind three symbols and `handle.useUserBuffer()`. They are looked up once; where a Node version does not have
 * them, `data` events do the same work with allocations.
 */
import type { Socket } from "node:net";
import { Socket as NetSocket } from "node:net";

/** What receives the bytes. */
export interface ByteReceiver {
	/**
	 * `length` bytes stand at the start of `buffer`. Returns false to stop reading until `socket.resume()`.
	 * The bytes are only valid during the call, unless `keepBuffer()` of the reader is called.
	 */
	receive(buffer: Buffer, length: number): boolean;
}

const RECEIVER = Symbol("clawgate.receiver");

type Machinery = { buffer: symbol; callback: symbol; generator: symbol };
type Handle = { useUserBuffer?: (buffer: Uint8Array) => void; reading?: boolean };
type InternalSocket = Socket & { _handle: Handle | null; [RECEIVER]?: ByteReceiver } & Record<symbol, unknown>;

const SMALLEST = 1024;
const LARGEST = 64 * 1024;
/** After so many reads in a row that used less than an eighth of the buffer, it shrinks to the size that fits. */
const SHRINK_AFTER = 64;

let machinery: Machinery | null | undefined;

/** The symbols, when this Node version has them all; null otherwise. */
export function detectMachinery(): Machinery | null {
	if (machinery !== undefined) return machinery;
	const socket = new NetSocket();
	const byDescription = new Map(
		Object.getOwnPropertySymbols(socket).map((symbol) => [symbol.description, symbol] as const),
	);
	const buffer = byDescription.get("kBuffer");
	const callback = byDescription.get("kBufferCb");
	const generator = byDescription.get("kBufferGen");
	socket.destroy();
	machinery = buffer && callback && generator ? { buffer, callback, generator } : null;
	return machinery;
}

/** The reading half of one leg. One owner: the leg. */
export class Reader {
	readonly #socket: InternalSocket;
	#buffer: Buffer | undefined;
	#replacement: Buffer | undefined;
	#smallReads = 0;

	/** Takes over all reading of `socket`, which must have no `data` listener and nothing buffered. */
	constructor(socket: Socket, receiver: ByteReceiver, symbols: Machinery | null = detectMachinery()) {
		const internal = socket as InternalSocket;
		this.#socket = internal;
		internal[RECEIVER] = receiver;
		if (symbols && typeof internal._handle?.useUserBuffer === "function") {
			this.#buffer = Buffer.allocUnsafeSlow(SMALLEST);
			internal[symbols.buffer] = this.#buffer;
			internal[symbols.callback] = this.#receive.bind(this, receiver);
			internal[symbols.generator] = this.#next.bind(this);
			internal._handle.useUserBuffer(this.#buffer);
		} else {
			socket.on("data", onData);
		}
		socket.resume();
	}

	/** Whether the bytes handed to the receiver stand in a buffer that the next read overwrites. */
	get reusesBuffer(): boolean {
		return this.#buffer !== undefined;
	}

	/** The current bytes are still needed (a pending write holds them): the next read gets another buffer. */
	keepBuffer(): void {
		if (this.#buffer) this.#replacement = Buffer.allocUnsafeSlow(this.#buffer.length);
	}

	/** Stops reading and forgets the receiver. */
	detach(): void {
		delete this.#socket[RECEIVER];
		this.#socket.removeListener("data", onData);
		this.#socket.pause();
	}

	#receive(receiver: ByteReceiver, length: number, buffer: Buffer): boolean {
		const size = buffer.length;
		const more = receiver.receive(buffer, length);
		if (length === size) {
			this.#smallReads = 0;
			if (size < LARGEST) this.#replacement = Buffer.allocUnsafeSlow(Math.min(size * 4, LARGEST));
		} else if (size > SMALLEST && length * 8 < size && ++this.#smallReads > SHRINK_AFTER) {
			this.#smallReads = 0;
			this.#replacement = Buffer.allocUnsafeSlow(Math.max(SMALLEST, size / 4));
		}
		return more;
	}

	#next(): Buffer | undefined {
		const next = this.#replacement;
		if (next === undefined) return undefined;
		this.#replacement = undefined;
		this.#buffer = next;
		return next;
	}
}

function onData(this: InternalSocket, chunk: Buffer): void {
	if (this[RECEIVER]?.receive(chunk, chunk.length) === false) this.pause();
}
