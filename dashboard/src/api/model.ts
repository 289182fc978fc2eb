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
	/** Where it ends in one. */
	readonly hub: string | null;
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

export interface HubRule {
	readonly match: string;
	readonly history: { readonly size: number; readonly ttl_ms: number } | null;
	readonly presence: boolean;
	readonly slow: "close" | "latest";
	readonly subscriptions: number;
	readonly publications: { readonly client: number; readonly api: number };
	readonly deliveries: { readonly sent: number; readonly skipped: number; readonly dropped: number };
	readonly recoveries: { readonly recovered: number; readonly lost: number };
}

export interface Hub {
	readonly name: string;
	readonly engine: string;
	readonly connections: number;
	readonly subscriptions: number;
	readonly topics: number;
	readonly publications_per_second: number;
	readonly rules: readonly HubRule[];
}

export interface HubTopicRow {
	readonly topic: string;
	readonly rule: string | null;
	readonly subscribers: number;
	readonly publications_per_second: number;
}

export interface HubTopics {
	readonly topics: readonly HubTopicRow[];
	readonly total: number;
}

export interface HubPublication {
	readonly offset: number;
	/** ms since the epoch. */
	readonly time: number;
	readonly data?: unknown;
	readonly data_base64?: string | undefined;
	readonly user?: string | undefined;
	readonly client?: string | undefined;
}

export interface HubTopic extends HubTopicRow {
	readonly position: { readonly epoch: string; readonly offset: number } | null;
	readonly history: readonly HubPublication[] | null;
	readonly presence: {
		readonly connections: number;
		readonly users: number;
		readonly list: readonly { readonly client: string; readonly user: string }[];
	} | null;
}

export interface HubPublished {
	readonly position: { readonly epoch: string; readonly offset: number } | null;
	readonly subscribers: number;
}

export interface HubMissed {
	readonly kind: "refused" | "unsubscribed" | "skipped" | "dropped" | "slow" | "disconnected" | "recovered" | "lost";
	readonly user: string;
	readonly client: string;
	readonly topic?: string | undefined;
	readonly action?: "subscribe" | "publish" | undefined;
	readonly error?: string | undefined;
	readonly code?: number | undefined;
	readonly reason?: string | undefined;
	readonly by?: "client" | "gateway" | undefined;
	readonly publications?: number | undefined;
	/** ms since the epoch. */
	readonly time: number;
	readonly count: number;
}

export interface HubMissedList {
	readonly now: "follows" | "not_subscribed" | "not_allowed" | "not_connected" | "unknown_topic" | null;
	readonly connections: readonly { readonly client: string; readonly topics: readonly string[] }[];
	readonly missed: readonly HubMissed[];
}

export interface Closed {
	readonly closed: number;
	readonly already_closing: number;
}

export interface Reloaded {
	readonly result: "success" | "unchanged" | "rejected";
	readonly problems: readonly string[];
}
