/**
 * The limits of one direction of a tunnel. They stand before everything else that a leg does with its bytes, and judge
 * each frame by its header (RFC 6455 §5.2): what may pass goes on in whole chunks, the header of a frame that may not was
 * never seen by the rest. So the direction always stops at a frame boundary, where a Close can be written.
 */
import { OPCODE } from "../protocol/frames.ts";
import { TokenBucket } from "./bucket.ts";
import type { Leg } from "./leg.ts";
import type { FrameLimit, RateLimit, TunnelLimits } from "./limits-options.ts";
import { Meter } from "./meter.ts";
import type { TimerWheel, WheelEntry } from "./wheel.ts";

/** A fragment of fewer bytes counts like a message, unless it ends one: to cut messages small must not evade the rate. */
const SMALL_FRAGMENT = 1024;
const FINAL = 0x80;

export class FrameLimits implements WheelEntry {
	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;

	/** Reading has stopped until there is room in the buckets. */
	waiting = false;

	readonly #leg: Leg;
	readonly #limits: TunnelLimits;
	readonly #wheel: TimerWheel;
	readonly #messages: TokenBucket | undefined;
	readonly #bytes: TokenBucket | undefined;
	/** The bucket of bytes is emptied by what passes, not by frames that are announced. */
	readonly #pacesBytes: boolean;
	/** Ahead of the leg's own, by what is held. */
	readonly #meter = new Meter();
	/** Bytes of the message under way, with the current frame's whole length. */
	#messageSize = 0;
	/** The last of our Pings whose Pong was let through for nothing. */
	#pongOf = 0;
	/** What has not passed on: an unfinished header, or while waiting the rest of a read. */
	#held: Buffer | null = null;
	/** How much of it the meter has seen. */
	#scanned = 0;
	/** What is held begins with a whole header whose frame waits for a token. */
	#frameWaits = false;
	#wakeAt = Number.POSITIVE_INFINITY;
	/** FIN came behind what is held. */
	#endWaits = false;

	/** Limits for what comes from `leg`; rates are for clients only. */
	constructor(leg: Leg, limits: TunnelLimits, wheel: TimerWheel) {
		this.#leg = leg;
		this.#limits = limits;
		this.#wheel = wheel;
		if (leg.side === "client") {
			this.#messages = bucket(limits.messages, wheel);
			this.#bytes = bucket(limits.bytes, wheel);
		}
		this.#pacesBytes = this.#bytes !== undefined && limits.bytes?.delay === true;
	}

	failed(error: unknown): void {
		this.#leg.owner.failed(error);
	}

	/** As {@link Leg.receive}. */
	receive(buffer: Buffer, length: number, reused: boolean): boolean {
		if (this.waiting) {
			// What was decrypted already comes in spite of it.
			this.#hold(buffer.subarray(0, length), reused);
			return false;
		}
		this.#fill(false);
		let more: boolean;
		if (this.#held === null) more = this.#judge(buffer, 0, length, reused);
		else {
			const joined = Buffer.concat([this.#held, buffer.subarray(0, length)]);
			const scanned = this.#scanned;
			this.#release();
			more = this.#judge(joined, scanned, joined.length, false);
		}
		if (!this.waiting) return more;
		this.#wheel.schedule(this, this.#wakeAt);
		this.#leg.owner.delayed(this.#leg, this.#frameWaits ? "messages" : "bytes");
		return false;
	}

	/** FIN was read. Returns true when it has to wait for what is held; {@link Leg.end} is called then. */
	holdsEnd(): boolean {
		if (this.waiting && this.#held !== null) this.#endWaits = true;
		return this.#endWaits;
	}

	/** Called by the wheel when there should be room. */
	expire(): number {
		this.#fill(true);
		this.waiting = false;
		const held = this.#held;
		if (held !== null) {
			const scanned = this.#scanned;
			this.#release();
			this.#judge(held, scanned, held.length, false);
		} else {
			this.#waitForBytes();
		}
		if (this.waiting) return this.#wakeAt;
		this.#goOn();
		return Number.POSITIVE_INFINITY;
	}

	/** No limits any more: the gateway has closed the tunnel, and only the answer to its Close is of interest. */
	lift(): void {
		const held = this.#held;
		this.stop();
		if (held !== null) this.#leg.pass(held, held.length, false);
		this.#goOn();
	}

	/** The leg is gone: forgets what waits. */
	stop(): void {
		this.#leg.limits = null;
		this.#wheel.cancel(this);
		this.waiting = false;
		this.#release();
	}

	/**
	 * Judges the frames of `buffer`, of which the first `at` bytes were scanned already; passes on what may pass, holds
	 * the rest. Returns false when the other leg is slow, or when it waits now.
	 */
	#judge(buffer: Buffer, at: number, length: number, reused: boolean): boolean {
		const meter = this.#meter;
		/** Start of the header under way, or of the last one. */
		let start = 0;
		let scanned = at;
		while (this.#frameWaits || scanned < length) {
			let exceeded: FrameLimit | undefined;
			if (this.#frameWaits) {
				this.#frameWaits = false;
				exceeded = this.#rateExceeded(scanned - start);
			} else if (meter.remaining > 0) {
				scanned = meter.payload(buffer, scanned, length);
				continue;
			} else {
				if (meter.headerLength === 0) start = scanned;
				if (!meter.headerByte(buffer[scanned++] as number)) continue;
				exceeded = this.#sizeExceeded() ?? this.#rateExceeded(scanned - start);
			}
			if (exceeded === undefined) continue;
			if (exceeded === "messages" && this.#limits.messages?.delay) {
				this.#frameWaits = true;
				this.#pass(buffer, start, reused);
				this.#hold(buffer.subarray(start, length), reused);
				this.#scanned = scanned - start;
				this.#wait();
				return false;
			}
			return this.#close(exceeded, buffer, start, length, reused);
		}
		const end = meter.headerLength > 0 ? start : length;
		const more = this.#pass(buffer, end, reused);
		if (end < length) {
			this.#hold(buffer.subarray(end, length), reused);
			this.#scanned = length - end;
		}
		this.#waitForBytes();
		return more && !this.waiting;
	}

	#sizeExceeded(): FrameLimit | undefined {
		const { length, opcode } = this.#meter;
		if (length > this.#limits.maxFrameSize) return "max_frame_size";
		if (opcode >= OPCODE.close) return undefined;
		this.#messageSize = opcode === OPCODE.continuation ? this.#messageSize + length : length;
		return this.#messageSize > this.#limits.maxMessageSize ? "max_message_size" : undefined;
	}

	#rateExceeded(headerLength: number): FrameLimit | undefined {
		if (this.#messages !== undefined && this.#counts() && !this.#messages.take(1)) return "messages";
		if (this.#bytes === undefined || this.#pacesBytes) return undefined;
		return this.#bytes.take(headerLength + this.#meter.length) ? undefined : "bytes";
	}

	/** Whether the current frame needs a token of `messages`. */
	#counts(): boolean {
		const { first, opcode, length, close } = this.#meter;
		switch (opcode) {
			case OPCODE.continuation:
				return (first & FINAL) === 0 && length < SMALL_FRAGMENT;
			case OPCODE.close:
				return close > 1;
			case OPCODE.pong: {
				const { pingSentAt, pingCount } = this.#leg;
				if (pingSentAt === 0 || this.#pongOf === pingCount) return true;
				this.#pongOf = pingCount;
				return false;
			}
			default:
				return true;
		}
	}

	/** Nothing from `start` on passes: the other leg is closed first, then the rest is only searched for a Close. */
	#close(limit: FrameLimit, buffer: Buffer, start: number, length: number, reused: boolean): boolean {
		const leg = this.#leg;
		this.#pass(buffer, start, reused);
		this.stop();
		leg.owner.exceeded(leg, limit);
		const rest = buffer.subarray(start, length);
		return leg.pass(rest, rest.length, reused);
	}

	#pass(buffer: Buffer, end: number, reused: boolean): boolean {
		if (end === 0) return true;
		if (this.#pacesBytes) this.#bytes?.charge(end);
		return this.#leg.pass(buffer, end, reused);
	}

	/** Adds to what is held; `copy` when the bytes are going to be overwritten. */
	#hold(bytes: Buffer, copy: boolean): void {
		if (this.#held !== null) this.#held = Buffer.concat([this.#held, bytes]);
		else this.#held = copy ? Buffer.from(bytes) : bytes;
	}

	#release(): void {
		this.#held = null;
		this.#scanned = 0;
	}

	#fill(waited: boolean): void {
		if (this.#messages === undefined && this.#bytes === undefined) return;
		const now = this.#wheel.time();
		this.#messages?.fill(now, waited);
		this.#bytes?.fill(now, waited);
	}

	/** Bytes that passed are paid for afterwards: until then no more are read. */
	#waitForBytes(): void {
		if (this.#pacesBytes && (this.#bytes as TokenBucket).tokens < 0) this.#wait();
	}

	#wait(): void {
		const forMessages = this.#frameWaits ? (this.#messages?.wait(1) ?? 0) : 0;
		const forBytes = this.#pacesBytes ? (this.#bytes?.wait(0) ?? 0) : 0;
		this.waiting = true;
		this.#wakeAt = this.#wheel.time() + Math.max(forMessages, forBytes);
	}

	/** Nothing waits here any more. */
	#goOn(): void {
		if (this.#endWaits) this.#leg.end();
		else if (this.#leg.peer.muted || !this.#leg.peer.socket.writableNeedDrain) this.#leg.resume();
	}
}

function bucket(limit: RateLimit | undefined, wheel: TimerWheel): TokenBucket | undefined {
	return limit && new TokenBucket(limit.perSecond, limit.burst, wheel.time());
}
