/** One plain HTTP request and its answer, as a member of the gateway's population. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ERRORS, type GatewayError } from "../errors.ts";
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import type { Termination } from "../tunnel/report.ts";
import type { ConnectionFacts } from "./events.ts";
import { type Population, round, Session } from "./session.ts";

/** What ends by itself is waited for: a drain must not break half a download off. */
const PATIENT: ReadonlySet<Termination> = new Set(["drain", "shutdown"]);
/** Its client comes back by itself, and takes a cut between two events for none (HTML standard, server-sent events). */
const EVENT_STREAM = /^text\/event-stream\b/i;

/** From the request to its one `http` event. It is in the population while an endpoint works for it. */
export class Exchange extends Session {
	readonly kind = "http";
	readonly messagesIn = 0;
	readonly messagesOut = 0;
	/** Counted by whoever passes the bodies on. */
	bytesIn = 0;
	bytesOut = 0;
	isOpen = false;
	closing = false;
	/** The answer's media type, once there is one. */
	contentType: string | undefined;

	readonly #message: IncomingMessage;
	readonly #response: ServerResponse;
	#brokenOff: Termination | undefined;

	constructor(
		population: Population,
		facts: ConnectionFacts,
		startedAt: number,
		message: IncomingMessage,
		response: ServerResponse,
	) {
		super(population, facts, startedAt);
		this.#message = message;
		this.#response = response;
	}

	/** An endpoint is asked from here on. */
	opened(): void {
		this.isOpen = true;
		this.enter();
		this.leases?.watch({ close: (reason) => this.evict(reason) });
	}

	/** A drain waits for the answer, and closes the client's connection after it; an event stream ends now. */
	close({ termination }: GatewayClose): boolean {
		if (this.closing || !this.isOpen) return false;
		this.closing = true;
		if (!PATIENT.has(termination)) {
			this.destroy(termination);
		} else if (EVENT_STREAM.test(this.contentType ?? "")) {
			this.#brokenOff = termination;
			// What comes next on the connection would be taken for the rest of an answer whose length is known.
			if (this.#response.chunkedEncoding) this.#response.end();
			else this.#response.destroy();
		} else if (!this.#response.headersSent) {
			this.#response.shouldKeepAlive = false;
		}
		return true;
	}

	destroy(termination: Termination): void {
		this.closing = true;
		if (this.#response.destroyed) return;
		this.#brokenOff = termination;
		this.#response.destroy();
	}

	/** It is over, with or without a failure: gives back what it held, and reports. To be called once. */
	ended(failure: GatewayError | undefined): void {
		if (this.isOpen) this.leave();
		this.isOpen = false;
		this.leases?.release();
		// Broken off by the gateway: that the client is gone then is no cause.
		const cause = this.#brokenOff === undefined ? failure : undefined;
		this.events.http(this.facts, {
			method: this.#message.method ?? "",
			status: this.#status(cause),
			code: cause?.code,
			message: cause?.message,
			termination: this.#brokenOff,
			duration_ms: round(this.now() - this.startedAt),
			bytes_in: this.bytesIn,
			bytes_out: this.bytesOut,
		});
	}

	/** What the client was told; where nothing could be answered any more, what it would have been. */
	#status(cause: GatewayError | undefined): number {
		if (cause?.code === "CLIENT_GONE") return cause.status;
		if (this.#response.headersSent) return this.#response.statusCode;
		return cause?.status ?? ERRORS.SHUTTING_DOWN.status;
	}
}
