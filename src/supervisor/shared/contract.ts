/** What workers ask the supervisor about limits and learnt state, and what it tells them. */
import type { CounterKey, Rate } from "../../policy/counters.ts";
import type { EjectRequest, EndpointName, EndpointNews, PermitAnswer, PermitRequest } from "../../upstreams/shared.ts";

/** A place in the queue of `max_handshakes_per_second`. */
export interface TurnRequest {
	readonly upstream: string;
	readonly rate: number;
	/** ms */
	readonly maxWait: number;
	/** See `EnterOptions.again`. */
	readonly again: boolean;
	/** The worker's own number for it, to leave the queue by. */
	readonly ticket: number;
}

/** Why a handshake does not get its turn. */
export interface Shed {
	readonly message: string;
	/** Seconds. */
	readonly retryAfter: number;
}

/** A session of an upstream with `sticky: socketio`. */
export interface SessionName {
	readonly upstream: string;
	readonly session: string;
}

/** Asked of the supervisor. */
export type SharedStateContract = {
	/** Takes one of `max` places; see `Counters.acquire`. */
	acquire(sent: { readonly key: CounterKey; readonly max: number }): boolean;
	release(key: CounterKey): void;
	/** Uses a rate once; see `Counters.take`. */
	takeRate(sent: { readonly key: CounterKey; readonly rate: Rate }): number;
	permit(asked: PermitRequest): PermitAnswer;
	permitOpened(name: EndpointName): void;
	permitReleased(sent: EndpointName & { readonly pending: boolean }): void;
	trialOver(sent: EndpointName & { readonly trial: number }): void;
	eject(asked: EjectRequest): boolean;
	breakerChanged(news: EndpointNews & { readonly kind: "breaker" }): void;
	/** From now on the worker is told {@link SharedStateNews.endpointNews}, first what holds already. */
	followEndpoints(): void;
	/** Answered when it is the handshake's turn; undefined: it may go on. */
	enterTurns(asked: TurnRequest): Shed | undefined;
	leaveTurns(sent: { readonly ticket: number }): void;
	/** Answered when the handshake may be written, with a number for the next one. */
	paceTurn(sent: { readonly upstream: string }): number;
	/** It is written, or never will be. `at`: ms on the clock that all processes share. */
	turnWritten(sent: { readonly written: number; readonly at: number }): void;
	learnSession(sent: SessionName & { readonly endpoint: string }): void;
	findSession(asked: SessionName): string | undefined;
};

/** Told to a worker. */
export type SharedStateNews = {
	endpointNews(news: EndpointNews): void;
	/** A rate that is asked about without a question (`Counters.blocked`) is used up for so many ms. */
	rateUsedUp(sent: { readonly key: CounterKey; readonly ms: number }): void;
};
