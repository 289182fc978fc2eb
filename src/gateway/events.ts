/** What happens in the gateway, as typed events. Logs, metrics and the admin stream are sinks of these. */
import type { ErrorCode } from "../errors.ts";
import type { Initiator, Side, Termination } from "../tunnel/report.ts";
import type { RequestTrace } from "./tracing.ts";

/** One dial of one endpoint. `outcome` is `ok`, a word of `retries.on`, a backend status, or `client_gone`. */
export interface Attempt {
	readonly endpoint: string;
	readonly outcome: string;
	readonly ms: number;
}

/** What some log formats and traces want to know besides the facts. */
export interface RequestDetails {
	readonly method: string | undefined;
	/** The Referer header without query and credentials. */
	readonly referer: string | undefined;
	/** Bytes of the body that a refused client was answered with. */
	bodyBytes: number;
	/** The trace of the request, while it is under way. */
	trace?: RequestTrace | undefined;
	/** How the connection opened, where the log wants it again when it closes. */
	opened?: OpenReport | undefined;
}

/** The key of {@link RequestDetails}: a symbol, since every named property of the facts is a field of the log. */
export const DETAILS: unique symbol = Symbol("clawgate.details");

/** Facts that every line of one connection carries. Undefined ones are left out of the line. */
export interface ConnectionFacts {
	/** Absent where no request could be read. */
	readonly [DETAILS]?: RequestDetails;
	readonly connection_id: string;
	/** The client's, until a trace of our own begins. */
	trace_id?: string | undefined;
	client_ip: string;
	readonly peer_ip: string;
	readonly listener: string;
	route?: string | undefined;
	upstream?: string | undefined;
	endpoint?: string | undefined;
	/** In place of upstream and endpoint, where the connection ends in a hub. */
	hub?: string | undefined;
	readonly host?: string | undefined;
	/** Without the query. */
	readonly path?: string | undefined;
	readonly origin?: string | undefined;
	subprotocol?: string | undefined;
	readonly user_agent?: string | undefined;
	readonly http_version?: string | undefined;
	readonly tls_version?: string | undefined;
	user?: string | undefined;
}

/** How a connection ended. */
export interface CloseReport {
	/** The code of the first Close frame; 1005 for one without a code, 1006 without a frame (RFC 6455 §7.1.5). */
	readonly close_code: number;
	readonly close_reason: string;
	readonly close_initiator: Initiator;
	readonly termination: Termination;
	readonly client_close_code?: number | undefined;
	readonly backend_close_code?: number | undefined;
	readonly duration_ms: number;
	/** These four are absent where the process that counted them is gone. */
	readonly bytes_in?: number | undefined;
	readonly bytes_out?: number | undefined;
	readonly messages_in?: number | undefined;
	readonly messages_out?: number | undefined;
	/** These three only of connections to a hub: topics it followed at the end, and what it published and was sent. */
	readonly topics?: number | undefined;
	readonly publications_in?: number | undefined;
	readonly publications_out?: number | undefined;
}

export interface OpenReport {
	readonly attempts: readonly Attempt[];
	readonly handshake_ms: number;
	readonly connect_ms: number;
}

export interface RejectReport {
	readonly status: number;
	readonly code: ErrorCode;
	readonly backend_status?: number | undefined;
	readonly attempts: readonly Attempt[];
	readonly handshake_ms: number;
	/** For the log only: what went wrong in words. Never a token, cookie or query. */
	readonly message?: string | undefined;
}

export interface HttpReport {
	readonly method: string;
	readonly status: number;
	readonly code?: ErrorCode | undefined;
	/** For the log only: what went wrong in words. Never a token, cookie or query. */
	readonly message?: string | undefined;
	/** Why the gateway broke it off; absent when it did not. */
	readonly termination?: Termination | undefined;
	readonly duration_ms: number;
	/** Of the request's body, as far as it was passed on. */
	readonly bytes_in: number;
	/** Of the answer's body, as far as it was written. */
	readonly bytes_out: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Something that listens to {@link GatewayEvents}; every method is optional and must not throw. */
export interface EventSink {
	open?(facts: ConnectionFacts, report: OpenReport): void;
	reject?(facts: ConnectionFacts, report: RejectReport): void;
	close?(facts: ConnectionFacts, report: CloseReport): void;
	http?(facts: ConnectionFacts, report: HttpReport): void;
	/** The answer time of one of our own Pings, in seconds. */
	pingRtt?(route: string, side: Side, seconds: number): void;
	/** Reading was stopped because the other side is slow. */
	pause?(route: string, direction: Direction): void;
	/** A limit of the route (its key in `limits`) refused, closed or slowed something down. */
	limited?(route: string, limit: string): void;
	/** Everything else, by its event name of docs/observability.md (`config.reload`, `endpoint.down`, …). */
	notice?(level: LogLevel, event: string, fields: Record<string, unknown>): void;
}

export type Direction = "client_to_backend" | "backend_to_client";

/** Hands each event to every sink. */
export class GatewayEvents implements Required<EventSink> {
	readonly #sinks: EventSink[] = [];

	add(sink: EventSink): void {
		this.#sinks.push(sink);
	}
	open(facts: ConnectionFacts, report: OpenReport): void {
		for (const sink of this.#sinks) sink.open?.(facts, report);
	}
	reject(facts: ConnectionFacts, report: RejectReport): void {
		for (const sink of this.#sinks) sink.reject?.(facts, report);
	}
	close(facts: ConnectionFacts, report: CloseReport): void {
		for (const sink of this.#sinks) sink.close?.(facts, report);
	}
	http(facts: ConnectionFacts, report: HttpReport): void {
		for (const sink of this.#sinks) sink.http?.(facts, report);
	}
	pingRtt(route: string, side: Side, seconds: number): void {
		for (const sink of this.#sinks) sink.pingRtt?.(route, side, seconds);
	}
	pause(route: string, direction: Direction): void {
		for (const sink of this.#sinks) sink.pause?.(route, direction);
	}
	limited(route: string, limit: string): void {
		for (const sink of this.#sinks) sink.limited?.(route, limit);
	}
	notice(level: LogLevel, event: string, fields: Record<string, unknown>): void {
		for (const sink of this.#sinks) sink.notice?.(level, event, fields);
	}
}
