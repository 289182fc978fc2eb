/** What goes to subscribers of a topic: encoded at most once for each protocol, and compressed at most once for each. */
import type { ClientInfo, Publication } from "./engine.ts";
import { deflate, type MessageOpcode, messageFrame } from "./frame.ts";

/** How a protocol says things to its clients. One object for each protocol and format. */
export interface Encoding {
	/** 0, 1, 2 …: its place in a message's table. */
	readonly index: number;
	readonly opcode: MessageOpcode;
	publication(topic: string, publication: Publication): Uint8Array;
	/** Undefined where the protocol does not have it. */
	join(topic: string, info: ClientInfo): Uint8Array | undefined;
	leave(topic: string, info: ClientInfo): Uint8Array | undefined;
}

/** One publication, join or leave on its way to many. */
export class Message {
	readonly #payload: (encoding: Encoding) => Uint8Array | undefined;
	/** Of the publication; 0 = it has none. */
	readonly offset: number;
	/** By encoding and compression. */
	readonly #frames: (Buffer | null | undefined)[] = [];
	readonly #minSize: number;

	/** @param minSize payloads from this size on are compressed for those who can read it; Infinity = none */
	constructor(payload: (encoding: Encoding) => Uint8Array | undefined, minSize: number, offset: number) {
		this.#payload = payload;
		this.#minSize = minSize;
		this.offset = offset;
	}

	/** The frame for a client; null when its protocol has none. */
	frame(encoding: Encoding, compress: boolean): Buffer | null {
		const place = encoding.index * 2 + (compress ? 1 : 0);
		const known = this.#frames[place];
		if (known !== undefined) return known;
		const payload = this.#payload(encoding);
		let frame: Buffer | null = null;
		if (payload !== undefined) {
			const small = !compress || payload.length < this.#minSize;
			frame = small ? messageFrame(encoding.opcode, payload) : messageFrame(encoding.opcode, deflate(payload), true);
			// One that is too small to compress is the same for all.
			if (small) this.#frames[encoding.index * 2] = frame;
		}
		this.#frames[place] = frame;
		return frame;
	}
}
