/** What a tunnel is told about its route. */
import type { TunnelLimits } from "./limits-options.ts";

/** What a route says about its tunnels; shared by all of them. Times in ms, Infinity = off. */
export interface TunnelOptions {
	readonly idle: number;
	readonly lifetime: number;
	/** How long a side has to answer a Close, or to end after one. */
	readonly close: number;
	readonly pingInterval: number;
	readonly pingTimeout: number;
	readonly pingClient: boolean;
	readonly pingBackend: boolean;
	/** The code for the client when the backend is lost; {@link NO_CLOSE_FRAME}: it sees the same end as the gateway did. */
	readonly backendLostCode: number;
	/** The same for the backend when the client is lost. */
	readonly clientLostCode: number;
	/** The code for the client when its permission runs out. */
	readonly authExpiredCode: number;
	/** What may pass, and how fast; undefined = anything. */
	readonly limits?: TunnelLimits | undefined;
}
