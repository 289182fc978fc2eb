/**
 * Follows the frame boundaries of one direction by reading frame headers only (RFC 6455 §5.2). It never refuses
 * anything: what the peers make of an invalid stream is between them. Constant memory, no allocation per frame.
 */
import { MAX_CONTROL_PAYLOAD, OPCODE } from "../protocol/frames.ts";

/** The code of a Close frame without one (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;

export class Meter {
	/** Data messages begun, and control frames, by kind. */
	text = 0;
	binary = 0;
	ping = 0;
	pong = 0;
	close = 0;

	/** Payload bytes of the current frame still to come; Infinity after a length no number can hold: no boundary follows. */
	remaining = 0;
	/** Bytes of the current frame's header read so far; 0 between headers. */
	headerLength = 0;
	/** The current frame's first byte: FIN, RSV and opcode. */
	first = 0;
	/** The current frame's payload length; Infinity when it is beyond 2^53. */
	length = 0;
	/** The current frame's mask key as a signed 32-bit number, 0 when it is not masked. */
	mask = 0;

	/** The first Close frame's code once that frame has passed whole: 1005 without a code; 0 = no Close yet. */
	closeCode = 0;
	closeReason = "";

	#headerSize = 2;
	#extendedEnd = 2;
	#capture: Buffer | null = null;
	#captured = 0;

	/** Whether the bytes seen so far end exactly at the end of a frame. */
	get atBoundary(): boolean {
		return this.remaining === 0 && this.headerLength === 0;
	}

	/** The current frame's opcode. */
	get opcode(): number {
		return this.first & 0x0f;
	}

	/** Reads bytes `start` to `end` of `buffer`, whatever they hold. */
	scan(buffer: Uint8Array, start: number, end: number): void {
		let at = start;
		while (at < end) {
			if (this.remaining > 0) at = this.payload(buffer, at, end);
			else if (this.headerLength > 0 || !this.#shortHeader(buffer, at, end)) this.headerByte(buffer[at++] as number);
			else at += this.#headerSize;
		}
	}

	/** Reads a header at `at` at once, when it is all there and the payload shorter than 126 bytes: most are. */
	#shortHeader(buffer: Uint8Array, at: number, end: number): boolean {
		if (end - at < 6) return false;
		const second = buffer[at + 1] as number;
		const length = second & 0x7f;
		if (length > 125) return false;
		this.first = buffer[at] as number;
		this.length = length;
		if (second === length) {
			this.mask = 0;
			this.#headerSize = 2;
		} else {
			this.mask =
				((buffer[at + 2] as number) << 24) |
				((buffer[at + 3] as number) << 16) |
				((buffer[at + 4] as number) << 8) |
				(buffer[at + 5] as number);
			this.#headerSize = 6;
		}
		this.#frame();
		return true;
	}

	/** Consumes payload bytes of the current frame; returns where it stopped: at the frame's end or at `end`. */
	payload(buffer: Uint8Array, start: number, end: number): number {
		const take = Math.min(this.remaining, end - start);
		this.remaining -= take;
		if (this.#capture !== null) this.#captureClose(this.#capture, buffer, start, start + take);
		return start + take;
	}

	/** Consumes one byte of a header; true when the header is complete. */
	headerByte(byte: number): boolean {
		const index = this.headerLength++;
		if (index === 0) {
			this.first = byte;
			return false;
		}
		if (index === 1) {
			const short = byte & 0x7f;
			const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
			this.length = extended === 0 ? short : 0;
			this.mask = 0;
			this.#extendedEnd = 2 + extended;
			this.#headerSize = this.#extendedEnd + ((byte & 0x80) === 0 ? 0 : 4);
		} else if (index < this.#extendedEnd) {
			// Beyond 2^53 a double loses the low bits but stays large: it is told from a real length below.
			this.length = this.length * 256 + byte;
		} else {
			this.mask = (this.mask << 8) | byte;
		}
		if (this.headerLength < this.#headerSize) return false;
		this.#frame();
		return true;
	}

	#frame(): void {
		this.headerLength = 0;
		if (this.length > Number.MAX_SAFE_INTEGER) this.length = Number.POSITIVE_INFINITY;
		this.remaining = this.length;
		switch (this.first & 0x0f) {
			case OPCODE.text:
				this.text++;
				break;
			case OPCODE.binary:
				this.binary++;
				break;
			case OPCODE.ping:
				this.ping++;
				break;
			case OPCODE.pong:
				this.pong++;
				break;
			case OPCODE.close:
				this.close++;
				if (this.closeCode !== 0) break;
				if (this.length === 0) this.closeCode = NO_STATUS;
				else {
					this.#capture = Buffer.allocUnsafe(Math.min(this.length, MAX_CONTROL_PAYLOAD));
					this.#captured = 0;
				}
				break;
		}
	}

	#captureClose(capture: Buffer, buffer: Uint8Array, start: number, end: number): void {
		for (let at = start; at < end && this.#captured < capture.length; at++, this.#captured++) {
			const key = (this.mask >>> (24 - 8 * (this.#captured & 3))) & 0xff;
			capture[this.#captured] = (buffer[at] as number) ^ key;
		}
		if (this.remaining > 0) return;
		this.#capture = null;
		this.closeCode = capture.length < 2 ? NO_STATUS : capture.readUInt16BE(0);
		this.closeReason = capture.toString("utf8", 2);
	}
}
