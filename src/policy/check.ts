/** What a check is: one question about who may connect, asked before anything is dialled (docs/lifecycle.md, step 7). */
import type { DepartureSignal } from "../departure.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { TokenNames } from "./revocations.ts";
import type { PolicyStates } from "./states.ts";

/** What becomes of a client's headers on a route. */
export interface HeaderPolicy {
	/** `plainName`s of headers that clients cannot send; undefined when there are none. */
	readonly reserved: ReadonlySet<string> | undefined;
	/** Whether a client's headers with an underscore in their name are passed on. */
	readonly keepUnderscores: boolean;
}

/** What a check looks at. */
export interface CheckContext {
	/** As received, without what earlier checks took out of it (a token, a key). */
	readonly request: GatewayRequest;
	/** Name of the route. */
	readonly route: string;
	readonly connectionId: string;
	/** Who the client is, when an earlier check found out. */
	readonly user: string | undefined;
	/** What earlier checks have for the backend: {@link Granted.headers}. */
	readonly headers: readonly string[] | undefined;
	/** What all checks of the route have to say about headers. */
	readonly policy: HeaderPolicy;
	/** Aborts when the client leaves. */
	readonly signal: DepartureSignal;
}

/** What a check that lets a client in has to add; everything is optional. */
export interface Granted {
	/** The authenticated subject: the log field `user`, and what limits per user count by. */
	readonly user?: string | undefined;
	/** Headers for the backend as a raw list of wire values; their names belong into {@link Check.reserved}. */
	readonly headers?: readonly string[] | undefined;
	/** The request without its token; later checks, balancing and the backend see this one. */
	readonly request?: GatewayRequest | undefined;
	/** A subprotocol that the client gets when the backend picks none. */
	readonly fallbackSubprotocol?: string | undefined;
	/** When the permission ends, ms since the epoch. The tunnel is closed then. */
	readonly expiresAt?: number | undefined;
	/** Called right before the 101. @throws GatewayError when what was granted does not hold any more */
	readonly confirm?: (() => void) | undefined;
	/** Gives back what was taken. Called exactly once: after a refusal, a failed handshake, or the tunnel's end. */
	readonly release?: (() => void) | undefined;
	/** Called once the tunnel is open; the returned function is called when it has ended. */
	readonly watch?: ((connection: WatchedConnection) => () => void) | undefined;
	/** Names by which a revocation finds the connection. */
	readonly token?: TokenNames | undefined;
}

/** An open connection, as a check sees it. */
export interface WatchedConnection {
	/** Ends it with 1008: the client may not stay. */
	close(reason: string): void;
}

/** One check of one route, compiled. */
export interface Check {
	readonly name: string;
	/** Headers that only this check may set: a client's are removed even when the check sets nothing. */
	readonly reserved?: readonly string[];
	/** Who the client says it is, where it says so; failed logins are counted by it. */
	loginName?(request: GatewayRequest): string | undefined;
	/** @throws GatewayError (also as a rejection) when the client may not connect */
	check(context: CheckContext): Granted | undefined | Promise<Granted | undefined>;
}

/** What checks are given from outside when they are compiled. */
export interface CheckDeps {
	/** What lives on when the check does not: tables, keys, agents. */
	readonly states: PolicyStates;
	/** The content of a file of the configuration. */
	readonly readFile: (path: string) => Buffer;
}
