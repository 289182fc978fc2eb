/**
 * A tunnel: two legs after the 101, until both are closed. It decides what each side is told when the other ends
 * (docs/lifecycle.md), runs the idle, lifetime, ping and close times, and reports exactly once.
 */
import type { Socket } from "node:net";
import { OFF } from "../options.ts";
import { type GatewayClose, GOING_AWAY, tell, tellBoth, tellLost } from "./gateway-close.ts";
import { keepAlive, nextPing } from "./keepalive.ts";
import { Leg } from "./leg.ts";
import type { LegOwner } from "./leg-owner.ts";
import { EXCEEDED, installLimits } from "./limits-install.ts";
import type { FrameLimit } from "./limits-options.ts";
import { NO_CLOSE_FRAME, type Outcome, type Termination } from "./report.ts";
import type { TunnelObserver } from "./tunnel-observer.ts";
import type { TunnelOptions } from "./tunnel-options.ts";
import type { TimerWheel, WheelEntry } from "./wheel.ts";

export type { TunnelObserver } from "./tunnel-observer.ts";
export type { TunnelOptions } from "./tunnel-options.ts";

/** The client did what it must not do (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008;
/** Silence before TCP keep-alive probes start. */
const KEEP_ALIVE_DELAY_MS = 60_000;

export class Tunnel implements LegOwner, WheelEntry {
	readonly client: Leg;
	readonly backend: Leg;
	readonly options: TunnelOptions;
	readonly clock: TimerWheel;
	/** When the tunnel opened (coarse ms). */
	readonly openedAt: number;

	/** When the client's permission runs out (coarse ms); set before the start. */
	expiresAt = Number.POSITIVE_INFINITY;

	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;

	readonly #observer: TunnelObserver;
	#outcome: Outcome | undefined;
	/** From when the time for the end is counted (coarse ms); 0 = it is open. */
	#closingSince = 0;
	/** When it has to be over, whatever the peers still send. */
	#cutAt = Number.POSITIVE_INFINITY;

	constructor(client: Socket, backend: Socket, options: TunnelOptions, wheel: TimerWheel, observer: TunnelObserver) {
		this.options = options;
		this.clock = wheel;
		this.#observer = observer;
		this.openedAt = wheel.refresh();
		this.client = new Leg("client", client, this);
		this.backend = new Leg("backend", backend, this);
		this.client.peer = this.backend;
		this.backend.peer = this.client;
		// Where no Pings of ours do, probes of the kernel find a peer that is gone. Each costs four system calls to set up.
		if (!options.pingClient || options.pingInterval === OFF) client.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
		if (!options.pingBackend || options.pingInterval === OFF) backend.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
		if (options.limits !== undefined) installLimits(this, options.limits, options.close, wheel);
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
	 * echoes. When the peers are ending it already, this only bounds how long they may take, and returns false.
	 */
	close(told: GatewayClose): boolean {
		const { client, backend, options } = this;
		const { now } = this.clock;
		const { code, reason, termination, patience } = told;
		if (this.closing) {
			const waits = client.pendingClose || backend.pendingClose;
			this.#cutAt = Math.min(this.#cutAt, now + (waits && patience ? patience : options.close));
			this.clock.schedule(this, this.#closeDeadline());
			return false;
		}
		this.#cutAt = now + (patience ?? options.close);
		this.#decide({ code, reason, initiator: "gateway", termination });
		if (tellBoth(client, backend, told) && patience) {
			this.#closingSince += Math.max(patience - options.close, 0);
			this.clock.schedule(this, this.#closeDeadline());
		}
		client.limits?.lift();
		backend.limits?.lift();
		return true;
	}

	/** Ends both sides at once, without a Close: with FIN between two frames, with RST inside one. */
	destroy(termination: Termination): void {
		this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: "gateway", termination });
		this.client.expire();
		this.backend.expire();
	}

	/** Ends it because of a mistake of ours, which costs nobody else his connection. Also called by the wheel. */
	failed(error: unknown): void {
		this.#observer.tunnelFailed(this, error);
		this.destroy("internal_error");
		if (this.client.closed && this.backend.closed) this.#finish();
	}

	// What the legs tell.

	closeSeen(leg: Leg): void {
		const { closeCode, closeReason } = leg.meter;
		this.#decide({ code: closeCode, reason: closeReason, initiator: leg.side, termination: "normal" });
		// The answer to our own Close: that side is done.
		if (leg.muted) leg.finish();
	}

	closeWritten(): void {
		this.#closingSince = Math.max(this.clock.now, 1);
		this.clock.schedule(this, this.#closeDeadline());
	}

	renegotiated(leg: Leg): void {
		const reason = `the ${leg.side} asked to renegotiate TLS`;
		this.close({ code: POLICY_VIOLATION, reason, termination: "protocol_error" });
		leg.socket.destroy();
	}

	ended(leg: Leg): void {
		const { peer } = leg;
		if (!this.closing) {
			this.#decideLost(leg, leg.meter.atBoundary && leg.side === "backend" ? "backend_end" : undefined);
			tellLost(peer, this.options);
		}
		leg.releaseClose();
		peer.releaseClose();
		// A direction that ended inside a frame has no boundary for a Close: the peer sees the same cut as we did.
		peer.finish();
		// Otherwise this leg stays writable: the other side's late Close reply still belongs to it.
		if (leg.muted) leg.finish();
	}

	gone(leg: Leg): void {
		const { peer } = leg;
		if (!leg.ended && !this.closing) {
			this.#decideLost(leg);
			if (peer.writableBoundary) tellLost(peer, this.options);
		}
		peer.releaseClose();
		// A reset is passed on as one, unless all that this side had to say is said.
		if (leg.ended || peer.muted || leg.meter.closeCode !== 0) peer.finish();
		else peer.reset();
		if (this.client.closed && this.backend.closed) this.#finish();
	}

	paused(leg: Leg): void {
		this.#observer.tunnelPaused(this, leg.side);
		const { slowReader } = leg.peer;
		if (slowReader === null || this.closing || !slowReader.blocked(this.clock.now)) return;
		if (slowReader.deadline < this.wheelAt) this.clock.schedule(this, slowReader.deadline);
	}

	ponged(leg: Leg, count: number): void {
		// A peer may leave out the answers to all Pings but the last one (RFC 6455 §5.5.3).
		if (count !== leg.pingCount || leg.pingsOpen === 0) return;
		leg.pingsOpen = 0;
		if (leg.pingSentAt === 0) return;
		leg.pingSentAt = 0;
		this.#observer.tunnelPonged(this, leg.side, (performance.now() - leg.pingStartedAt) / 1000);
		// It was waited for up to `pingTimeout`; the next Ping may be due before.
		if (!this.closing) this.clock.schedule(this, this.#nextDeadline());
	}

	exceeded(leg: Leg, limit: FrameLimit): void {
		const { peer } = leg;
		const { code, reason } = EXCEEDED[limit];
		this.#observer.tunnelLimited(this, limit);
		if (!this.closing) {
			this.#decide({ code, reason, initiator: "gateway", termination: "limit" });
			tell(leg, code, reason);
		}
		// Somebody may have said goodbye already: then only nothing more may pass.
		if (leg.meter.closeCode === 0) tell(peer, GOING_AWAY, reason);
		peer.muted = true;
		if (peer.meter.closeCode !== 0) peer.finish();
		peer.limits?.lift();
	}

	delayed(_leg: Leg, limit: FrameLimit): void {
		this.#observer.tunnelLimited(this, limit);
	}

	#tooSlow(leg: Leg): void {
		this.#observer.tunnelLimited(this, "max_buffered");
		const code = this.options.limits?.overloadCode ?? GOING_AWAY;
		this.close({ code, reason: `the ${leg.side} does not read fast enough`, termination: "slow_consumer" });
	}

	// Time.

	/** Called by the wheel. */
	expire(now: number): number {
		if (this.closing) {
			if (now >= this.#closeDeadline()) {
				this.client.expire();
				this.backend.expire();
				return Number.POSITIVE_INFINITY;
			}
			return this.#closeDeadline();
		}
		const { options } = this;
		if (now >= this.openedAt + options.lifetime) {
			this.close({ code: GOING_AWAY, reason: "connection lifetime is over", termination: "lifetime" });
		} else if (now >= this.expiresAt) {
			this.close({ code: options.authExpiredCode, reason: "token expired", termination: "auth_expired" });
		} else if (now >= this.#lastData() + options.idle) {
			this.close({ code: GOING_AWAY, reason: "idle for too long", termination: "idle_timeout" });
		} else if (this.client.slowReader?.tooSlow(now)) {
			this.#tooSlow(this.client);
		} else if (this.backend.slowReader?.tooSlow(now)) {
			this.#tooSlow(this.backend);
		} else {
			if (options.pingClient && !keepAlive(this.client, options, now)) this.#dead(this.client);
			if (options.pingBackend && !this.closing && !keepAlive(this.backend, options, now)) this.#dead(this.backend);
		}
		return this.#nextDeadline();
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

	/**
	 * Peers that close by themselves may finish what is on its way: data moves the deadline, but only from a side that
	 * has not closed yet and was not asked to, and never beyond the lifetime or the client's permission.
	 */
	#closeDeadline(): number {
		const { close, lifetime } = this.options;
		let since = this.#closingSince;
		for (const leg of [this.client, this.backend]) {
			if (!leg.goodbye) since = Math.max(since, leg.lastData);
		}
		const latest = Math.max(Math.min(this.openedAt + lifetime, this.expiresAt), this.#closingSince) + close;
		return Math.min(since + close, latest, this.#cutAt);
	}

	#nextDeadline(): number {
		if (this.closing) return this.#closeDeadline();
		const { options } = this;
		let next = Math.min(this.openedAt + options.lifetime, this.expiresAt, this.#lastData() + options.idle);
		if (options.pingClient) next = Math.min(next, nextPing(this.client, options, this.clock.now));
		if (options.pingBackend) next = Math.min(next, nextPing(this.backend, options, this.clock.now));
		const { client, backend } = this;
		if (client.slowReader && backend.slowReader) {
			next = Math.min(next, client.slowReader.deadline, backend.slowReader.deadline);
		}
		return next;
	}

	// The end.

	/** The first cause wins; from here on the close time runs. */
	#decide(outcome: Outcome): void {
		if (this.closing) return;
		this.#outcome = outcome;
		this.#closingSince = Math.max(this.clock.now, 1);
		this.clock.schedule(this, this.#closeDeadline());
	}

	/** The leg ended without a Close. */
	#decideLost({ side }: Leg, termination: Termination = side === "client" ? "client_drop" : "backend_drop"): void {
		this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: side, termination });
	}

	#finish(): void {
		this.clock.cancel(this);
		this.#observer.tunnelEnded(this, this.#outcome as Outcome);
	}
}
