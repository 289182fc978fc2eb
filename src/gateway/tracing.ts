/** Traces as the gateway sees them: begun with a request, asked for each attempt, ended by the request's event. */
import type { TraceHeaders } from "../protocol/headers.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Incoming } from "./incoming.ts";

/** Makes traces. Its methods never throw: a request does not fail because of its trace. */
export interface Tracing {
	/**
	 * Begins the trace of a request, if anybody records traces: puts it into the request's details, and its id into the
	 * facts. It ends with the request's `open`, `reject` or `http` event.
	 */
	begin(incoming: Incoming, websocket: boolean): void;
}

/** The trace of one request. */
export interface RequestTrace {
	/** An endpoint is tried; `number` counts the attempts from 1. */
	attempt(endpoint: Endpoint, number: number): AttemptTrace;
}

/** One attempt in a trace. */
export interface AttemptTrace {
	/** What tells the backend which trace its part belongs to. */
	readonly headers: TraceHeaders | undefined;
	/** To be called once. `outcome` as in the log's `attempts`; `status` is the backend's, when it answered. */
	end(outcome: string, status: number | undefined): void;
}
