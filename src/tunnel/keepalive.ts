/**
 * The gateway's own Pings (RFC 6455 §5.5.2): when they are due, how they are written, and how their Pongs are told from
 * the peers' own.
 */
import { controlFrame, OPCODE } from "../protocol/frames.ts";
import { maskingKey } from "../protocol/masking-key.ts";
import type { Leg } from "./leg.ts";
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
	return controlFrame(OPCODE.ping, payload, side === "backend" ? maskingKey() : undefined);
}

/** The number of the Ping of ours that an (unmasked) Pong payload answers; undefined when it is none of ours. */
export function ownPing(payload: Buffer): number | undefined {
	if (payload.length !== PING_LENGTH || payload.compare(MARK, 0, 4, 0, 4) !== 0) return undefined;
	return payload.readUInt32BE(4);
}

/** Milliseconds. */
export interface PingTimes {
	readonly pingInterval: number;
	readonly pingTimeout: number;
}

/** Overdue because there was no boundary to write at: look again after this time (ms), not in every tick. */
const LOOK_AGAIN = 1_000;

/** Pings a leg that has been silent for the interval. Returns false when it did not answer the last Ping in time. */
export function keepAlive(leg: Leg, times: PingTimes, now: number): boolean {
	if (leg.stopped || leg.owner.clock.stalled) {
		// Its Pong would not be read, or was not yet: its time runs from when it is.
		if (leg.pingSentAt === 0) leg.lastLife = now;
		else leg.pingSentAt = now;
		return true;
	}
	const life = Math.max(leg.lastData, leg.lastLife);
	if (leg.pingSentAt !== 0) {
		if (life >= leg.pingSentAt) leg.pingSentAt = 0;
		return leg.pingSentAt === 0 || now < leg.pingSentAt + times.pingTimeout;
	}
	if (now < life + times.pingInterval) return true;
	if (!leg.writableBoundary) {
		// Bytes that wait for it ask as well as a Ping could: whoever lives takes them.
		if (leg.socket.writableLength > 0) leg.pingSentAt = now;
		return true;
	}
	leg.pingSentAt = now;
	leg.pingsOpen++;
	leg.pingStartedAt = performance.now();
	leg.watchFrames();
	leg.writeControl(pingFrame(leg.side, ++leg.pingCount), false);
	return true;
}

/** When {@link keepAlive} has something to do. */
export function nextPing(leg: Leg, times: PingTimes, now: number): number {
	if (leg.pingSentAt !== 0) return leg.pingSentAt + times.pingTimeout;
	const due = Math.max(leg.lastData, leg.lastLife) + times.pingInterval;
	return due > now ? due : now + Math.min(times.pingInterval, LOOK_AGAIN);
}
