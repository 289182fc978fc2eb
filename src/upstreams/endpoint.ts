/** An endpoint: one server of an upstream. `Endpoint` is compiled from the config, `EndpointState` outlives reloads. */
import { z } from "zod";
import type { Breaker } from "./breaker.ts";
import { OutlierState } from "./outlier.ts";
import type { EndpointOverride, WrittenEndpoint } from "./override.ts";

const endpointUrl = z
	.string()
	.refine((text) => parseEndpointUrl(text) !== undefined, {
		error: "expected ws://, wss://, http:// or https:// with host and optional port, or ws+unix:/path",
	})
	.meta({ description: "ws:// wss:// http:// https:// host[:port], or ws+unix:/path" });

const endpointObject = z.strictObject({
	url: endpointUrl,
	weight: z
		.number()
		.int()
		.min(0)
		.max(1000)
		.default(1)
		.meta({ description: "share of new connections; 0 = only clients that are bound to it (sticky)" }),
	state: z
		.enum(["ready", "drain", "maint"])
		.default("ready")
		.meta({ description: "drain takes only clients that are bound to it (sticky); maint takes nobody" }),
	backup: z.boolean().default(false).meta({ description: "used only when no other endpoint can be" }),
	max_connections: z.int().min(1).max(100_000_000).optional().meta({
		description:
			"most connections of this endpoint, those being opened and those of all workers included. It takes the place of `circuit_breaker.max_connections`, and works like that",
	}),
});

/** An entry of `upstreams.*.endpoints`: the object, or just its URL. */
export const endpointOptions = z.union([endpointObject, endpointUrl.transform((url) => endpointObject.parse({ url }))]);

export type EndpointConfig = z.output<typeof endpointObject>;

/** Where an endpoint listens. Exactly one of `port` and `socketPath` is set. */
export interface EndpointAddress {
	/** TLS towards the backend. */
	readonly secure: boolean;
	/** Host name or address without brackets; "localhost" for a unix socket. */
	readonly host: string;
	readonly port: number | undefined;
	readonly socketPath: string | undefined;
	/** `host` or `host:port` for a Host header; the port is left out when it is the scheme's own. */
	readonly authority: string;
}

/** Splits an endpoint URL; undefined when it is not one. A path other than `/` is not part of an endpoint: use `rewrite`. */
export function parseEndpointUrl(text: string): EndpointAddress | undefined {
	const unix = /^ws\+unix:(?:\/\/)?(\/[^\0]+)$/.exec(text);
	if (unix) {
		return { secure: false, host: "localhost", port: undefined, socketPath: unix[1], authority: "localhost" };
	}
	const match = /^(ws|wss|http|https):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text);
	if (!match) return undefined;
	const secure = match[1] === "wss" || match[1] === "https";
	const hostname = (match[2] as string).toLowerCase();
	const ownPort = secure ? 443 : 80;
	const port = match[3] === undefined ? ownPort : Number(match[3]);
	if (port < 1 || port > 65535) return undefined;
	return {
		secure,
		host: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
		port,
		socketPath: undefined,
		authority: port === ownPort ? hostname : `${hostname}:${port}`,
	};
}

/** What lives on across reloads, by upstream name and endpoint id. */
export class EndpointState {
	/** Tunnels open now. */
	active = 0;
	/** Handshakes under way now. */
	pending = 0;
	/** What an operator changed at run time; see override.ts. */
	override: EndpointOverride | undefined;
	/** Smooth weighted round robin's running value. */
	currentWeight = 0;
	/** When it became available (gateway's clock, ms), for slow start; -Infinity: from the beginning. */
	availableSince = Number.NEGATIVE_INFINITY;
	/** Whether the snapshot in force sends new clients there (ready, with weight); undefined before the first one. */
	inService: boolean | undefined;
	/** Failed attempts since the last one that was answered, and what the last of them was; see attempts/failing.ts. */
	failedAttempts = 0;
	lastFailure: string | undefined;
	/** What outlier detection has counted. */
	readonly outlier = new OutlierState();
	/** The circuit breaker; made with the first attempt. */
	breaker: Breaker | undefined;
	/** What the probes of the health check say; unknown before the first one, and without a health check. */
	health: "unknown" | "healthy" | "unhealthy" = "unknown";
	/** Why `health` is what it is, in words: what the deciding probe saw. */
	healthReason: string | undefined;
	/** It answers, but refuses the probe, which is mistaken: `health` says no more than that it lives. */
	probeRefused = false;
	/** Good, or failed, probes in a row; one of them is 0. */
	probeSuccesses = 0;
	probeFailures = 0;

	/** The configuration does not have the endpoint any more: ends the timers of outlier detection and breaker. */
	retire(): void {
		this.outlier.retire();
		this.breaker?.shutDown();
		this.breaker = undefined;
	}
}

/** One endpoint of one snapshot. */
export interface Endpoint {
	/** `host:port`, or the socket's path: the word for it in logs, metrics and the admin API. */
	readonly id: string;
	/** As written by the operator. */
	readonly url: string;
	readonly address: EndpointAddress;
	/** These two count now: what an operator changed at run time, else what is written. */
	readonly weight: number;
	readonly mode: "ready" | "drain" | "maint";
	/** What the configuration says. */
	readonly written: WrittenEndpoint;
	readonly backup: boolean;
	/** Its own limit of WebSocket connections, those being opened included. */
	readonly maxConnections: number | undefined;
	/** 32-bit hash of `id`, for rendezvous hashing. */
	readonly hash: number;
	readonly state: EndpointState;
}

/** The word for an endpoint in logs, metrics and the admin API: `host:port`, `[v6]:port`, or the socket's path. */
export function endpointId(address: EndpointAddress): string {
	if (address.socketPath !== undefined) return address.socketPath;
	const host = address.host.includes(":") ? `[${address.host}]` : address.host;
	return `${host}:${address.port}`;
}
