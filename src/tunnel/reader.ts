/**
 * Reads a socket into a buffer of ours instead of a fresh 64 KiB allocation for each read, and past the socket's stream.
 * Node documents the first for outgoing sockets only (`net.connect({ onread })`); the same machinery is behind every
 * socket's handle: `useUserBuffer()` gives it a buffer, `onread` is called for each read, and `bytesRead` tells how much
 * came. A socket of a Node version that does not have them all is read by `data` events, which do the same work with
 * allocations. The end of the stream and its errors are left to Node's own `onread`.
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
	 * `reused`: the bytes are only valid during the call.
	 */
	receive(buffer: Buffer, length: number, reused: boolean): boolean;
}

const READER = Symbol("clawgate.reader");

type OnRead = (this: Handle, chunk?: ArrayBuffer) => unknown;
interface Handle {
	onread: OnRead;
	readonly bytesRead: number;
	reading: boolean;
	readStop(): number;
	useUserBuffer(buffer: Uint8Array): void;
	[READER]?: Reader | undefined;
}
type InternalSocket = Socket & { _handle: Handle | null; [READER]?: Reader | undefined };

const SMALLEST = 1024;
const LARGEST = 64 * 1024;
/** After so many reads in a row that used less than an eighth of the buffer, it shrinks to the size that fits. */
const SHRINK_AFTER = 64;

const NOBODY: ByteReceiver = { receive: () => false };

let bufferSymbol: symbol | null | undefined;
let landing: Buffer | undefined;

/**
 * The property by which a socket knows that its handle has a buffer, so that `pause()` and `resume()` act on the handle;
 * null when this Node version has none.
 */
export function detectBufferSymbol(): symbol | null {
	if (bufferSymbol !== undefined) return bufferSymbol;
	const socket = new NetSocket();
	bufferSymbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "kBuffer") ?? null;
	socket.destroy();
	return bufferSymbol;
}

function hasMachinery(handle: Partial<Handle> | null): handle is Handle {
	return (
		handle !== null &&
		typeof handle.useUserBuffer === "function" &&
		typeof handle.onread === "function" &&
		typeof handle.readStop === "function" &&
		typeof handle.bytesRead === "number"
	);
}

/** The reading half of one leg. One owner: the leg. */
export class Reader {
	readonly #socket: InternalSocket;
	#receiver: ByteReceiver;
	/** Undefined where `data` events are all there is. */
	#buffer: Buffer | undefined;
	/** Node's own, for everything that is not data. */
	#nodesOnRead: OnRead | undefined;
	/** Bytes that the handle has read so far. */
	#bytesRead = 0;
	#smallReads = 0;

	/** Takes over all reading of `socket`, which must have no `data` listener and nothing buffered. */
	constructor(socket: Socket, receiver: ByteReceiver, symbol: symbol | null = detectBufferSymbol()) {
		this.#socket = socket as InternalSocket;
		this.#receiver = receiver;
		const handle = this.#socket._handle;
		if (symbol !== null && hasMachinery(handle)) this.#attach(handle, symbol);
		else {
			this.#socket[READER] = this;
			socket.on("data", onData);
		}
		socket.resume();
	}

	/** Whether reads go into a buffer of ours. */
	get reusesBuffer(): boolean {
		return this.#buffer !== undefined;
	}

	/** Stops reading and forgets the receiver. */
	detach(): void {
		this.#receiver = NOBODY;
		this.#socket.pause();
	}

	/** For {@link onRead} only. Returns the buffer for the next read, when that changes. */
	read(handle: Handle, chunk: ArrayBuffer | undefined): unknown {
		const total = handle.bytesRead;
		const length = total - this.#bytesRead;
		if (length === 0) return (this.#nodesOnRead as OnRead).call(handle, chunk);
		this.#bytesRead = total;
		const buffer = this.#buffer as Buffer;
		if (!this.#receiver.receive(buffer, length, true)) {
			handle.reading = false;
			handle.readStop();
		}
		return buffer === landing ? undefined : this.#resized(buffer.length, length);
	}

	/** For {@link onData} only. */
	data(chunk: Buffer): boolean {
		return this.#receiver.receive(chunk, chunk.length, false);
	}

	#attach(handle: Handle, symbol: symbol): void {
		const encrypted = "encrypted" in this.#socket && this.#socket.encrypted === true;
		this.#buffer = encrypted ? Buffer.allocUnsafeSlow(SMALLEST) : landingBuffer();
		this.#nodesOnRead = handle.onread;
		this.#bytesRead = handle.bytesRead;
		Object.assign(this.#socket, { [symbol]: this.#buffer });
		handle[READER] = this;
		handle.useUserBuffer(this.#buffer);
		handle.onread = onRead;
	}

	/** Lets a buffer of our own follow the size of what is read. */
	#resized(size: number, length: number): Buffer | undefined {
		if (length === size) {
			this.#smallReads = 0;
			return size < LARGEST ? this.#replace(size * 4) : undefined;
		}
		if (size === SMALLEST || length * 8 >= size || ++this.#smallReads <= SHRINK_AFTER) return undefined;
		this.#smallReads = 0;
		return this.#replace(size / 4);
	}

	#replace(size: number): Buffer {
		this.#buffer = Buffer.allocUnsafeSlow(size);
		return this.#buffer;
	}
}

/** One for the process: it is overwritten by whichever plain socket is read next. */
function landingBuffer(): Buffer {
	landing ??= Buffer.allocUnsafeSlow(LARGEST);
	return landing;
}

/** Node calls it as a method of the handle; what it returns is read into from then on. */
function onRead(this: Handle, chunk?: ArrayBuffer): unknown {
	return (this[READER] as Reader).read(this, chunk);
}

function onData(this: InternalSocket, chunk: Buffer): void {
	if (this[READER]?.data(chunk) === false) this.pause();
}
