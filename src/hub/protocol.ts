/** What a protocol and the session that carries it know of each other. */
import type { Claims } from "../protocol/claims.ts";
import type { HubClient, Identity } from "./client.ts";
import type { Hub } from "./hub.ts";
import type { Encoding } from "./message.ts";
import type { Outbox } from "./outbox.ts";

/** A verified token, or what stands in its place. */
export interface Credentials extends Identity {
	/** ms since the epoch; Infinity = never. */
	readonly expiresAt: number;
}

/** Of a connection that did not say who it is. */
export const ANONYMOUS: Credentials = { user: "", claims: undefined, expiresAt: Number.POSITIVE_INFINITY };

/** What a backend answers to a question; see `backend.ask`. */
export interface BackendAnswer {
	readonly data?: Uint8Array | undefined;
}

/** A hub's backend, asked for permission and answers. Rejections are `HubError`s: no answer is a refusal. */
export interface Questions {
	readonly asks: ReadonlySet<"connect" | "subscribe" | "publish" | "rpc">;
	connect(client: QuestionClient, data: Uint8Array | undefined): Promise<ConnectAnswer>;
	subscribe(client: QuestionClient, topic: string, data: Uint8Array | undefined): Promise<BackendAnswer>;
	/** What is published in place of `data`. */
	publish(client: QuestionClient, topic: string, data: Uint8Array): Promise<BackendAnswer>;
	rpc(client: QuestionClient, method: string, data: Uint8Array | undefined): Promise<BackendAnswer>;
}

/** Who it is about. */
export interface QuestionClient {
	readonly id: string;
	readonly user: string;
	readonly claims: Claims | undefined;
	/** Whether data is JSON. */
	readonly json: boolean;
}

/** What a backend says to a new connection. */
export interface ConnectAnswer extends BackendAnswer {
	readonly user?: string | undefined;
	readonly expiresAt?: number | undefined;
	readonly info?: Uint8Array | undefined;
	/** Topics to subscribe it to. */
	readonly topics?: readonly string[] | undefined;
}

/** One socket, as its protocol sees it. */
export interface Host {
	/** The connection's id. */
	readonly id: string;
	readonly hub: Hub;
	readonly outbox: Outbox;
	/** Whether the client can read compressed messages. */
	readonly compress: boolean;
	/** What the handshake said; undefined: the protocol's first message has to bring a token. */
	readonly credentials: Credentials | undefined;
	/** Whether a connection may stay that does not say who it is. */
	readonly anonymous: boolean;
	readonly questions: Questions | undefined;
	/** @throws HubError TOKEN_EXPIRED, TOKEN_REVOKED, UNAUTHORIZED */
	verify(token: string): Promise<Credentials>;
	/** The client has said who it is: from here on it takes part. */
	joined(client: HubClient): void;
	/** When the connection's time is over, ms since the epoch, and how much longer a client has that can bring a new token. */
	expires(at: number, grace: number): void;
	/** Whether the client may publish or ask now; counts it. */
	mayPublish(): boolean;
	/** Stops reading from the client while it has too many questions open. */
	pause(): void;
	resume(): void;
	/** Ends the connection with a Close frame, behind what waits. */
	end(code: number, reason: string): void;
	/** Something failed that should not have: it is logged, and the client is told that it was not its fault. */
	failed(error: unknown): void;
}

/** One connection's protocol. */
export interface ProtocolConnection {
	/** A whole message of the client. Never throws. */
	receive(message: Buffer, isBinary: boolean): void;
	/** The socket is gone. */
	close(): void;
}

/** A close code and what it means, in words. */
export interface CloseReason {
	readonly code: number;
	readonly reason: string;
}

/** A protocol. */
export interface HubProtocol {
	readonly encoding: Encoding;
	/** What is sent to find dead connections; whatever comes back is an answer. */
	readonly ping: Buffer;
	/** The close code of a client that does not answer it. */
	readonly noPong: CloseReason;
	/** The close code of a client that does not say in time who it is. */
	readonly stale: CloseReason;
	open(host: Host): ProtocolConnection;
}
