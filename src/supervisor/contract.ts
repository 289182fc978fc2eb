/** What a worker can be asked by the supervisor, and the supervisor by a worker. Everything is structured-cloneable. */
import type { Answer, Call } from "../admin/api/operation.ts";
import type { RevokedTokens } from "../admin/api/revocations.ts";
import type { FileContent } from "../config/files.ts";
import type { ConfigPart } from "../config/parts.ts";
import type { RevokeOptions } from "../gateway/revoke.ts";
import type { RevocationTarget } from "../policy/revocations.ts";
import type { Changed, Forecast } from "../reload.ts";
import type { MadeCertificate } from "../server/tls.ts";
import type { MetricObject } from "../telemetry/merge.ts";
import type { EndpointConfig } from "../upstreams/endpoint.ts";
import type { EndpointOverride } from "../upstreams/override.ts";
import type { Channel } from "./channel.ts";
import type { HealthFact } from "./health.ts";
import type { HubEngineContract, HubEngineNews } from "./hub-engine.ts";
import type { SharedStateContract, SharedStateNews } from "./shared/contract.ts";

/** A checked request, and the operation by method and path template: `GET /api/v1/connections/{id}`. */
export interface ApiCall extends Call<unknown, unknown> {
	readonly operation: string;
}

/** An event of a worker's feed. */
export interface RelayedEvent {
	/** ms since the epoch. */
	readonly time: number;
	readonly name: string;
	readonly json: string;
}

/** For a worker that starts: what operators changed while the gateway runs. */
export interface Steering {
	readonly endpoints: readonly {
		readonly upstream: string;
		readonly endpoint: string;
		readonly override: EndpointOverride;
	}[];
	readonly revocations: readonly (RevocationTarget & { readonly until: number })[];
	/** Somebody reads `GET events`. */
	readonly following: boolean;
}

export interface DrainNotice {
	readonly event: "drain.start" | "drain.end";
	/** The worker's own number for it. */
	readonly drain: number;
	readonly target: string;
	readonly connections: number;
	/** ms; in the notice of the start only, like the two after it. */
	readonly spread_ms?: number;
	readonly timeout_ms?: number;
	readonly close_code?: number;
}

/** A configuration that a worker takes over. Its parts are sent before the call that says what to do with it. */
export interface SentConfig {
	/** That of its parts. */
	readonly config: number;
	/** Where the supervisor accepts, by the listener's key. */
	readonly ports: Readonly<Record<string, number>>;
}

/** A part of a configuration, or of what its files hold. */
export interface SentPart {
	/** Parts with the same number belong together. */
	readonly config: number;
	readonly part?: ConfigPart;
	readonly file?: readonly [path: string, content: FileContent];
}

/** What a worker is told before it serves. */
export interface WorkerStart extends SentConfig {
	readonly number: number;
	readonly discovered: Discovered;
	readonly health: readonly HealthFact[];
	/** What session tickets are encrypted with. */
	readonly ticketSecret: Uint8Array;
}

/** The last good answer of discovery by upstream name. */
export type Discovered = ReadonlyMap<string, readonly EndpointConfig[]>;

/** Asked of a worker. */
export type WorkerContract = SharedStateNews &
	HubEngineNews & {
		/** Keeps a part until it is told what to do with the whole. */
		part(part: SentPart): void;
		/** Begins to serve; answered when it does. */
		start(told: WorkerStart): void;
		/** First half of a reload: does all that can fail. A later one takes the place of one that was not committed. */
		prepare(next: SentConfig): Forecast;
		/** Second half. */
		commit(nothing: undefined): Changed;
		/** Instead of the second half. */
		abandon(nothing: undefined): void;
		/** Discovery found other endpoints. */
		discovered(now: Discovered): void;
		/** Probes found something out. */
		health(facts: readonly HealthFact[]): void;
		/** Session tickets are encrypted with this from now on. */
		ticketSecret(secret: Uint8Array): void;
		/** Answered at once by a worker that runs: whether it has room for further connections. */
		beat(nothing: undefined): { readonly room: boolean };
		/** Stops as after SIGTERM, `shutdown.delay` left out: the supervisor has waited. The process ends by itself. */
		stop(how: { readonly immediately: boolean }): void;
		/** Does an operation of the admin API on the worker's own connections; the request was checked by the supervisor. */
		api(asked: ApiCall): Answer;
		/** Everything in its registry, as prom-client's `getMetricsAsJSON()` has it. */
		metrics(nothing: undefined): readonly MetricObject[];
		/** Whether somebody reads `GET events`; answered with what happened since it was told last, as far as it is kept. */
		follow(on: boolean): readonly RelayedEvent[];
		/** Refuses tokens and closes their connections. */
		revoke(target: RevokeOptions): RevokedTokens;
	};

/** Asked of the supervisor. */
export type SupervisorContract = SharedStateContract &
	HubEngineContract & {
		/** The worker's process runs and its handlers are there: it may be told what to do. */
		hello(facts: { readonly pid: number }): void;
		/** The connection that was sent with this number is the worker's now. */
		took(number: number): void;
		/** It is not: it came too late, or the worker ends, or has no room (`full`). */
		refused(answer: { readonly number: number; readonly full: boolean }): void;
		/** Tunnels that opened and that ended; see {@link OpenConnections}. */
		tunnels(news: TunnelNews): void;
		/** The worker cannot go on; it drains and ends, and is to be replaced. */
		failing(nothing: undefined): void;
		/** A connection of this listener (its key) has ended. */
		left(listener: string): void;
		/** A certificate made at start: the same for all. */
		selfSigned(names: readonly string[]): MadeCertificate;
		/** What an operator has changed; asked before the worker listens, and every later change follows as a call. */
		steering(nothing: undefined): Steering;
		/** Everything in a worker's registry, before it ends. */
		farewell(metrics: readonly MetricObject[]): void;
		/** What happened in the worker, while somebody reads `GET events`. */
		events(batch: { readonly events: readonly RelayedEvent[]; readonly dropped: number }): void;
		/** A drain of the worker began or ended; as the notice of its `Drains`. */
		drain(notice: DrainNotice): void;
	};

/** What became of a worker's tunnels since it was told last. */
export interface TunnelNews {
	/** The id of each that opened and that is still open, and its facts as JSON: {@link OpenFacts}. */
	readonly opened: readonly (readonly [id: string, facts: string])[];
	/** The ids of those that ended and that the supervisor knows. */
	readonly ended: readonly string[];
}

/** A running worker, as the supervisor's parts see it. */
export interface WorkerHandle {
	/** From 1; a replacement has the number of the one that it replaces. */
	readonly number: number;
	readonly pid: number;
	readonly channel: Channel<WorkerContract, SupervisorContract>;
	/** It does not answer: nobody has to wait for it. What it is told it does when it goes on. */
	readonly stuck: boolean;
}

/** The workers, for parts of the supervisor that ask all of them or follow each. */
export interface Workers {
	/** Those that are ready: started, with the running configuration. */
	list(): readonly WorkerHandle[];
	/** How many there are to be. */
	readonly size: number;
	/** Called for each worker before it is started (also a replacement), to put handlers on its channel. */
	onStart(listener: (worker: WorkerHandle) => void): void;
	/** Called when a worker's process is gone: what it held is given back. */
	onExit(listener: (worker: WorkerHandle) => void): void;
}

/** The worker's end of the channel. */
export type SupervisorChannel = Channel<SupervisorContract, WorkerContract>;
