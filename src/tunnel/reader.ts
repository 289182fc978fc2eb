/**
 * Reads a socket into a buffer of ours instead of a fresh 64 KiB allocation for each read. Node documents this for
 * outgoing sockets only (`net.connect({ onread })`); an accepted or already connected one has the same machinery
 * behind three symbols and `handle.useUserBuffer()`. They are looked up once; where a Node version does not have
 * them, `data` events do the same work with allocations.
 *
 * A socket that is read seldom has no buffer of its own: all such plain sockets read into one landing buffer, and what
 * they bring is copied on. That is safe because libuv never reads one socket inside the callback of another. Inside a
 * TLS socket's callback OpenSSL may have bytes for another, so those have their own from the start.
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
	/** Coarse ms. */
	readonly now: number;
}

const READER = Symbol("clawgate.reader");

type Machinery = { buffer: symbol; callback: symbol; generator: symbol };
type Handle = { useUserBuffer?: (buffer: Uint8Array) => void; reading?: boolean };
type InternalSocket = Socket & { _handle: Handle | null; [READER]?: Reader | undefined } & Record<symbol, unknown>;

const SMALLEST = 1024;
const LARGEST = 64 * 1024;
/** After so many reads in a row that used less than an eighth of the buffer, it shrinks to the size that fits. */
const SHRINK_AFTER = 64;
/** Reads that follow each other within {@link QUICK_MS}; so many in a row, and the socket gets a buffer of its own. */
const QUICK_READS = 4;
const QUICK_MS = 1_000;
/** A socket whose last read was longer ago than this goes back to the landing buffer. */
const SELDOM_MS = 10_000;

let machinery: Machinery | null | undefined;
let landing: Buffer | undefined;
/** What the socket that has just been read reads into from now on, when that changes. */
let replacement: Buffer | undefined;

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
	/** The bytes handed to the receiver stand in a buffer that others read into as well: they have to be copied. */
	borrowed = false;
	readonly #socket: InternalSocket;
	readonly #receiver: ByteReceiver;
	readonly #mayBorrow: boolean;
	#buffer: Buffer | undefined;
	#smallReads = 0;
	#quickReads = 0;
	#readAt: number;

	/** Takes over all reading of `socket`, which must have no `data` listener and nothing buffered. */
	constructor(socket: Socket, receiver: ByteReceiver, symbols: Machinery | null = detectMachinery()) {
		const internal = socket as InternalSocket;
		this.#socket = internal;
		this.#receiver = receiver;
		this.#readAt = receiver.now;
		this.#mayBorrow = !("encrypted" in socket && socket.encrypted === true);
		internal[READER] = this;
		if (symbols && typeof internal._handle?.useUserBuffer === "function") {
			this.borrowed = this.#mayBorrow;
			this.#buffer = this.borrowed ? landingBuffer() : Buffer.allocUnsafeSlow(SMALLEST);
			internal[symbols.buffer] = this.#buffer;
			internal[symbols.callback] = onRead;
			internal[symbols.generator] = nextBuffer;
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
		if (this.#buffer && !this.borrowed) this.#replace(Buffer.allocUnsafeSlow(this.#buffer.length));
	}

	/** Stops reading and forgets the receiver. */
	detach(): void {
		// Not `delete`: it would turn a socket that has its end before it into a slow object.
		this.#socket[READER] = undefined;
		this.#socket.removeListener("data", onData);
		this.#socket.pause();
	}

	/** For the socket's callbacks only. */
	received(length: number, buffer: Buffer): boolean {
		if (this.#buffer === undefined) return this.#receiver.receive(buffer, length);
		const size = buffer.length;
		const more = this.#receiver.receive(buffer, length);
		const { now } = this.#receiver;
		const pause = now - this.#readAt;
		this.#readAt = now;
		if (length === size) {
			this.#smallReads = 0;
			if (size < LARGEST) this.#replace(Buffer.allocUnsafeSlow(Math.min(size * 4, LARGEST)));
		} else if (this.borrowed) {
			if (pause > QUICK_MS) this.#quickReads = 0;
			else if (++this.#quickReads >= QUICK_READS) this.#replace(Buffer.allocUnsafeSlow(SMALLEST));
		} else if (pause > SELDOM_MS && this.#mayBorrow) {
			this.#borrow();
		} else if (size > SMALLEST && length * 8 < size && ++this.#smallReads > SHRINK_AFTER) {
			this.#smallReads = 0;
			this.#replace(Buffer.allocUnsafeSlow(Math.max(SMALLEST, size / 4)));
		}
		return more;
	}

	#replace(buffer: Buffer): void {
		this.borrowed = false;
		this.#buffer = buffer;
		replacement = buffer;
	}

	#borrow(): void {
		this.#quickReads = 0;
		this.#smallReads = 0;
		this.#replace(landingBuffer());
		this.borrowed = true;
	}
}

/** One for the process: it is overwritten by whichever socket is read next. */
function landingBuffer(): Buffer {
	landing ??= Buffer.allocUnsafeSlow(SMALLEST);
	return landing;
}

/** Node calls it as a method of the socket. */
function onRead(this: InternalSocket, length: number, buffer: Buffer): boolean {
	replacement = undefined;
	return this[READER]?.received(length, buffer) ?? false;
}

/** Node calls it right after {@link onRead}, without the socket. */
function nextBuffer(): Buffer | undefined {
	const next = replacement;
	replacement = undefined;
	return next;
}

function onData(this: InternalSocket, chunk: Buffer): void {
	if (this[READER]?.received(chunk.length, chunk) === false) this.pause();
}
