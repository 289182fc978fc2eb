/** An open WebSocket as a well-behaved client keeps it: Pings are answered, a Close is echoed, the rest is watched. */
import type { Socket } from "node:net";
import { closePayload, controlFrame, OPCODE } from "../protocol/frames.ts";
import { type ControlFrame, FrameReader, type Violation } from "./frame-reader.ts";

/** How the connection ended, if it did. */
export type Ending =
	| { readonly kind: "open" }
	/** The server sent a Close frame; 1005 = without a code. */
	| { readonly kind: "close"; readonly code: number; readonly reason: string }
	/** FIN or RST without a Close: 1006 in every client. */
	| { readonly kind: "fin" | "reset" }
	| { readonly kind: "violation"; readonly violation: Violation };

/** The code of a Close frame without one (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;
/** So long (ms) a server may take to end TCP after its Close was echoed. */
const LINGER = 500;

export class OpenWebSocket {
	/** What happened first; does not change any more. */
	ending: Ending = { kind: "open" };
	/** Whether the server has ended TCP. */
	tcpEnded = false;
	/** When a byte came or went last, on the clock that was passed in. */
	lastActivity: number;
	/** When {@link ending} was set. */
	endedAt = 0;
	/** Pings of the server. */
	pings = 0;
	/** Payloads of its Pongs that nobody has taken. */
	readonly pongs: Buffer[] = [];

	readonly #socket: Socket;
	readonly #reader: FrameReader;
	readonly #now: () => number;
	readonly #randomBytes: (size: number) => Buffer;
	readonly #waiting = new Set<() => void>();
	#closeSent = false;

	/** Takes over a socket after its 101; `rest` came with the head. */
	constructor(
		socket: Socket,
		rest: Buffer,
		options: { extensions: boolean; now: () => number; randomBytes: (size: number) => Buffer },
	) {
		this.#socket = socket;
		this.#now = options.now;
		this.#randomBytes = options.randomBytes;
		this.lastActivity = options.now();
		this.#reader = new FrameReader(options.extensions, (frame) => this.#control(frame));
		socket.on("error", () => this.#end({ kind: "reset" }));
		socket.on("end", () => this.#end({ kind: "fin" }));
		socket.on("close", () => this.#end({ kind: "fin" }));
		socket.on("data", (chunk: Buffer) => this.#receive(chunk));
		if (rest.length > 0) this.#receive(rest);
		socket.resume();
	}

	/** Data messages that have begun. */
	get messages(): number {
		return this.#reader.messages;
	}

	/** Sends a Ping; returns its payload. */
	ping(): Buffer {
		const payload = this.#randomBytes(4);
		this.#write(OPCODE.ping, payload);
		return payload;
	}

	/** Sends Close 1000. */
	close(): void {
		this.#closeSent = true;
		this.#write(OPCODE.close, closePayload(1000, ""));
	}

	/** Resolves with true as soon as `predicate` holds, with false after `timeout` milliseconds. */
	waitFor(predicate: () => boolean, timeout: number): Promise<boolean> {
		if (predicate()) return Promise.resolve(true);
		return new Promise((resolve) => {
			const finish = (held: boolean): void => {
				clearTimeout(timer);
				this.#waiting.delete(look);
				resolve(held);
			};
			const look = (): void => {
				if (predicate()) finish(true);
			};
			const timer = setTimeout(() => finish(false), timeout);
			this.#waiting.add(look);
		});
	}

	/** Ends it, whatever state it is in; a server that was told Close gets a moment to end TCP itself. */
	async finish(): Promise<void> {
		if (this.ending.kind === "close") await this.waitFor(() => this.tcpEnded, LINGER);
		this.#socket.destroy();
	}

	#receive(chunk: Buffer): void {
		if (this.ending.kind === "violation") return;
		this.lastActivity = this.#now();
		const violation = this.#reader.push(chunk);
		if (violation !== undefined && this.ending.kind === "open") this.#set({ kind: "violation", violation });
		this.#wake();
	}

	#control({ opcode, payload }: ControlFrame): void {
		if (opcode === OPCODE.pong) this.pongs.push(payload);
		else if (opcode === OPCODE.ping) {
			this.pings++;
			this.#write(OPCODE.pong, payload);
		} else if (this.ending.kind === "open") {
			const code = payload.length < 2 ? NO_STATUS : payload.readUInt16BE(0);
			this.#set({ kind: "close", code, reason: payload.toString("utf8", 2) });
			// The server ends TCP (RFC 6455 §7.1.1); one that does not is worth a remark.
			if (!this.#closeSent) this.#write(OPCODE.close, payload);
		}
	}

	#end(ending: Ending): void {
		this.tcpEnded = true;
		if (this.ending.kind === "open") this.#set(ending);
		this.#wake();
	}

	#set(ending: Ending): void {
		this.ending = ending;
		this.endedAt = this.#now();
	}

	#wake(): void {
		for (const look of [...this.#waiting]) look();
	}

	#write(opcode: number, payload: Buffer): void {
		if (!this.#socket.writable) return;
		this.#socket.write(controlFrame(opcode, payload, this.#randomBytes(4)));
		this.lastActivity = this.#now();
	}
}
