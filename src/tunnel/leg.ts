/**
 * One side of a tunnel: its socket, what is read from it (metered, then written to the other leg) and what the
 * gateway itself writes to it. `receive` is the hot path: a message costs a header scan and a write.
 */
import type { Socket } from "node:net";
import { Guard } from "./guard.ts";
import { Meter } from "./meter.ts";
import { Reader } from "./reader.ts";
import type { Side } from "./report.ts";

/** What a leg tells its tunnel. */
export interface LegOwner {
	/** The shared coarse clock, ms. */
	readonly clock: { readonly now: number };
	/** A Close frame from this leg has passed. */
	closeSeen(leg: Leg): void;
	/** FIN: nothing more will come from this leg. */
	ended(leg: Leg): void;
	/** The socket is closed for good. */
	gone(leg: Leg): void;
	/** Reading from this leg stopped because the other one is slow. */
	paused(leg: Leg): void;
	/** The answer to a Ping of ours came back from this leg. */
	ponged(leg: Leg): void;
}

const LEG = Symbol("clawgate.leg");
type LegSocket = Socket & { [LEG]?: Leg };

export class Leg {
	readonly side: Side;
	readonly socket: Socket;
	readonly owner: LegOwner;
	/** The other side; set once by the tunnel before anything is read. */
	peer!: Leg;
	readonly meter = new Meter();
	/** Bytes read from this leg. */
	bytes = 0;
	/** When bytes that were passed on last came from this leg (coarse ms). */
	lastData: number;
	/** When this leg last showed life without data: our Pong, or it took bytes that had been waiting. */
	lastLife: number;

	/** FIN was read. */
	ended = false;
	/** The socket is closed. */
	closed = false;
	/** FIN was written, or is about to be. */
	finished = false;
	/** The gateway wrote its own Close to this leg: nothing of the other side follows it. */
	muted = false;

	/** Looks at frames one by one while there is a reason to; null on the fast path. */
	guard: Guard | null = null;
	/** A frame of ours for this leg that waits for a boundary in the other leg's stream. */
	pendingControl: Buffer | null = null;
	/** Whether {@link pendingControl} is a Close. */
	pendingClose = false;

	/** When our unanswered Ping was written (coarse ms); 0 = none. */
	pingSentAt = 0;
	/** The same on the fine clock, for the round-trip time. */
	pingStartedAt = 0;
	pingCount = 0;

	readonly #encrypted: boolean;
	#reader: Reader | undefined;
	#closeTold = false;
	#stopped = false;

	constructor(side: Side, socket: Socket, owner: LegOwner) {
		this.side = side;
		this.socket = socket;
		this.owner = owner;
		this.lastData = owner.clock.now;
		this.lastLife = owner.clock.now;
		this.#encrypted = "encrypted" in socket && socket.encrypted === true;
		(socket as LegSocket)[LEG] = this;
		// Without it a FIN from one side would make Node answer with FIN at once and lose the late Close reply.
		socket.allowHalfOpen = true;
		socket.on("error", onError);
		socket.on("end", onEnd);
		socket.on("close", onClose);
		socket.on("drain", onDrain);
	}

	/** Begins to read. `early` holds bytes that came before the tunnel was there, in order. */
	start(early: readonly Buffer[]): void {
		let more = true;
		for (const chunk of early) more = this.#take(chunk, chunk.length, false) && more;
		for (let chunk = this.socket.read(); chunk !== null; chunk = this.socket.read()) {
			more = this.#take(chunk, chunk.length, false) && more;
		}
		if (this.socket.destroyed) {
			this.#gone();
			return;
		}
		this.#reader = new Reader(this.socket, this);
		if (this.socket.readableEnded) onEnd.call(this.socket);
		if (!more) this.#stop();
	}

	/** The hot path; called by the reader for every read. */
	receive(buffer: Buffer, length: number): boolean {
		const more = this.#take(buffer, length, (this.#reader as Reader).reusesBuffer);
		if (!more) this.#stopped = true;
		return more;
	}

	#take(buffer: Buffer, length: number, reused: boolean): boolean {
		this.bytes += length;
		let more: boolean;
		if (this.guard === null) {
			this.lastData = this.owner.clock.now;
			this.meter.scan(buffer, 0, length);
			more = this.peer.write(buffer, 0, length, reused ? this.#reader : undefined);
		} else {
			more = this.guard.receive(this, buffer, length, reused ? this.#reader : undefined);
		}
		if (this.meter.closeCode !== 0 && !this.#closeTold) {
			this.#closeTold = true;
			this.owner.closeSeen(this);
		}
		return more;
	}

	/**
	 * Writes bytes of the other leg to this one. `reader` is given when the bytes stand in its reused buffer.
	 * Returns false when this leg is too slow and the other one must not be read for now.
	 */
	write(buffer: Buffer, start: number, end: number, reader: Reader | undefined): boolean {
		if (this.muted || this.finished || this.socket.destroyed || start === end) return true;
		const view = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
		let more: boolean;
		if (reader !== undefined && this.#encrypted) {
			// TLS writes finish later, always: a copy of these bytes is cheaper than giving the whole buffer away.
			more = this.socket.write(Buffer.from(view));
		} else {
			more = this.socket.write(view);
			if (reader !== undefined && this.socket.writableLength !== 0) reader.keepBuffer();
		}
		if (!more) this.owner.paused(this.peer);
		return more;
	}

	/** Whether a frame of ours may be written to this leg now: what it was sent ends at a frame boundary. */
	get writableBoundary(): boolean {
		const source = this.peer;
		return source.meter.atBoundary || (source.guard?.holding ?? false);
	}

	/**
	 * Writes a frame of ours at the next boundary: now, or when the frame under way has passed. A Close takes the
	 * place of anything that waits and mutes the leg.
	 */
	writeControl(frame: Buffer, isClose: boolean): void {
		if (this.muted || this.finished || this.socket.destroyed || this.pendingClose) return;
		if (this.writableBoundary) {
			this.muted = isClose;
			this.pendingControl = null;
			this.socket.write(frame);
			return;
		}
		this.pendingControl = frame;
		this.pendingClose = isClose;
		this.peer.watchFrames();
	}

	/** Writes what waits; called by the guard at a boundary. */
	flushControl(): void {
		const frame = this.pendingControl;
		if (frame === null) return;
		const isClose = this.pendingClose;
		this.pendingControl = null;
		this.pendingClose = false;
		this.writeControl(frame, isClose);
		if (isClose && this.meter.closeCode !== 0) this.finish();
	}

	/** Takes this leg's stream to the slow path until the guard has no more reason to look. */
	watchFrames(): void {
		this.guard ??= new Guard(this.meter);
	}

	/** FIN after what is queued. */
	finish(): void {
		if (this.finished) return;
		this.finished = true;
		this.socket.end();
	}

	/** Ends the socket as soon as what is queued was taken, without waiting for an answer. */
	abandon(): void {
		this.finished = true;
		this.socket.destroySoon();
	}

	/** Gives the socket up: with RST where its kind can, so that the peer does not take a cut stream for a whole one. */
	reset(): void {
		if (this.socket.destroyed) return;
		if (this.#encrypted || this.socket.remoteAddress === undefined) this.socket.destroy();
		else this.socket.resetAndDestroy();
	}

	#stop(): void {
		this.#stopped = true;
		this.socket.pause();
	}

	/** The other leg has taken what was waiting. */
	resume(): void {
		if (!this.#stopped) return;
		this.#stopped = false;
		if (!this.socket.destroyed) this.socket.resume();
	}

	#gone(): void {
		if (this.closed) return;
		this.closed = true;
		this.#reader?.detach();
		this.owner.gone(this);
	}

	/** For the socket's listeners, which are shared functions. */
	static gone(leg: Leg): void {
		leg.#gone();
	}
}

function onError(): void {
	// `close` follows and says it: with neither FIN nor Close before it the leg was reset.
}

function onEnd(this: LegSocket): void {
	const leg = this[LEG];
	if (!leg || leg.ended) return;
	leg.ended = true;
	leg.owner.ended(leg);
}

function onClose(this: LegSocket): void {
	const leg = this[LEG];
	if (leg) Leg.gone(leg);
}

function onDrain(this: LegSocket): void {
	const leg = this[LEG];
	if (!leg) return;
	leg.lastLife = leg.owner.clock.now;
	leg.peer.resume();
}
