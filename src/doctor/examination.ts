/** What the doctor is asked to look at, and what it may use for that. */
import type { Lookup } from "./system-lookup.ts";

export interface Examination {
	/** As the operator wrote it. */
	readonly url: string;
	/** Further headers of the opening handshake. Their values are secrets: they are never shown. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	/** Offered, in this order. */
	readonly subprotocols: readonly string[];
	/** Value of Origin; undefined = no such header, as programs that are not browsers do it. */
	readonly origin: string | undefined;
	/** Go on after certificate problems. */
	readonly insecure: boolean;
	/** Milliseconds for each step. */
	readonly timeout: number;
	/** Milliseconds to keep the open connection; undefined = not at all. */
	readonly hold: number | undefined;
	/** Milliseconds between Pings while it is kept; undefined = it is left idle. */
	readonly pingEvery: number | undefined;
	/** Which addresses count: 4, 6, or both. */
	readonly family: 0 | 4 | 6;
	/** The address to use instead of asking for the name. */
	readonly resolve: string | undefined;
	/** PEM: authorities to trust instead of the system's. */
	readonly ca: string | undefined;
	/** PEM: client certificate and its key. */
	readonly cert: string | undefined;
	readonly key: string | undefined;
}

/** The outside world. */
export interface Surroundings {
	readonly lookup: Lookup;
	/** Milliseconds of a monotonic clock. */
	now(): number;
	/** Milliseconds since 1970, for certificates. */
	epoch(): number;
	randomBytes(size: number): Buffer;
}
