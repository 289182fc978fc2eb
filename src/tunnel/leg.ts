/**
 * One side of a tunnel: its socket, what is read from it (metered, then written to the other leg) and what the
 * gateway itself writes to it. `receive` is the hot path: a message costs a header scan and a write.
 */
import type { Socket } from "node:net";
import { Guard } from "./guard.ts";
import { listenToSocket } from "./leg-events.ts";
import type { LegOwner } from "./leg-owner.ts";
import type { FrameLimits } from "./limits.ts";
import type { SlowReader } from "./limits-slow-reader.ts";
import { Meter } from "./meter.ts";
import { Reader } from "./reader.ts";
import type { Side } from "./report.ts";
import { Writer } from "./writer.ts";

export class Leg {
	readonly side: Side;
	readonly socket: Socket;
	readonly owner: LegOwner;
	/** The other side; set once by the tunnel before anything is read. */
	peer!: Leg;
	readonly meter = new Meter();
	readonly writer: Writer;
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

	/** What may come from this leg; null = anything. */
	limits: FrameLimits | null = null;
	/** Whether this leg takes its bytes fast enough; null = not watched. */
	slowReader: SlowReader | null = null;
	/** Looks at frames one by one while there is a reason to; null on the fast path. */
	guard: Guard | null = null;
	/** A frame of ours for this leg that waits for a boundary in the other leg's stream. */
	pendingControl: Buffer | null = null;
	/** Whether {@link pendingControl} is a Close; `held`: it follows the one of the other leg, whatever boundaries there are. */
	pendingClose: boolean | "held" = false;

	/** When our unanswered Ping was written (coarse ms); 0 = none. */
	pingSentAt = 0;
	/** The same on the fine clock, for the round-trip time. */
	pingStartedAt = 0;
	pingCount = 0;

	/** Pings of ours that can still be answered; the guard looks out for the answers. */
	pingsOpen = 0;

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
		this.writer = new Writer(socket, this);
		// Without it a FIN from one side would make Node answer with FIN at once and lose the late Close reply.
		socket.allowHalfOpen = true;
		listenToSocket(this);
	}

	/** Begins to read. `early` holds bytes that came before the tunnel was there, in order. */
	start(early: readonly Buffer[]): void {
		let more = true;
		for (const chunk of early) more = this.#take(chunk, chunk.length, false) && more;
		for (let chunk = this.socket.read(); chunk !== null; chunk = this.socket.read()) {
			more = this.#take(chunk, chunk.length, false) && more;
		}
		if (this.socket.destroyed) {
			this.gone();
			return;
		}
		this.#reader = new Reader(this.socket, this);
		if (this.socket.readableEnded) this.endRead();
		if (!more) this.#stop();
	}

	/** The hot path; called by the reader for every read. */
	receive(buffer: Buffer, length: number, reused: boolean): boolean {
		try {
			const more = this.#take(buffer, length, reused);
			if (!more) this.#stopped = true;
			return more;
		} catch (error) {
			this.owner.failed(error);
			return false;
		}
	}

	#take(buffer: Buffer, length: number, reused: boolean): boolean {
		this.bytes += length;
		return this.limits === null ? this.pass(buffer, length, reused) : this.limits.receive(buffer, length, reused);
	}

	/** Meters bytes of this leg and writes them to the other one; see {@link write} for `reused` and the result. */
	pass(buffer: Buffer, length: number, reused: boolean): boolean {
		let more: boolean;
		if (this.guard === null) {
			this.lastData = this.owner.clock.now;
			this.meter.scan(buffer, 0, length);
			more = this.peer.write(buffer, 0, length, reused);
		} else {
			more = this.guard.receive(this, buffer, length, reused);
		}
		if (this.meter.closeCode !== 0 && !this.#closeTold) {
			this.#closeTold = true;
			this.owner.closeSeen(this);
		}
		// Whoever takes nothing any more will not say that it is ready for more.
		return more || this.peer.silent;
	}

	/**
	 * Writes bytes of the other leg to this one. `reused`: they stand in a buffer that the next read overwrites.
	 * Returns false when this leg is too slow and the other one must not be read for now.
	 */
	write(buffer: Buffer, start: number, end: number, reused: boolean): boolean {
		if (this.silent || start === end || this.writer.write(buffer, start, end, reused)) return true;
		// A write that failed at once returns false too, and no `drain` follows it.
		if (this.socket.destroyed) return true;
		this.owner.paused(this.peer);
		return false;
	}

	/** Whether this side has closed, or was asked to: data from it is no reason to wait any longer. */
	get goodbye(): boolean {
		return this.ended || this.muted || this.pendingClose !== false || this.meter.closeCode !== 0;
	}

	/** Whether nothing of the other side is written to this leg any more. */
	get silent(): boolean {
		return this.muted || this.finished || this.writer.closed;
	}

	/** Whether a frame of ours may be written to this leg now: what it was sent ends at a frame boundary. */
	get writableBoundary(): boolean {
		const source = this.peer;
		return source.meter.atBoundary || (source.guard?.holding ?? false);
	}

	/**
	 * Writes a frame of ours at the next boundary: now, or when the frame under way has passed. A Close takes the
	 * place of anything that waits and mutes the leg; an empty one stands for the end without a Close frame.
	 */
	writeControl(frame: Buffer, isClose: boolean): void {
		if (this.muted || this.finished || this.socket.destroyed || this.pendingClose) return;
		if (this.writableBoundary) {
			this.muted = isClose;
			this.pendingControl = null;
			if (frame.length > 0) this.writer.append(frame);
			else this.finish();
			// What still comes for a muted leg needs no room in it, and the answer to the Close is behind it.
			if (isClose) this.peer.resume();
			return;
		}
		this.pendingControl = frame;
		this.pendingClose = isClose;
		this.peer.watchFrames();
	}

	/** As {@link writeControl} with a Close, but not before the Close that waits for the other leg is written. */
	holdClose(frame: Buffer): void {
		if (this.muted || this.finished || this.socket.destroyed || this.pendingClose) return;
		this.pendingControl = frame;
		this.pendingClose = "held";
	}

	/** What a held Close was waiting for has happened, or cannot happen any more. */
	releaseClose(): void {
		if (this.pendingClose !== "held") return;
		// The other side may have closed by itself meanwhile.
		this.pendingClose = this.peer.meter.closeCode === 0;
		if (this.pendingClose) this.flushControl();
		else this.pendingControl = null;
	}

	/** Writes what waits; called by the guard at a boundary. */
	flushControl(): void {
		const frame = this.pendingControl;
		if (frame === null || this.pendingClose === "held") return;
		const isClose = this.pendingClose;
		this.pendingControl = null;
		this.pendingClose = false;
		this.writeControl(frame, isClose);
		if (!isClose || !this.muted) return;
		if (this.meter.closeCode !== 0) this.finish();
		this.owner.closeWritten();
		this.peer.releaseClose();
	}

	/** Takes this leg's stream to the slow path until the guard has no more reason to look. */
	watchFrames(): void {
		this.guard ??= new Guard(this.meter);
	}

	/** FIN after what is queued. */
	finish(): void {
		if (this.finished) return;
		this.finished = true;
		this.writer.end(this.ended);
	}

	/** Ends the socket as soon as what is queued was taken, without waiting for an answer. */
	abandon(): void {
		this.finished = true;
		this.socket.destroySoon();
		// An ending socket does not say `drain`.
		this.peer.resume();
	}

	/**
	 * Gives the socket up when its time is over. A stream that ends with a Close or between two frames only has to be
	 * delivered by the kernel, which a reset would forbid.
	 */
	expire(): void {
		const whole = this.muted || this.peer.meter.closeCode !== 0 || this.writableBoundary;
		if (whole && this.socket.writableLength === 0) this.socket.destroy();
		else this.reset();
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

	/** Nothing is read from this leg at the moment, so nothing can be concluded from its silence. */
	get stopped(): boolean {
		return this.#stopped;
	}

	/** The other leg has taken what was waiting or takes nothing any more, or the limits have room again. */
	resume(): void {
		if (!this.#stopped || this.limits?.waiting) return;
		this.#stopped = false;
		if (!this.socket.destroyed) this.socket.resume();
	}

	/** What was waiting for this leg has been taken. */
	drained(): void {
		this.lastLife = this.owner.clock.now;
		this.slowReader?.unblocked(this.lastLife);
		this.peer.resume();
	}

	/** FIN was read; what came before it may still wait for the limits. */
	endRead(): void {
		if (!this.limits?.holdsEnd()) this.end();
	}

	/** FIN was read, and all that came before it was passed on. */
	end(): void {
		if (this.ended) return;
		this.ended = true;
		this.owner.ended(this);
	}

	/** The peer asked to renegotiate TLS. */
	renegotiated(): void {
		this.owner.renegotiated(this);
	}

	/** The socket is closed. */
	gone(): void {
		if (this.closed) return;
		this.closed = true;
		this.limits?.stop();
		this.#reader?.detach();
		this.peer.resume();
		this.owner.gone(this);
	}
}
