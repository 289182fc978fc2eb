/**
 * A tunnel: two legs after the 101, until both are closed. It decides what each side is told when the other ends
 * (CONFIG §7), runs the idle, lifetime, ping and close times, and reports exactly once.
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { closePayload, controlFrame, OPCODE } from "../protocol/frames.ts";
import { pingFrame } from "./keepalive.ts";
import { Leg, type LegOwner } from "./leg.ts";
import type { Outcome, Side, Termination } from "./report.ts";
import type { TimerWheel, WheelEntry } from "./wheel.ts";

/** What a route says about its tunnels; shared by all of them. Times in ms, Infinity = off. */
export interface TunnelOptions {
	readonly idle: number;
	readonly lifetime: number;
	/** How long a side has to answer a Close, or to end after one. */
	readonly close: number;
	readonly pingInterval: number;
	readonly pingTimeout: number;
	readonly pingClient: boolean;
	readonly pingBackend: boolean;
	/** The code for the client when the backend is lost. */
	readonly backendLostCode: number;
}

/** Who is told about the tunnel's life. */
export interface TunnelObserver {
	/** Both sides are closed; called exactly once. */
	tunnelEnded(tunnel: Tunnel, outcome: Outcome): void;
	/** Reading from `side` stopped because the other side is slow. */
	tunnelPaused(tunnel: Tunnel, side: Side): void;
	/** Our Ping to `side` was answered after `seconds`. */
	tunnelPonged(tunnel: Tunnel, side: Side, seconds: number): void;
}

/** What the gateway tells both sides when it ends a tunnel itself. */
export interface GatewayClose {
	/** Close code for the client; the backend gets 1001. */
	readonly code: number;
	readonly reason: string;
	readonly termination: Termination;
}

/** Told to a backend whatever the client is told (CONFIG §7). */
const GOING_AWAY = 1001;
const NO_CLOSE_FRAME = 1006;

export class Tunnel implements LegOwner, WheelEntry {
	readonly client: Leg;
	readonly backend: Leg;
	readonly options: TunnelOptions;
	readonly clock: TimerWheel;
	/** When the tunnel opened (coarse ms). */
	readonly openedAt: number;

	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;

	readonly #observer: TunnelObserver;
	#outcome: Outcome | undefined;
	/** Since when the tunnel is ending (coarse ms); 0 = it is open. */
	#closingSince = 0;

	constructor(client: Socket, backend: Socket, options: TunnelOptions, wheel: TimerWheel, observer: TunnelObserver) {
		this.options = options;
		this.clock = wheel;
		this.#observer = observer;
		this.openedAt = wheel.now;
		this.client = new Leg("client", client, this);
		this.backend = new Leg("backend", backend, this);
		this.client.peer = this.backend;
		this.backend.peer = this.client;
	}

	/** Starts both directions. `fromClient` and `fromBackend` came before the tunnel was there. */
	start(fromClient: readonly Buffer[], fromBackend: readonly Buffer[]): void {
		this.clock.schedule(this, this.#nextDeadline());
		this.backend.start(fromBackend);
		this.client.start(fromClient);
	}

	/** Whether the tunnel is on its way to its end. */
	get closing(): boolean {
		return this.#closingSince !== 0;
	}

	/**
	 * Ends the tunnel from the gateway: a Close to each side at its next frame boundary, then up to `close` for the
	 * echoes. Returns false when it is ending already.
	 */
	close(told: GatewayClose): boolean {
		if (this.closing) return false;
		this.#decide({ code: told.code, reason: told.reason, initiator: "gateway", termination: told.termination });
		this.#tell(this.client, told.code, told.reason);
		this.#tell(this.backend, GOING_AWAY, told.reason);
		return true;
	}

	/** Ends both sides at once, without a Close. */
	destroy(termination: Termination): void {
		this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: "gateway", termination });
		this.client.socket.destroy();
		this.backend.socket.destroy();
	}

	// What the legs tell.

	closeSeen(leg: Leg): void {
		const { closeCode, closeReason } = leg.meter;
		this.#decide({ code: closeCode, reason: closeReason, initiator: leg.side, termination: "normal" });
		// The answer to our own Close: that side is done.
		if (leg.muted) leg.finish();
	}

	ended(leg: Leg): void {
		const { peer } = leg;
		if (!this.closing) {
			this.#decideDrop(leg);
			this.#tellDropped(peer);
		}
		// A direction that ended inside a frame has no boundary for a Close: the peer sees the same cut as we did.
		peer.finish();
		// Otherwise this leg stays writable: the other side's late Close reply still belongs to it.
		if (leg.muted) leg.finish();
	}

	gone(leg: Leg): void {
		const { peer } = leg;
		if (!leg.ended) {
			const boundary = peer.writableBoundary;
			if (!this.closing) {
				this.#decideDrop(leg);
				if (boundary) this.#tellDropped(peer);
			}
			if (boundary || peer.muted) peer.finish();
			else peer.reset();
		} else {
			peer.finish();
		}
		if (this.client.closed && this.backend.closed) this.#finish();
	}

	paused(leg: Leg): void {
		this.#observer.tunnelPaused(this, leg.side);
	}

	ponged(leg: Leg): void {
		if (leg.pingSentAt === 0) return;
		leg.pingSentAt = 0;
		this.#observer.tunnelPonged(this, leg.side, (performance.now() - leg.pingStartedAt) / 1000);
	}

	// Time.

	/** Called by the wheel. */
	expire(now: number): number {
		if (this.closing) {
			if (now >= this.#closeDeadline()) {
				this.client.reset();
				this.backend.reset();
				return Number.POSITIVE_INFINITY;
			}
			return this.#closeDeadline();
		}
		const { options } = this;
		if (now >= this.openedAt + options.lifetime) {
			this.close({ code: GOING_AWAY, reason: "connection lifetime is over", termination: "lifetime" });
		} else if (now >= this.#lastData() + options.idle) {
			this.close({ code: GOING_AWAY, reason: "idle for too long", termination: "idle_timeout" });
		} else {
			if (options.pingClient) this.#keepAlive(this.client, now);
			if (options.pingBackend && !this.closing) this.#keepAlive(this.backend, now);
		}
		return this.#nextDeadline();
	}

	#keepAlive(leg: Leg, now: number): void {
		const { options } = this;
		const life = Math.max(leg.lastData, leg.lastLife);
		if (leg.pingSentAt !== 0) {
			if (life >= leg.pingSentAt) leg.pingSentAt = 0;
			else if (now >= leg.pingSentAt + options.pingTimeout) this.#dead(leg);
			return;
		}
		if (now < life + options.pingInterval || !leg.writableBoundary) return;
		leg.pingSentAt = now;
		leg.pingStartedAt = performance.now();
		leg.watchFrames();
		leg.writeControl(pingFrame(leg.side, ++leg.pingCount), false);
	}

	/** The leg did not answer a Ping. Nothing is expected of it any more; the other side gets its time to say goodbye. */
	#dead(leg: Leg): void {
		const reason = `ping timeout: the ${leg.side} did not answer`;
		this.close({ code: GOING_AWAY, reason, termination: "ping_timeout" });
		leg.abandon();
	}

	#lastData(): number {
		return Math.max(this.client.lastData, this.backend.lastData);
	}

	#closeDeadline(): number {
		// A Close of the gateway's is a strict deadline. Peers that close by themselves may finish what is on its way.
		const since =
			this.#outcome?.initiator === "gateway" ? this.#closingSince : Math.max(this.#closingSince, this.#lastData());
		return since + this.options.close;
	}

	#nextDeadline(): number {
		if (this.closing) return this.#closeDeadline();
		const { options } = this;
		let next = Math.min(this.openedAt + options.lifetime, this.#lastData() + options.idle);
		if (options.pingClient) next = Math.min(next, this.#nextPing(this.client));
		if (options.pingBackend) next = Math.min(next, this.#nextPing(this.backend));
		return next;
	}

	#nextPing(leg: Leg): number {
		if (leg.pingSentAt !== 0) return leg.pingSentAt + this.options.pingTimeout;
		const due = Math.max(leg.lastData, leg.lastLife) + this.options.pingInterval;
		// Overdue because there was no boundary to write at: look again soon, not in every tick.
		return due > this.clock.now ? due : this.clock.now + Math.min(this.options.pingInterval, 1_000);
	}

	// The end.

	/** The first cause wins; from here on the close time runs. */
	#decide(outcome: Outcome): void {
		if (this.closing) return;
		this.#outcome = outcome;
		this.#closingSince = Math.max(this.clock.now, 1);
		this.clock.schedule(this, this.#closeDeadline());
	}

	#decideDrop(leg: Leg): void {
		const termination = leg.side === "client" ? "client_drop" : "backend_drop";
		this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: leg.side, termination });
	}

	/** Tells `survivor` that the other side is gone. */
	#tellDropped(survivor: Leg): void {
		if (survivor.side === "client") this.#tell(survivor, this.options.backendLostCode, "backend connection lost");
		else this.#tell(survivor, GOING_AWAY, "client connection lost");
	}

	#tell(leg: Leg, code: number, reason: string): void {
		const mask = leg.side === "backend" ? randomBytes(4) : undefined;
		leg.writeControl(controlFrame(OPCODE.close, closePayload(code, reason), mask), true);
	}

	#finish(): void {
		this.clock.cancel(this);
		this.#observer.tunnelEnded(this, this.#outcome as Outcome);
	}
}
