/** What a scrape reads from the gateway at the moment it happens, so that nothing is counted per message. */

/** Running totals of one direction. Messages are counted by opcode (RFC 6455 §11.8), a fragmented one once. */
export interface DirectionTotals {
	/** Bytes read from the sending side after the 101. */
	readonly bytes: number;
	readonly text: number;
	readonly binary: number;
	readonly ping: number;
	readonly pong: number;
	readonly close: number;
}

/** Connections open now, one item for each combination of the three names. */
export interface ActiveConnections {
	readonly listener: string;
	readonly route: string;
	readonly upstream: string;
	readonly active: number;
}

/** Totals since the process started, ended tunnels and live ones together; they never go down. */
export interface TrafficTotals {
	readonly route: string;
	readonly upstream: string;
	readonly clientToBackend: DirectionTotals;
	readonly backendToClient: DirectionTotals;
}

/** One endpoint of the current snapshot. */
export interface EndpointFacts {
	readonly upstream: string;
	readonly endpoint: string;
	/** Tunnels open now. */
	readonly active: number;
	/** Whether new connections may go there. */
	readonly up: boolean;
	/** By outlier detection, since the process started; undefined where that is off. */
	readonly ejections?: number | undefined;
	/** Undefined where there is no circuit breaker. */
	readonly breaker?: "closed" | "half_open" | "open" | undefined;
}

/** One certificate that a listener serves. */
export interface CertificateFacts {
	readonly listener: string;
	readonly serverName: string;
	/** Milliseconds since the epoch. */
	readonly expiresAt: number;
}

/** One rule of one hub. Counts since the process started, but for the subscriptions. */
export interface HubRuleFacts {
	readonly hub: string;
	readonly rule: string;
	/** Now. */
	readonly subscriptions: number;
	/** By source. */
	readonly publications: Readonly<Record<string, number>>;
	/** By result. */
	readonly deliveries: Readonly<Record<string, number>>;
	/** Clients that came back with a position, by whether they got all that they had missed. */
	readonly recoveries: Readonly<Record<string, number>>;
}

/** Connections to a hub open now. */
export interface HubConnections {
	readonly hub: string;
	readonly route: string;
	readonly active: number;
}

/** The processes of a gateway. */
export interface WorkerFacts {
	/** Those that take new connections now. */
	readonly serving: number;
	/** Those that there are to be. */
	readonly configured: number;
}

/** Read once for each metric of each scrape; all names come from the config, never from a client. */
export interface MetricsSource {
	connections(): Iterable<ActiveConnections>;
	/** May give a combination of route and upstream more than once; the values are added. */
	traffic(): Iterable<TrafficTotals>;
	endpoints(): Iterable<EndpointFacts>;
	/** Connections that a drain has marked and that are still open. */
	draining(): number;
	certificates(): Iterable<CertificateFacts>;
	hubRules(): Iterable<HubRuleFacts>;
	hubConnections(): Iterable<HubConnections>;
	workers(): WorkerFacts;
	/** Lines of the log that could not be written. */
	logLinesLost(): number;
	/** How many addresses, users and routes each limit of connections knows now. */
	limiters(): Iterable<{ readonly limit: string; readonly entries: number }>;
}
