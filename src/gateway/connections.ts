/** The open connections of one gateway process, and those of them that are tunnels. */
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import type { TunnelLimit } from "../tunnel/limits-options.ts";
import type { Outcome, Side, Termination } from "../tunnel/report.ts";
import type { Tunnel, TunnelObserver } from "../tunnel/tunnel.ts";
import type { Lease, TunnelEnd } from "../upstreams/attempts/lease.ts";
import type { Attempt, ConnectionFacts, GatewayEvents } from "./events.ts";
import { tellInternalError } from "./internal-error.ts";
import { type Population, round, Session } from "./session.ts";
import { Traffic } from "./traffic.ts";

/** What a tunnel's end says about its endpoint; the other ends say nothing. */
const END: Partial<Record<Termination, TunnelEnd>> = { backend_drop: "dropped", normal: "closed" };

/** One WebSocket connection to a backend, from its 101 to its end: each is reported exactly once. */
export class Connection extends Session implements TunnelObserver {
	readonly kind = "websocket";
	/** Set while the tunnel is open. */
	tunnel: Tunnel | undefined;

	readonly #owner: Connections;
	#openedAt = 0;
	#lease: Lease | undefined;
	#reported = false;

	constructor(owner: Connections, facts: ConnectionFacts, startedAt: number) {
		super(owner, facts, startedAt);
		this.#owner = owner;
	}

	get isOpen(): boolean {
		const { tunnel } = this;
		return tunnel !== undefined && !(tunnel.client.closed && tunnel.backend.closed);
	}

	get closing(): boolean {
		return this.tunnel?.closing ?? false;
	}

	get bytesIn(): number {
		return this.tunnel?.client.bytes ?? 0;
	}

	get bytesOut(): number {
		return this.tunnel?.backend.bytes ?? 0;
	}

	get messagesIn(): number {
		return this.tunnel === undefined ? 0 : dataMessages(this.tunnel.client);
	}

	get messagesOut(): number {
		return this.tunnel === undefined ? 0 : dataMessages(this.tunnel.backend);
	}

	/** Ends it because of a mistake of ours. */
	failed(error: unknown): void {
		this.tunnel?.failed(error);
	}

	/** Its Close goes out at the next frame boundary. */
	close(how: GatewayClose): boolean {
		return this.tunnel?.close(how) ?? false;
	}

	destroy(termination: Termination): void {
		this.tunnel?.destroy(termination);
	}

	/** The 101 was written: from here on the connection is listed and counted. */
	opened(tunnel: Tunnel, lease: Lease, attempts: readonly Attempt[], connectMs: number): void {
		this.tunnel = tunnel;
		this.endpoint = lease.endpoint;
		this.#lease = lease;
		this.#openedAt = this.now();
		lease.opened();
		this.enter();
		this.events.open(this.facts, {
			attempts,
			handshake_ms: round(this.#openedAt - this.startedAt),
			connect_ms: round(connectMs),
		});
		this.leases?.watch({ close: (reason) => this.evict(reason) });
	}

	tunnelEnded(tunnel: Tunnel, outcome: Outcome): void {
		if (this.#reported) return;
		this.#reported = true;
		const { client, backend } = tunnel;
		this.leases?.release();
		this.#lease?.ended(END[outcome.termination] ?? "other");
		this.leave();
		this.#owner.traffic.ended(this);
		this.events.close(this.facts, {
			close_code: outcome.code,
			close_reason: outcome.reason,
			close_initiator: outcome.initiator,
			termination: outcome.termination,
			client_close_code: client.meter.closeCode || undefined,
			backend_close_code: backend.meter.closeCode || undefined,
			duration_ms: round(this.now() - this.#openedAt),
			bytes_in: this.bytesIn,
			bytes_out: this.bytesOut,
			messages_in: this.messagesIn,
			messages_out: this.messagesOut,
		});
	}

	tunnelPaused(_tunnel: Tunnel, side: Side): void {
		const direction = side === "client" ? "client_to_backend" : "backend_to_client";
		this.events.pause(this.facts.route ?? "", direction);
	}

	tunnelLimited(_tunnel: Tunnel, limit: TunnelLimit): void {
		this.events.limited(this.facts.route ?? "", limit);
	}

	tunnelFailed(_tunnel: Tunnel, error: unknown): void {
		const { connection_id, route, upstream } = this.facts;
		tellInternalError(this.events, error, { connection_id, route, upstream });
	}

	tunnelPonged(_tunnel: Tunnel, side: Side, seconds: number): void {
		if (side === "client") this.clientRtt = seconds * 1000;
		else this.backendRtt = seconds * 1000;
		this.events.pingRtt(this.facts.route ?? "", side, seconds);
	}
}

/** All open connections, and the running totals of the WebSocket ones that ended. */
export class Connections implements Population {
	readonly events: GatewayEvents;
	readonly clock: () => number;
	readonly traffic = new Traffic();
	readonly #open = new Map<string, Session>();
	readonly #emptyWaiters: (() => void)[] = [];
	readonly #nextSequence: () => number;

	/**
	 * @param clock monotonic, in ms
	 * @param nextSequence the place of a connection that opens, from 1 and rising
	 */
	constructor(events: GatewayEvents, clock: () => number, nextSequence: () => number = counting()) {
		this.events = events;
		this.clock = clock;
		this.#nextSequence = nextSequence;
	}

	/** Open connections of every kind. */
	get size(): number {
		return this.#open.size;
	}

	/** Open connections of every kind, in the order they opened. */
	list(): IterableIterator<Session> {
		return this.#open.values();
	}

	/** The WebSocket ones among {@link list}. */
	*tunnels(): IterableIterator<Connection> {
		for (const session of this.#open.values()) if (session instanceof Connection) yield session;
	}

	get(id: string): Session | undefined {
		return this.#open.get(id);
	}

	/** Resolves when no connection is open. */
	async empty(): Promise<void> {
		if (this.#open.size === 0) return;
		await new Promise<void>((resolve) => this.#emptyWaiters.push(resolve));
	}

	/** For {@link Session} only. */
	added(session: Session): void {
		session.sequence = this.#nextSequence();
		this.#open.set(session.facts.connection_id, session);
	}

	/** For {@link Session} only. */
	removed(session: Session): void {
		this.#open.delete(session.facts.connection_id);
		if (this.#open.size > 0) return;
		for (const resolve of this.#emptyWaiters.splice(0)) resolve();
	}
}

function dataMessages({ meter }: Tunnel["client"]): number {
	return meter.text + meter.binary;
}

function counting(): () => number {
	let last = 0;
	return () => ++last;
}
