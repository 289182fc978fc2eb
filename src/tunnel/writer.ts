/**
 * The writing half of one leg: directly to the kernel while nothing waits, through the socket's stream otherwise, so that
 * `writableLength`, `drain` and the stream's end tell of everything that waits.
 */
import type { Socket } from "node:net";
import { descriptorOf, writeAtOnce } from "../sockets/direct-write.ts";

/** So many writes may wait for a slow socket, however small they are: each one costs more memory than its bytes. */
const MAX_WAITING_WRITES = 16;

/** Who is told that what was waiting has been taken, besides the socket's `drain`. */
export interface WriterOwner {
	drained(): void;
}

export class Writer {
	readonly #socket: Socket & { readonly _handle?: unknown };
	readonly #owner: WriterOwner;
	/** What is written to directly; -1 = only the stream is written to. */
	readonly #fd: number;
	/** Bytes that were written directly. */
	#direct = 0;
	/** Something may wait in the stream. To ask the stream itself each time would touch two more objects for each message. */
	#queued = true;
	#waitingWrites = 0;
	#onTaken: (() => void) | undefined;

	constructor(socket: Socket, owner: WriterOwner) {
		this.#socket = socket;
		this.#owner = owner;
		this.#fd = descriptorOf(socket);
	}

	/** Bytes that the socket has taken since it was opened. */
	get taken(): number {
		return this.#direct + this.#socket.bytesWritten - this.#socket.writableLength;
	}

	/** Whether the socket is destroyed. Its descriptor may be another's then. */
	get closed(): boolean {
		return this.#fd < 0 ? this.#socket.destroyed : this.#socket._handle === null;
	}

	/** Writes a frame of the gateway's own behind what waits. */
	append(frame: Buffer): void {
		this.#queued = true;
		this.#socket.write(frame);
	}

	/**
	 * Writes bytes `start` to `end` of `buffer` to a socket that is not destroyed. `reused`: the buffer is overwritten after
	 * the call. Returns false when enough waits: {@link WriterOwner.drained} or the socket's `drain` follows, unless the
	 * write destroyed the socket.
	 */
	write(buffer: Buffer, start: number, end: number, reused: boolean): boolean {
		if (this.#queued) this.#queued = this.#fd < 0 || this.#socket.writableLength !== 0;
		if (this.#queued) return this.#queue(buffer, start, end, reused);
		let taken: number;
		try {
			taken = writeAtOnce(this.#fd, buffer, start, end);
		} catch (error) {
			this.#socket.destroy(error as Error);
			return false;
		}
		this.#direct += taken;
		return taken === end - start || this.#queue(buffer, start + taken, end, reused);
	}

	/** FIN after what waits. `ended`: the other side's FIN was read. */
	end(ended: boolean): void {
		// Where nothing waits on either way, to close sends the FIN, with a system call and an event less.
		if (ended && this.#fd >= 0 && this.#socket.writableLength === 0) this.#socket.destroy();
		else this.#socket.end();
	}

	#queue(buffer: Buffer, start: number, end: number, reused: boolean): boolean {
		this.#queued = true;
		const view = buffer.subarray(start, end);
		const bytes = reused ? Buffer.from(view) : view;
		if (this.#socket.writableLength === 0) this.#waitingWrites = 0;
		else if (++this.#waitingWrites >= MAX_WAITING_WRITES) {
			this.#waitingWrites = 0;
			this.#onTaken ??= () => this.#owner.drained();
			this.#socket.write(bytes, this.#onTaken);
			return false;
		}
		return this.#socket.write(bytes);
	}
}
