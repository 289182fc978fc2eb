/** WebSocket frames that the gateway writes itself: Close, Ping (RFC 6455 §5.2, §5.5). */

/** Opcodes of RFC 6455 §11.8. */
export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** The largest payload of a control frame (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD = 125;

/** The largest Close reason in bytes of UTF-8: a control payload less the two bytes of the code. */
export const MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2;

/**
 * One final control frame. With a mask key it is a client's frame (RFC 6455 §5.3), as a backend expects it;
 * without one it is a server's.
 */
export function controlFrame(opcode: number, payload: Buffer, mask?: Buffer): Buffer {
	const start = mask ? 6 : 2;
	const frame = Buffer.allocUnsafe(start + payload.length);
	frame[0] = 0x80 | opcode;
	frame[1] = (mask ? 0x80 : 0) | payload.length;
	payload.copy(frame, start);
	if (mask) {
		mask.copy(frame, 2);
		for (let i = 0; i < payload.length; i++) {
			frame[start + i] = (frame[start + i] as number) ^ (mask[i & 3] as number);
		}
	}
	return frame;
}

/** A Close frame's payload: the code, then the reason cut at a character so that it fits. */
export function closePayload(code: number, reason: string): Buffer {
	let text = Buffer.from(reason, "utf8");
	if (text.length > MAX_CLOSE_REASON) {
		let end = MAX_CLOSE_REASON;
		while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end--;
		text = text.subarray(0, end);
	}
	const payload = Buffer.allocUnsafe(2 + text.length);
	payload.writeUInt16BE(code, 0);
	text.copy(payload, 2);
	return payload;
}
