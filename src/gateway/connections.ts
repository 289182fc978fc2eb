/** The connections of one gateway process: one `Connection` from the request to its last log line. */
import type { GatewayError } from "../errors.ts";
import type { Leases } from "../policy/leases.ts";
import type { TokenNames } from "../policy/revocations.ts";
import type { TunnelLimit } from "../tunnel/limits-options.ts";
import type { Outcome, Side, Termination } from "../tunnel/report.ts";
import type { Tunnel, TunnelObserver } from "../tunnel/tunnel.ts";
import type { Lease, TunnelEnd } from "../upstreams/attempts/lease.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Attempt, ConnectionFacts, GatewayEvents } from "./events.ts";
import { tellInternalError } from "./internal-error.ts";
import type { Route } from "./snapshot.ts";
import { Traffic } from "./traffic.ts";

/** What a tunnel's end says about its endpoint; the other ends say nothing. */
const END: Partial<Record<Termination, TunnelEnd>> = { backend_drop: "dropped", normal: "closed" };

/** RFC 6455 §7.4.1. */
const POLICY_VIOLATION = 1008;

/** One WebSocket connection. It opens or is rejected, and an open one closes: each is reported exactly once. */
export class Connection implements TunnelObserver {
	readonly facts: ConnectionFacts;
	/** Set once a route matched. */
	route: Route | undefined;
	/** Set while the tunnel is open. */
	endpoint: Endpoint | undefined;
	tunnel: Tunnel | undefined;
	/** Marked by a drain that has not ended. */
	draining = false;
	/** What the checks of the route want back at the end. */
	leases: Leases | undefined;
	/** By which names the client's token can be revoked. */
	token: TokenNames | undefined;
	/** Place in the order of opening, from 1; 0 = not opened yet. */
	sequence = 0;
	/** The last answer times of our Pings, ms; undefined = none yet. */
	clientRtt: number | undefined;
	backendRtt: number | undefined;

	readonly #owner: Connections;
	readonly #startedAt: number;
	#openedAt = 0;
	#lease: Lease | undefined;
	#reported = false;

	constructor(owner: Connections, facts: ConnectionFacts, startedAt: number) {
		this.#owner = owner;
		this.facts = facts;
		this.#startedAt = startedAt;
	}

	/** Since the request, in ms. */
	get age(): number {
		return this.#owner.clock() - this.#startedAt;
	}

	/** The 101 was written: from here on the connection is listed and counted. */
	opened(tunnel: Tunnel, lease: Lease, attempts: readonly Attempt[], connectMs: number): void {
		this.tunnel = tunnel;
		this.endpoint = lease.endpoint;
		this.#lease = lease;
		this.#openedAt = this.#owner.clock();
		lease.opened();
		this.#owner.added(this);
		this.#owner.events.open(this.facts, {
			attempts,
			handshake_ms: round(this.#openedAt - this.#startedAt),
			connect_ms: round(connectMs),
		});
		this.leases?.watch({ close: (reason) => this.evict(reason) });
	}

	/** Ends it because the client may not stay: its permission was taken back. */
	evict(reason: string): void {
		this.tunnel?.close({ code: POLICY_VIOLATION, reason, termination: "killed" });
	}

	/** It never opened. `status` is what the client was told, when that is not the error's own. */
	rejected(error: GatewayError, attempts: readonly Attempt[], backendStatus?: number): void {
		if (this.#reported) return;
		this.#reported = true;
		this.leases?.release();
		this.#owner.events.reject(this.facts, {
			status: backendStatus ?? error.status,
			code: error.code,
			backend_status: backendStatus,
			attempts,
			handshake_ms: round(this.age),
			message: error.message,
		});
	}

	tunnelEnded(tunnel: Tunnel, outcome: Outcome): void {
		if (this.#reported) return;
		this.#reported = true;
		const { client, backend } = tunnel;
		this.leases?.release();
		this.#lease?.ended(END[outcome.termination] ?? "other");
		this.#owner.removed(this);
		this.#owner.events.close(this.facts, {
			close_code: outcome.code,
			close_reason: outcome.reason,
			close_initiator: outcome.initiator,
			termination: outcome.termination,
			client_close_code: client.meter.closeCode || undefined,
			backend_close_code: backend.meter.closeCode || undefined,
			duration_ms: round(this.#owner.clock() - this.#openedAt),
			bytes_in: client.bytes,
			bytes_out: backend.bytes,
			messages_in: client.meter.text + client.meter.binary,
			messages_out: backend.meter.text + backend.meter.binary,
		});
	}

	tunnelPaused(_tunnel: Tunnel, side: Side): void {
		const direction = side === "client" ? "client_to_backend" : "backend_to_client";
		this.#owner.events.pause(this.facts.route ?? "", direction);
	}

	tunnelLimited(_tunnel: Tunnel, limit: TunnelLimit): void {
		this.#owner.events.limited(this.facts.route ?? "", limit);
	}

	tunnelFailed(_tunnel: Tunnel, error: unknown): void {
		const { connection_id, route, upstream } = this.facts;
		tellInternalError(this.#owner.events, error, { connection_id, route, upstream });
	}

	tunnelPonged(_tunnel: Tunnel, side: Side, seconds: number): void {
		if (side === "client") this.clientRtt = seconds * 1000;
		else this.backendRtt = seconds * 1000;
		this.#owner.events.pingRtt(this.facts.route ?? "", side, seconds);
	}
}

/** All open connections, and the running totals of those that ended. */
export class Connections {
	readonly events: GatewayEvents;
	readonly clock: () => number;
	readonly traffic = new Traffic();
	readonly #open = new Map<string, Connection>();
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

	/** Open tunnels. */
	get size(): number {
		return this.#open.size;
	}

	/** Open connections in the order they opened. */
	list(): IterableIterator<Connection> {
		return this.#open.values();
	}

	get(id: string): Connection | undefined {
		return this.#open.get(id);
	}

	/** Resolves when no tunnel is open. */
	async empty(): Promise<void> {
		if (this.#open.size === 0) return;
		await new Promise<void>((resolve) => this.#emptyWaiters.push(resolve));
	}

	/** For {@link Connection} only. */
	added(connection: Connection): void {
		connection.sequence = this.#nextSequence();
		this.#open.set(connection.facts.connection_id, connection);
	}

	/** For {@link Connection} only. */
	removed(connection: Connection): void {
		this.#open.delete(connection.facts.connection_id);
		this.traffic.ended(connection);
		if (this.#open.size > 0) return;
		for (const resolve of this.#emptyWaiters.splice(0)) resolve();
	}
}

function counting(): () => number {
	let last = 0;
	return () => ++last;
}

function round(milliseconds: number): number {
	return Math.round(milliseconds * 10) / 10;
}
