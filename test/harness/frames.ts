/** WebSocket frames by hand (RFC 6455 §5.2), so that tests can send what no library would. */
import { randomBytes } from "node:crypto";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
	/** Default true. */
	fin?: boolean;
	/** The three reserved bits as a number, RSV1 = 4; default 0. */
	rsv?: number;
	/** true = a random key, a Buffer = that key, false (default) = unmasked. */
	mask?: boolean | Buffer;
	/** Writes the length in a longer form than needed: 16 or 64 bits. */
	lengthBits?: 16 | 64;
}

/** One frame as bytes. */
export function frame(opcode: number, payload: Buffer | string = "", options: FrameOptions = {}): Buffer {
	const data = typeof payload === "string" ? Buffer.from(payload) : payload;
	const header = frameHeader(opcode, data.length, options);
	if (!options.mask) return Buffer.concat([header, data]);
	const key = header.subarray(header.length - 4);
	const masked = Buffer.from(data);
	for (let i = 0; i < masked.length; i++) masked[i] = (masked[i] as number) ^ (key[i & 3] as number);
	return Buffer.concat([header, masked]);
}

/** Only the header of a frame, with any length: also one whose payload never comes. */
export function frameHeader(opcode: number, length: number | bigint, options: FrameOptions = {}): Buffer {
	const first = (options.fin === false ? 0 : 0x80) | ((options.rsv ?? 0) << 4) | opcode;
	const maskBit = options.mask ? 0x80 : 0;
	let header: Buffer;
	if (length > 0xffff || options.lengthBits === 64) {
		header = Buffer.alloc(10);
		header[1] = maskBit | 127;
		header.writeBigUInt64BE(BigInt(length), 2);
	} else if (length > 125 || options.lengthBits === 16) {
		header = Buffer.alloc(4);
		header[1] = maskBit | 126;
		header.writeUInt16BE(Number(length), 2);
	} else {
		header = Buffer.alloc(2);
		header[1] = maskBit | Number(length);
	}
	header[0] = first;
	if (!options.mask) return header;
	return Buffer.concat([header, options.mask === true ? randomBytes(4) : options.mask]);
}

/** The payload of a Close frame; without a code it is empty (RFC 6455 §5.5.1). */
export function closePayload(code?: number, reason = ""): Buffer {
	if (code === undefined) return Buffer.alloc(0);
	const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
	payload.writeUInt16BE(code, 0);
	payload.write(reason, 2);
	return payload;
}

/** A frame that was read. */
export interface ReadFrame {
	readonly fin: boolean;
	readonly rsv: number;
	readonly opcode: number;
	readonly masked: boolean;
	/** Unmasked. */
	readonly payload: Buffer;
	/** Of a Close frame: its code, 1005 when it has none; else undefined. */
	readonly closeCode: number | undefined;
	/** The payload as text; of a Close frame the reason. */
	readonly text: string;
	/** How many bytes it took on the wire. */
	readonly size: number;
}

/** Reads the first frame of `bytes`; undefined when it is not complete. */
export function parseFrame(bytes: Buffer): ReadFrame | undefined {
	if (bytes.length < 2) return undefined;
	const first = bytes[0] as number;
	const second = bytes[1] as number;
	const masked = (second & 0x80) !== 0;
	let length = second & 0x7f;
	let at = 2;
	if (length === 126) {
		if (bytes.length < 4) return undefined;
		length = bytes.readUInt16BE(2);
		at = 4;
	} else if (length === 127) {
		if (bytes.length < 10) return undefined;
		length = Number(bytes.readBigUInt64BE(2));
		at = 10;
	}
	const keyAt = at;
	if (masked) at += 4;
	if (bytes.length < at + length) return undefined;
	const payload = Buffer.from(bytes.subarray(at, at + length));
	if (masked) for (let i = 0; i < length; i++) payload[i] = (payload[i] as number) ^ (bytes[keyAt + (i & 3)] as number);
	const opcode = first & 0x0f;
	const isClose = opcode === OPCODE.close;
	return {
		fin: (first & 0x80) !== 0,
		rsv: (first >> 4) & 7,
		opcode,
		masked,
		payload,
		closeCode: isClose ? (length >= 2 ? payload.readUInt16BE(0) : 1005) : undefined,
		text: (isClose ? payload.subarray(2) : payload).toString(),
		size: at + length,
	};
}

/** Reads every frame of `bytes`; fails when a part of one is left over. */
export function parseFrames(bytes: Buffer): ReadFrame[] {
	const frames: ReadFrame[] = [];
	for (let at = 0; at < bytes.length; ) {
		const next = parseFrame(bytes.subarray(at));
		if (!next) throw new Error(`${bytes.length - at} bytes are left that are not a whole frame`);
		frames.push(next);
		at += next.size;
	}
	return frames;
}
