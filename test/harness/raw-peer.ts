/** One end of a bare TCP or TLS connection that does exactly what a test says: the base of raw clients and raw backends. */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { closePayload, type FrameOptions, frame, OPCODE, parseFrame, type ReadFrame } from "./frames.ts";
import { until } from "./poll.ts";

/** A request or answer head. */
export interface Head {
	/** `GET /path HTTP/1.1` or `HTTP/1.1 101 Switching Protocols` */
	readonly startLine: string;
	/** Of an answer; NaN for a request. */
	readonly status: number;
	/** Of a request: the target as sent; "" for an answer. */
	readonly target: string;
	/** Name and value pairs in order and case. */
	readonly list: readonly (readonly [string, string])[];
	/** The first value of a header, by name in any case. */
	header(name: string): string | undefined;
	/** Every value of a header. */
	all(name: string): string[];
	/** The exact bytes, with the empty line. */
	readonly raw: string;
}

/** The value of Sec-WebSocket-Accept for a key (RFC 6455 §4.2.2). */
export function acceptFor(key: string): string {
	return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

export function parseHead(raw: string): Head {
	const [startLine = "", ...lines] = raw.slice(0, -4).split("\r\n");
	const list = lines.map((line) => {
		const colon = line.indexOf(":");
		return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
	});
	const all = (name: string) =>
		list.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
	const answer = startLine.startsWith("HTTP/");
	return {
		startLine,
		status: answer ? Number(startLine.split(" ")[1]) : Number.NaN,
		target: answer ? "" : (startLine.split(" ")[1] ?? ""),
		list,
		header: (name) => all(name)[0],
		all,
		raw,
	};
}

/** How the other side ended: `fin`, `reset` (or another socket error), or still open. */
export type Ending = "open" | "fin" | "reset";

/** A bare connection; everything that arrives is recorded. */
export class RawPeer {
	readonly socket: Socket;
	/** The TCP socket, the one below TLS. */
	readonly tcp: Socket;
	/** Everything received, to the byte. Emptied by {@link forget}. */
	received: Buffer = Buffer.alloc(0);
	/** How the other side ended, so far. */
	ending: Ending = "open";
	/** Both directions are closed. */
	closed = false;
	/** The last socket error's code. */
	error: string | undefined;
	#chunks: Buffer[] = [];
	#at = 0;
	#recording = true;

	constructor(socket: Socket, tcp: Socket = socket) {
		this.socket = socket;
		this.tcp = tcp;
		socket.on("error", (error: NodeJS.ErrnoException) => {
			this.error = error.code ?? error.message;
			this.ending = "reset";
		});
		socket.on("data", (chunk: Buffer) => {
			if (this.#recording) this.#chunks.push(chunk);
		});
		socket.on("end", () => {
			if (this.ending === "open") this.ending = "fin";
		});
		socket.on("close", () => {
			if (this.ending === "open" && !socket.readableEnded) this.ending = "reset";
			this.closed = true;
		});
	}

	/** Stops recording, for long runs. */
	forget(): void {
		this.#recording = false;
		this.#chunks = [];
		this.received = Buffer.alloc(0);
		this.#at = 0;
	}

	/** Everything received that no read has taken yet. */
	get unread(): Buffer {
		if (this.#chunks.length > 0) {
			this.received = Buffer.concat([this.received, ...this.#chunks]);
			this.#chunks = [];
		}
		return this.received.subarray(this.#at);
	}

	/** Everything received from the first byte. */
	get all(): Buffer {
		void this.unread;
		return this.received;
	}

	write(data: Buffer | string): void {
		this.socket.write(data);
	}

	/** Writes one byte at a time, each in a segment of its own as far as the kernel allows. */
	async writeSlowly(data: Buffer | string, pauseMs = 1): Promise<void> {
		const bytes = Buffer.from(data);
		for (let i = 0; i < bytes.length && !this.closed; i++) {
			this.socket.write(bytes.subarray(i, i + 1));
			await new Promise((resolve) => setTimeout(resolve, pauseMs));
		}
	}

	/** Reads a request or answer head up to its empty line. */
	async readHead(timeout = 5_000): Promise<Head> {
		const end = await until(
			() => {
				const at = this.unread.indexOf("\r\n\r\n");
				if (at < 0 && this.ending !== "open") {
					throw new Error(
						`the peer ended (${this.ending}) before its head was complete: ${JSON.stringify(this.unread.toString("latin1"))}`,
					);
				}
				return at < 0 ? undefined : at + 4;
			},
			{ timeout, what: "an HTTP head" },
		);
		return parseHead(this.#take(end).toString("latin1"));
	}

	/** Reads exactly `length` bytes. */
	async read(length: number, timeout = 5_000): Promise<Buffer> {
		await until(
			() => {
				if (this.unread.length < length && this.ending !== "open") {
					throw new Error(`the peer ended (${this.ending}) after ${this.unread.length} of ${length} bytes`);
				}
				return this.unread.length >= length;
			},
			{ timeout, what: `${length} bytes` },
		);
		return this.#take(length);
	}

	/** Reads the body that belongs to a head: by Content-Length, in chunks, or up to the end (RFC 9112 §6.3). */
	async readBody(head: Head, timeout = 5_000): Promise<string> {
		const length = head.header("content-length");
		if (length !== undefined) return (await this.read(Number(length), timeout)).toString();
		if (head.header("transfer-encoding") === "chunked") return this.#readChunks(timeout);
		await this.ended(timeout);
		return this.#take(this.unread.length).toString();
	}

	async #readChunks(timeout: number): Promise<string> {
		const chunks: Buffer[] = [];
		for (;;) {
			const lineEnd = await until(() => this.unread.indexOf("\r\n") + 1, { timeout, what: "a chunk's size" });
			const size = Number.parseInt((await this.read(lineEnd + 1)).toString(), 16);
			chunks.push(await this.read(size, timeout));
			await this.read(2, timeout);
			if (size === 0) return Buffer.concat(chunks).toString();
		}
	}

	/** Reads the next frame. */
	async readFrame(timeout = 5_000): Promise<ReadFrame> {
		const next = await until(
			() => {
				const found = parseFrame(this.unread);
				if (!found && this.ending !== "open") {
					throw new Error(`the peer ended (${this.ending}) without another frame`);
				}
				return found;
			},
			{ timeout, what: "a WebSocket frame" },
		);
		this.#take(next.size);
		return next;
	}

	/** Reads frames up to the first one with this opcode, and returns that one. */
	async readFrameOf(opcode: number, timeout = 5_000): Promise<ReadFrame> {
		for (;;) {
			const next = await this.readFrame(timeout);
			if (next.opcode === opcode) return next;
		}
	}

	/** Sends a frame. */
	sendFrame(opcode: number, payload: Buffer | string = "", options: FrameOptions = {}): void {
		this.socket.write(frame(opcode, payload, options));
	}

	/** Sends a Close frame. */
	sendClose(code?: number, reason = "", options: FrameOptions = {}): void {
		this.socket.write(frame(OPCODE.close, closePayload(code, reason), options));
	}

	/** Sends FIN: no more bytes from here, still reading. */
	end(): void {
		this.socket.end();
	}

	/** Sends RST; for TLS without a word of TLS before it. */
	reset(): void {
		this.tcp.resetAndDestroy();
	}

	/** Waits until the other side has sent FIN or RST, and says which. */
	async ended(timeout = 5_000): Promise<Ending> {
		await until(() => this.ending !== "open", { timeout, what: "the peer to end the connection" });
		return this.ending;
	}

	#take(length: number): Buffer {
		const bytes = this.unread.subarray(0, length);
		this.#at += length;
		return bytes;
	}
}
