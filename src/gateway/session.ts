/** What a client has open, whatever it is: a WebSocket tunnel, a plain HTTP exchange, a connection to a hub. */
import type { Leases } from "../policy/leases.ts";
import type { TokenNames } from "../policy/revocations.ts";
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import type { Termination } from "../tunnel/report.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { ConnectionFacts, GatewayEvents } from "./events.ts";
import type { Route } from "./snapshot.ts";

/** Who a session belongs to: it enters when it opens, leaves when it ends, and reports there. */
export interface Population {
	readonly events: GatewayEvents;
	/** Monotonic, ms. */
	readonly clock: () => number;
	added(session: Session): void;
	removed(session: Session): void;
}

/** What a session goes over to when the snapshot is swapped. */
export interface Place {
	readonly route: Route;
	/** Undefined where no backend is behind it. */
	readonly endpoint: Endpoint | undefined;
}

/** RFC 6455 §7.4.1. */
const POLICY_VIOLATION = 1008;

/**
 * One member of the population. Lists, filters, drains, reloads, revocations and the stop know nothing else of it. Each
 * kind has its own way to close, and reports its end exactly once.
 */
export abstract class Session {
	abstract readonly kind: "websocket" | "http";
	readonly facts: ConnectionFacts;
	/** Set once a route matched. A reload sets it to what the route has become. */
	route: Route | undefined;
	/** Set while it is open. */
	endpoint: Endpoint | undefined;
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

	protected readonly startedAt: number;
	readonly #population: Population;

	constructor(population: Population, facts: ConnectionFacts, startedAt: number) {
		this.#population = population;
		this.facts = facts;
		this.startedAt = startedAt;
	}

	/** A route has let it in. */
	admitted(route: Route, { leases, token }: Pick<Session, "leases" | "token">): void {
		this.route = route;
		this.leases = leases;
		this.token = token;
	}

	/** Since the request, in ms. */
	get age(): number {
		return this.#population.clock() - this.startedAt;
	}

	/** Whether it has opened and not ended. */
	abstract readonly isOpen: boolean;
	/** Whether its end has begun. */
	abstract readonly closing: boolean;
	/** Bytes and messages so far; in = from the client. */
	abstract readonly bytesIn: number;
	abstract readonly bytesOut: number;
	abstract readonly messagesIn: number;
	abstract readonly messagesOut: number;

	/** Ends it politely, as far as its kind can; false when its end had begun already. */
	abstract close(how: GatewayClose): boolean;

	/** Where it would go on in a route of another snapshot; undefined: nowhere. */
	placeIn(route: Route): Place | undefined {
		const upstream = route.upstreams.find(({ name }) => name === this.facts.upstream);
		const endpoint = upstream?.endpoints.find(({ id }) => id === this.endpoint?.id);
		return endpoint && { route, endpoint };
	}

	/** Cuts it off. */
	abstract destroy(termination: Termination): void;

	/** Ends it because the client may not stay: its permission was taken back. */
	evict(reason: string): void {
		this.close({ code: POLICY_VIOLATION, reason, termination: "killed" });
	}

	/** From here on it is listed and counted; to be called once. */
	protected enter(): void {
		this.#population.added(this);
	}

	/** To be called once after {@link enter}. */
	protected leave(): void {
		this.#population.removed(this);
	}

	protected get events(): GatewayEvents {
		return this.#population.events;
	}

	/** Monotonic, ms. */
	protected now(): number {
		return this.#population.clock();
	}
}

/** As durations stand in reports. */
export function round(milliseconds: number): number {
	return Math.round(milliseconds * 10) / 10;
}
