/** Reads a server's frames and refuses what RFC 6455 §5 does not allow it. Constant memory: data payloads are skipped. */
import { MAX_CONTROL_PAYLOAD, OPCODE } from "../protocol/frames.ts";

export interface ControlFrame {
	/** Close, Ping or Pong. */
	readonly opcode: number;
	readonly payload: Buffer;
}

export interface Violation {
	readonly kind: "masked" | "compressed" | "garbage";
	/** What is wrong, in words. */
	readonly words: string;
}

const KNOWN = new Set<number>(Object.values(OPCODE));

export class FrameReader {
	/** Data messages that have begun. */
	messages = 0;

	readonly #extensions: boolean;
	readonly #onControl: (frame: ControlFrame) => void;
	readonly #header = Buffer.alloc(14);
	#have = 0;
	/** Payload bytes of the present frame still to come. */
	#remaining = 0;
	/** The present control frame's payload; undefined for data. */
	#control: Buffer | undefined;
	#captured = 0;
	/** In the middle of a fragmented message. */
	#fragmented = false;
	#violation: Violation | undefined;

	/** @param extensions whether one was agreed on, which may use the reserved bits */
	constructor(extensions: boolean, onControl: (frame: ControlFrame) => void) {
		this.#extensions = extensions;
		this.#onControl = onControl;
	}

	/** Takes the next bytes; returns what is wrong, from then on always. */
	push(chunk: Buffer): Violation | undefined {
		let at = 0;
		while (at < chunk.length && this.#violation === undefined) {
			if (this.#remaining > 0) {
				at = this.#takePayload(chunk, at);
				continue;
			}
			this.#header[this.#have++] = chunk[at++] as number;
			if (this.#have >= 2 && this.#have === this.#headerSize()) this.#begin();
		}
		return this.#violation;
	}

	#headerSize(): number {
		const length = (this.#header[1] as number) & 0x7f;
		return length === 126 ? 4 : length === 127 ? 10 : 2;
	}

	#begin(): void {
		this.#have = 0;
		const first = this.#header[0] as number;
		const opcode = first & 0x0f;
		const length = this.#length();
		this.#violation = this.#check(first, length);
		if (this.#violation !== undefined) return;
		this.#remaining = length;
		if (opcode >= OPCODE.close) {
			this.#control = Buffer.alloc(length);
			this.#captured = 0;
			if (length === 0) this.#controlDone();
			return;
		}
		if (opcode !== OPCODE.continuation) this.messages++;
		this.#fragmented = (first & 0x80) === 0;
	}

	#length(): number {
		const short = (this.#header[1] as number) & 0x7f;
		if (short === 126) return this.#header.readUInt16BE(2);
		return short === 127 ? Number(this.#header.readBigUInt64BE(2)) : short;
	}

	#check(first: number, length: number): Violation | undefined {
		const opcode = first & 0x0f;
		const final = (first & 0x80) !== 0;
		const reserved = first & 0x70;
		const start = this.#header.toString("latin1", 0, 2);
		if (start === "HT" || start === "<h" || start === "<!") return garbage("HTTP or HTML instead of a frame");
		if (!KNOWN.has(opcode)) return garbage(`a frame with the unknown opcode ${opcode}`);
		if (reserved !== 0 && !this.#extensions) {
			if (reserved === 0x40 && (opcode === OPCODE.text || opcode === OPCODE.binary)) {
				return { kind: "compressed", words: "a compressed message (RSV1), though no compression was agreed on" };
			}
			return garbage("a frame with reserved bits, though no extension was agreed on");
		}
		if (((this.#header[1] as number) & 0x80) !== 0) {
			return { kind: "masked", words: "a masked frame" };
		}
		if (opcode >= OPCODE.close && !final) return garbage("a control frame in fragments");
		if (opcode >= OPCODE.close && length > MAX_CONTROL_PAYLOAD) return garbage(`a control frame of ${length} bytes`);
		if (length > Number.MAX_SAFE_INTEGER) return garbage("a frame of an impossible length");
		if (opcode === OPCODE.continuation && !this.#fragmented) return garbage("a continuation of nothing");
		if ((opcode === OPCODE.text || opcode === OPCODE.binary) && this.#fragmented) {
			return garbage("a new message inside of a fragmented one");
		}
		return undefined;
	}

	#takePayload(chunk: Buffer, at: number): number {
		const take = Math.min(this.#remaining, chunk.length - at);
		this.#remaining -= take;
		if (this.#control) {
			chunk.copy(this.#control, this.#captured, at, at + take);
			this.#captured += take;
			if (this.#remaining === 0) this.#controlDone();
		}
		return at + take;
	}

	#controlDone(): void {
		const payload = this.#control as Buffer;
		this.#control = undefined;
		this.#onControl({ opcode: (this.#header[0] as number) & 0x0f, payload });
	}
}

function garbage(words: string): Violation {
	return { kind: "garbage", words };
}
