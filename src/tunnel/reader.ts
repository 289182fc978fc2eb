/**
 * Reads a socket into a buffer of ours instead of a fresh 64 KiB allocation for each read. Node documents this for
 * outgoing sockets only (`net.connect({ onread })`); an accepted or already connected one has the same machinery
 * behind three symbols and `handle.useUserBuffer()`. They are looked up once; where a Node version does not have
 * them, `data` events do the same work with allocations.
 *
 * All plain sockets read into one buffer, which therefore stays in the processor's cache and costs an idle tunnel
 * nothing. That is safe because libuv never reads one socket inside the callback of another, and because nobody keeps
 * what stands in it beyond that call. Inside a TLS socket's callback OpenSSL may have bytes for another, so those have
 * buffers of their own, which grow while reads fill them.
 */
import type { Socket } from "node:net";
import { Socket as NetSocket } from "node:net";

/** What receives the bytes. */
export interface ByteReceiver {
	/**
	 * `length` bytes stand at the start of `buffer`. Returns false to stop reading until `socket.resume()`.
	 * Where the reader reuses its buffer, the bytes are only valid during the call.
	 */
	receive(buffer: Buffer, length: number): boolean;
}

const READER = Symbol("clawgate.reader");

type Machinery = { buffer: symbol; callback: symbol; generator: symbol };
type Handle = { useUserBuffer?: (buffer: Uint8Array) => void; reading?: boolean };
type InternalSocket = Socket & { _handle: Handle | null; [READER]?: Reader | undefined } & Record<symbol, unknown>;

const SMALLEST = 1024;
const LARGEST = 64 * 1024;
/** After so many reads in a row that used less than an eighth of the buffer, it shrinks to the size that fits. */
const SHRINK_AFTER = 64;

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
	readonly #socket: InternalSocket;
	readonly #receiver: ByteReceiver;
	/** Undefined where `data` events are all there is. */
	#buffer: Buffer | undefined;
	#smallReads = 0;

	/** Takes over all reading of `socket`, which must have no `data` listener and nothing buffered. */
	constructor(socket: Socket, receiver: ByteReceiver, symbols: Machinery | null = detectMachinery()) {
		const internal = socket as InternalSocket;
		this.#socket = internal;
		this.#receiver = receiver;
		internal[READER] = this;
		if (symbols && typeof internal._handle?.useUserBuffer === "function") {
			const encrypted = "encrypted" in socket && socket.encrypted === true;
			this.#buffer = encrypted ? Buffer.allocUnsafeSlow(SMALLEST) : landingBuffer();
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

	/** Stops reading and forgets the receiver. */
	detach(): void {
		// Not `delete`: it would turn a socket that has its end before it into a slow object.
		this.#socket[READER] = undefined;
		this.#socket.removeListener("data", onData);
		this.#socket.pause();
	}

	/** For the socket's callbacks only. */
	received(length: number, buffer: Buffer): boolean {
		const more = this.#receiver.receive(buffer, length);
		if (this.#buffer !== landing) this.#resize(length);
		return more;
	}

	/** Lets a buffer of our own follow the size of what is read. */
	#resize(length: number): void {
		if (this.#buffer === undefined) return;
		const size = this.#buffer.length;
		if (length === size) {
			this.#smallReads = 0;
			if (size < LARGEST) this.#replace(size * 4);
		} else if (size > SMALLEST && length * 8 < size && ++this.#smallReads > SHRINK_AFTER) {
			this.#smallReads = 0;
			this.#replace(size / 4);
		}
	}

	#replace(size: number): void {
		this.#buffer = Buffer.allocUnsafeSlow(size);
		replacement = this.#buffer;
	}
}

/** One for the process: it is overwritten by whichever plain socket is read next. */
function landingBuffer(): Buffer {
	landing ??= Buffer.allocUnsafeSlow(LARGEST);
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
