/** The gateway's own Pings (RFC 6455 §5.5.2): how they are written and how their Pongs are told from the peers' own. */
import { randomBytes } from "node:crypto";
import { controlFrame, OPCODE } from "../protocol/frames.ts";
import type { Side } from "./report.ts";

/** Bytes in the payload of our Ping: a mark, then a counter. */
export const PING_LENGTH = 8;

/**
 * The first four bytes of our Pings. It need not be secret: a peer that sends a Pong with it only loses that Pong.
 */
const MARK = Buffer.from("cgw\u0001", "latin1");

/** A Ping for one side: unmasked for the client, masked for the backend. */
export function pingFrame(side: Side, count: number): Buffer {
	const payload = Buffer.allocUnsafe(PING_LENGTH);
	MARK.copy(payload);
	payload.writeUInt32BE(count >>> 0, 4);
	return controlFrame(OPCODE.ping, payload, side === "backend" ? randomBytes(4) : undefined);
}

/** Whether an (unmasked) Pong payload answers one of our Pings. */
export function isOwnPing(payload: Buffer): boolean {
	return payload.length === PING_LENGTH && payload.compare(MARK, 0, 4, 0, 4) === 0;
}
