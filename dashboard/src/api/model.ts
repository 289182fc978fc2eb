/** What the admin API answers, as far as the dashboard uses it (docs/openapi.json). A test holds it against the server. */

export interface Page {
	readonly connections: readonly Connection[];
	readonly total: number;
	readonly limit: number;
	readonly offset: number;
}

export interface Connection {
	readonly connection_id: string;
	readonly trace_id?: string | undefined;
	readonly client_ip: string;
	readonly peer_ip: string;
	readonly listener: string;
	readonly route?: string | undefined;
	readonly upstream?: string | undefined;
	readonly endpoint?: string | undefined;
	readonly host?: string | undefined;
	readonly path?: string | undefined;
	readonly origin?: string | undefined;
	readonly subprotocol?: string | undefined;
	readonly user_agent?: string | undefined;
	readonly http_version?: string | undefined;
	readonly tls_version?: string | undefined;
	readonly user?: string | undefined;
	readonly age_ms: number;
	readonly bytes_in: number;
	readonly bytes_out: number;
	readonly messages_in: number;
	readonly messages_out: number;
	readonly rtt_ms: { readonly client?: number | undefined; readonly backend?: number | undefined };
	readonly draining: boolean;
	readonly closing: boolean;
}

export type EndpointMode = "ready" | "drain" | "maint";

export interface Endpoint {
	readonly id: string;
	readonly url: string;
	readonly state: EndpointMode;
	readonly weight: number;
	readonly effective_weight: number;
	readonly configured: { readonly state: EndpointMode; readonly weight: number };
	readonly backup: boolean;
	readonly available: boolean;
	readonly unavailable_reason?: string | undefined;
	readonly health: "unknown" | "healthy" | "unhealthy";
	readonly health_reason?: string | undefined;
	readonly failing?: boolean | undefined;
	readonly failing_reason?: string | undefined;
	readonly breaker?: "closed" | "half_open" | "open" | undefined;
	readonly ejected: boolean;
	readonly ejected_ms?: number | undefined;
	readonly active: number;
	readonly pending: number;
}

export interface Upstream {
	readonly name: string;
	readonly policy: string;
	readonly sticky: string | null;
	readonly discovery: string | null;
	readonly health_check: string | null;
	readonly endpoints: readonly Endpoint[];
}

export interface Route {
	readonly name: string;
	readonly match: Readonly<Record<string, unknown>>;
	readonly upstreams: readonly { readonly name: string; readonly weight: number }[];
	readonly http: "forward" | "reject";
	readonly active: number;
	readonly draining: number;
	readonly opened: number;
	readonly closed: number;
	readonly rejected: number;
}

export interface Drain {
	readonly id: number;
	readonly target: string;
	readonly state: "running" | "done";
	readonly total: number;
	readonly remaining: number;
	readonly started_at: string;
	readonly spread_ms: number;
	readonly timeout_ms: number;
	readonly close_code: number;
}

export type Initiator = "client" | "backend" | "gateway";

export interface CloseCount {
	readonly close_code: number;
	readonly initiator: Initiator;
	readonly termination: string;
	readonly route?: string | undefined;
	readonly endpoint?: string | undefined;
	readonly count: number;
}

export interface RejectionCount {
	readonly code: string;
	readonly route?: string | undefined;
	readonly count: number;
}

export interface Interval {
	/** ms since the epoch. */
	readonly start: number;
	readonly opened: number;
	readonly closed: readonly CloseCount[];
	readonly rejected: readonly RejectionCount[];
}

export interface Rejection {
	/** ms since the epoch. */
	readonly time: number;
	readonly code: string;
	readonly status: number;
	readonly message?: string | undefined;
	readonly client_ip: string;
	readonly route?: string | undefined;
	readonly upstream?: string | undefined;
	readonly endpoint?: string | undefined;
	readonly host?: string | undefined;
	readonly path?: string | undefined;
	readonly origin?: string | undefined;
}

export interface Traffic {
	readonly messages_in: number;
	readonly messages_out: number;
	readonly bytes_in: number;
	readonly bytes_out: number;
}

export interface LastReload {
	/** ms since the epoch. */
	readonly time: number;
	readonly result: "success" | "rejected";
	readonly trigger: string;
	readonly problems: readonly string[];
}

export interface Activity {
	/** ms since the epoch, on the gateway's clock. */
	readonly time: number;
	readonly stopping: boolean;
	readonly connections: number;
	readonly handshakes: number;
	readonly traffic: Traffic;
	readonly interval_ms: number;
	readonly intervals: readonly Interval[];
	readonly last_rejections: readonly Rejection[];
	readonly last_reload: LastReload | null;
	/** Processes that take new connections now, and that there are to be. */
	readonly workers: { readonly serving: number; readonly configured: number };
	/** Numbers of those that did not answer: their part is missing. */
	readonly missing_workers?: readonly number[] | undefined;
}

export interface Closed {
	readonly closed: number;
	readonly already_closing: number;
}

export interface Reloaded {
	readonly result: "success" | "unchanged" | "rejected";
	readonly problems: readonly string[];
}
