/** What the handout knows of one worker. */
import type { SocketHandle } from "../server/handed-over.ts";
import type { Accepted } from "./waiting-room.ts";

/** A worker that takes connections. */
export interface Taker {
	/** Sends a connection; the worker answers with its number: {@link Handout.took} or {@link Handout.refused}. */
	send(listener: string, handle: SocketHandle, number: number): void;
}

export interface Sent extends Accepted {
	/** The beat in which it was sent. */
	readonly beat: number;
}

export interface Seat {
	readonly taker: Taker;
	readonly waiting: Accepted[];
	/** Sent, not yet answered, by number; in order. */
	readonly sent: Map<number, Sent>;
	/** Taken and open, by listener. */
	readonly open: Map<string, number>;
	/** It does not answer. */
	stuck: boolean;
	/** It has no room for further connections. */
	full: boolean;
}

export function newSeat(taker: Taker): Seat {
	return { taker, waiting: [], sent: new Map(), open: new Map(), stuck: false, full: false };
}
