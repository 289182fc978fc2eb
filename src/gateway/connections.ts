/** The connections of one gateway process: one `Connection` from the request to its last log line. */
import { ERRORS, type GatewayError } from "../errors.ts";
import type { Outcome, Side } from "../tunnel/report.ts";
import type { Tunnel, TunnelObserver } from "../tunnel/tunnel.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Attempt, ConnectionFacts, GatewayEvents } from "./events.ts";
import type { Route } from "./snapshot.ts";
import { Traffic } from "./traffic.ts";

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

	readonly #owner: Connections;
	readonly #startedAt: number;
	#openedAt = 0;
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
	opened(tunnel: Tunnel, endpoint: Endpoint, attempts: readonly Attempt[], connectMs: number): void {
		this.tunnel = tunnel;
		this.endpoint = endpoint;
		this.#openedAt = this.#owner.clock();
		endpoint.state.active++;
		this.#owner.added(this);
		this.#owner.events.open(this.facts, {
			attempts,
			handshake_ms: round(this.#openedAt - this.#startedAt),
			connect_ms: round(connectMs),
		});
	}

	/** It never opened. `status` is what the client was told, when that is not the error's own. */
	rejected(error: GatewayError, attempts: readonly Attempt[], backendStatus?: number): void {
		if (this.#reported) return;
		this.#reported = true;
		this.#owner.events.reject(this.facts, {
			status: backendStatus ?? ERRORS[error.code].status,
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
		(this.endpoint as Endpoint).state.active--;
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

	tunnelPonged(_tunnel: Tunnel, side: Side, seconds: number): void {
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

	/** `clock` is monotonic, in ms. */
	constructor(events: GatewayEvents, clock: () => number) {
		this.events = events;
		this.clock = clock;
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

function round(milliseconds: number): number {
	return Math.round(milliseconds * 10) / 10;
}
