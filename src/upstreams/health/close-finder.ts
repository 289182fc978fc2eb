/** Finds the Close frame among whatever a backend sends (RFC 6455 §5.2); keeps nothing but the frame header under way. */
import { OPCODE } from "../../protocol/frames.ts";

export class CloseFinder {
	readonly #header = Buffer.alloc(14);
	#have = 0;
	/** Bytes of the present frame's payload that are still to come. */
	#payload = 0n;

	/** Takes the next bytes, however they are cut; true once a Close frame has begun. */
	push(chunk: Buffer): boolean {
		let at = 0;
		while (at < chunk.length) {
			if (this.#payload > 0n) {
				const rest = BigInt(chunk.length - at);
				const skip = rest < this.#payload ? rest : this.#payload;
				this.#payload -= skip;
				at += Number(skip);
				continue;
			}
			this.#header[this.#have++] = chunk[at++] as number;
			if (((this.#header[0] as number) & 0x0f) === OPCODE.close) return true;
			if (this.#have >= 2 && this.#have === this.#headerLength()) {
				this.#payload = this.#payloadLength();
				this.#have = 0;
			}
		}
		return false;
	}

	#headerLength(): number {
		const second = this.#header[1] as number;
		const length = second & 0x7f;
		return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0);
	}

	#payloadLength(): bigint {
		const length = (this.#header[1] as number) & 0x7f;
		if (length === 126) return BigInt(this.#header.readUInt16BE(2));
		return length === 127 ? this.#header.readBigUInt64BE(2) : BigInt(length);
	}
}
