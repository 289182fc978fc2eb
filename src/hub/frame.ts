/** Messages to clients, as whole frames: built once, written to everybody. */
import { constants, deflateRawSync } from "node:zlib";
import type { OPCODE } from "../protocol/frames.ts";

/** Of what `permessage-deflate` appends to a message and leaves out on the wire (RFC 7692 §7.2.1). */
const TAIL_BYTES = 4;

/** A message's opcode. */
export type MessageOpcode = typeof OPCODE.text | typeof OPCODE.binary;

/**
 * One unmasked final frame (RFC 6455 §5.2). `compressed`: `payload` is what {@link deflate} gave (RSV1, RFC 7692 §6).
 */
export function messageFrame(opcode: MessageOpcode, payload: Uint8Array, compressed = false): Buffer {
	const { length } = payload;
	const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
	const frame = Buffer.allocUnsafe(head + length);
	frame[0] = 0x80 | (compressed ? 0x40 : 0) | opcode;
	if (head === 2) frame[1] = length;
	else if (head === 4) {
		frame[1] = 126;
		frame.writeUInt16BE(length, 2);
	} else {
		frame[1] = 127;
		frame.writeUInt32BE(0, 2);
		frame.writeUInt32BE(length, 6);
	}
	frame.set(payload, head);
	return frame;
}

/** One message, compressed without what came before it: the same bytes are right for every client. */
export function deflate(payload: Uint8Array): Buffer {
	const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH });
	return bytes.subarray(0, bytes.length - TAIL_BYTES);
}
