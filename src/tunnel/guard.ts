/**
 * The slow path of a leg: frames are looked at one by one, because a frame of ours waits for a boundary or because
 * our own Pong has to be taken out. Only the bytes of an unfinished header, or of a Pong that may be ours, are held.
 */
import { OPCODE } from "../protocol/frames.ts";
import { ownPing, PING_LENGTH } from "./keepalive.ts";
import type { Leg } from "./leg.ts";
import type { Meter } from "./meter.ts";

/** The longest header (RFC 6455 §5.2) and the payload of our Ping. */
const MAX_HELD = 14 + PING_LENGTH;
const FINAL_PONG = 0x80 | OPCODE.pong;

export class Guard {
	readonly #held = Buffer.allocUnsafe(MAX_HELD);
	#heldLength = 0;
	#heldHeader = 0;
	#inPong = false;
	/** The header under way when the guard came was passed on already and cannot be held. */
	#headerPassed: boolean;

	constructor(meter: Meter) {
		this.#headerPassed = meter.headerLength > 0;
	}

	/** Whether what was passed on ends at a boundary although the meter is inside a frame: that frame is held. */
	get holding(): boolean {
		return this.#heldLength > 0;
	}

	/** As {@link Leg.receive}. */
	receive(leg: Leg, buffer: Buffer, length: number, reused: boolean): boolean {
		const { meter, peer } = leg;
		let more = true;
		/** Bytes before it are written or held. */
		let from = 0;
		let headerStart = 0;
		let passedData = false;
		let at = 0;
		const flush = (end: number): void => {
			if (end > from) {
				passedData = true;
				more = peer.write(buffer, from, end, reused) && more;
			}
			from = end;
		};
		while (at < length) {
			if (meter.remaining > 0) {
				const end = meter.payload(buffer, at, length);
				if (this.#inPong) {
					this.#hold(buffer, at, end);
					from = end;
				}
				at = end;
			} else {
				if (meter.headerLength === 0) headerStart = at;
				if (!meter.headerByte(buffer[at++] as number)) continue;
				const begunBefore = this.#heldLength > 0;
				if (!this.#headerPassed && meter.first === FINAL_PONG && meter.length === PING_LENGTH) {
					if (!begunBefore) flush(headerStart);
					this.#hold(buffer, begunBefore ? from : headerStart, at);
					this.#heldHeader = this.#heldLength;
					this.#inPong = true;
					from = at;
				} else if (begunBefore) {
					more = this.#release(peer) && more;
					passedData = true;
				}
				this.#headerPassed = false;
			}
			if (meter.remaining > 0) continue;
			if (this.#inPong) {
				this.#inPong = false;
				const count = this.#ownPing(meter.mask);
				if (count !== undefined) {
					this.#heldLength = 0;
					meter.pong--;
					leg.owner.ponged(leg, count);
				} else {
					more = this.#release(peer) && more;
					passedData = true;
				}
			}
			if (peer.pendingControl !== null) {
				flush(at);
				peer.flushControl();
			}
		}
		if (meter.headerLength > 0 && !this.#headerPassed) {
			const begun = this.#heldLength > 0 ? from : headerStart;
			flush(begun);
			this.#hold(buffer, begun, length);
		} else {
			flush(length);
		}
		if (passedData) leg.lastData = leg.owner.clock.now;
		leg.lastLife = leg.owner.clock.now;
		if (this.#heldLength === 0 && leg.pingsOpen === 0 && peer.pendingControl === null) leg.guard = null;
		return more;
	}

	#hold(buffer: Buffer, start: number, end: number): void {
		this.#heldLength += buffer.copy(this.#held, this.#heldLength, start, end);
	}

	/** Passes the held bytes on after all. */
	#release(peer: Leg): boolean {
		const bytes = Buffer.from(this.#held.subarray(0, this.#heldLength));
		this.#heldLength = 0;
		return peer.write(bytes, 0, bytes.length, false);
	}

	/** Which Ping of ours the held Pong answers. */
	#ownPing(mask: number): number | undefined {
		const payload = Buffer.from(this.#held.subarray(this.#heldHeader, this.#heldLength));
		for (let i = 0; i < payload.length; i++) {
			payload[i] = (payload[i] as number) ^ ((mask >>> (24 - 8 * (i & 3))) & 0xff);
		}
		return ownPing(payload);
	}
}
