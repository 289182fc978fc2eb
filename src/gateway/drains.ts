/** The drains of one gateway process, running and lately ended, for whoever wants to see how far they are. */
import type { DrainConfig } from "../config/schema.ts";
import { tunnelCloseCode } from "../config/values.ts";
import type { Termination } from "../tunnel/report.ts";
import { Drain } from "./drain.ts";
import type { GatewayEvents } from "./events.ts";
import type { Session } from "./session.ts";

/** Ended drains that are still listed. */
const MAX_ENDED = 20;
/** How long a drain looks out for handshakes that were under way: longer than any should take, ms. */
const LATE_MS = 60_000;

export interface DrainRequest {
	/** What is drained, in words: `route chat`, `endpoint 10.0.1.10:8080`, `gateway`. */
	readonly target: string;
	readonly connections: Iterable<Session>;
	readonly policy: DrainConfig;
	readonly termination: Termination;
	/** Also takes connections that another drain has taken already. */
	readonly takesOver?: boolean;
	/** Also takes those of these whose handshake was under way when it began, as soon as they are open. */
	readonly late?: (connection: Session) => boolean;
}

/** Who is told that a drain begins (`drain.start`) and ends (`drain.end`). */
export type DrainEvents = Pick<GatewayEvents, "notice">;

/** How far a drain is. */
export interface DrainProgress {
	readonly id: number;
	readonly target: string;
	readonly state: "running" | "done";
	readonly total: number;
	readonly remaining: number;
	readonly started_at: string;
	readonly spread_ms: number;
	readonly timeout_ms: number;
	/** 1006: they end without a Close frame. */
	readonly close_code: number;
}

interface Entry {
	readonly facts: Omit<DrainProgress, "state" | "remaining">;
	/** Absent when it has ended: it would keep its connections in memory. */
	drain: Drain | undefined;
}

/** A drain that looks out for handshakes that began before it. */
interface LookOut {
	/** `performance.now()` */
	readonly since: number;
	readonly request: DrainRequest;
}

export class Drains {
	readonly #events: DrainEvents;
	readonly #random: () => number;
	#entries: Entry[] = [];
	#lookOuts: LookOut[] = [];
	#lastId = 0;

	constructor(events: DrainEvents, random: () => number) {
		this.#events = events;
		this.#random = random;
	}

	/** Starts a drain. Connections that another drain has taken already stay with that one, unless it takes over. */
	start(request: DrainRequest): Drain {
		const { policy, termination, target, connections, takesOver = false } = request;
		if (request.late) this.#lookOuts.push({ since: performance.now(), request: { ...request, connections: [] } });
		const closeCode = tunnelCloseCode(policy.close_code);
		const taken = [...connections].filter((connection) => takesOver || !connection.draining);
		const drain = new Drain(taken, {
			spread: policy.spread,
			timeout: policy.timeout,
			closeCode,
			reason: policy.reason,
			termination,
			random: this.#random,
		});
		const facts = {
			id: ++this.#lastId,
			target,
			total: drain.total,
			started_at: new Date().toISOString(),
			spread_ms: policy.spread,
			timeout_ms: policy.timeout,
			close_code: closeCode,
		};
		const entry: Entry = { facts, drain };
		this.#entries.push(entry);
		const { id: number, total, spread_ms, timeout_ms, close_code } = facts;
		this.#events.notice("info", "drain.start", {
			drain: number,
			target,
			connections: total,
			spread_ms,
			timeout_ms,
			close_code,
		});
		void drain.done.then(() => this.#ended(entry));
		return drain;
	}

	/** To be called for each connection that has opened: it may be one that a drain was too early for. */
	opened(connection: Session): void {
		if (this.#lookOuts.length === 0) return;
		const now = performance.now();
		this.#lookOuts = this.#lookOuts.filter(({ since }) => now - since < LATE_MS);
		for (const { since, request } of this.#lookOuts) {
			if (connection.age <= now - since || !request.late?.(connection)) continue;
			const { reason, timeout: patience, close_code } = request.policy;
			const code = tunnelCloseCode(close_code);
			connection.close({ code, reason, termination: request.termination, patience });
		}
	}

	/** Running ones and the last ended ones, oldest first. */
	list(): DrainProgress[] {
		return this.#entries.map(({ facts, drain }) => ({
			...facts,
			state: drain ? "running" : "done",
			remaining: drain?.remaining ?? 0,
		}));
	}

	/** Cuts every running drain off. */
	cut(): void {
		for (const { drain } of this.#entries) drain?.cut();
	}

	#ended(entry: Entry): void {
		entry.drain = undefined;
		const { id: number, target, total, started_at } = entry.facts;
		this.#events.notice("info", "drain.end", {
			drain: number,
			target,
			connections: total,
			duration_ms: Date.now() - Date.parse(started_at),
		});
		const surplus = this.#entries.filter(({ drain }) => !drain).length - MAX_ENDED;
		if (surplus <= 0) return;
		const dropped = new Set(this.#entries.filter(({ drain }) => !drain).slice(0, surplus));
		this.#entries = this.#entries.filter((each) => !dropped.has(each));
	}
}
