/** A client that follows topics of a hub, whatever protocol it speaks. */
import type { Disconnected } from "../client/reconnecting-socket.ts";

export interface Follower {
	/** Follows it now and after each reconnection. */
	follow(topic: string): void;
	close(): void;
}

export interface FollowerEvents {
	published(topic: string, publication: { readonly data: unknown; readonly offset: number | undefined }): void;
	/** A topic is followed again, and what was missed is not kept any more. */
	lost(topic: string): void;
	/** A topic is not followed any more. */
	refused(topic: string, why: string): void;
	disconnected(event: Disconnected): void;
	failed(error: unknown): void;
}
