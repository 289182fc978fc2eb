/** What a discovery source is: something that knows where the servers of an upstream are now. */
import type { EndpointConfig } from "../endpoint.ts";

export interface DiscoverySource {
	/** What it asks, for the log: `A chat.internal`. */
	readonly question: string;
	/**
	 * Asks once, in any order of the answers.
	 *
	 * @param timeout milliseconds
	 * @param signal ends the look-up; it then rejects
	 * @throws LookUpFailed when there is no answer, or an empty one: a pool is never emptied by discovery
	 */
	lookUp(timeout: number, signal: AbortSignal): Promise<EndpointConfig[]>;
}

/** A look-up without a usable answer. The message says why, for the operator. */
export class LookUpFailed extends Error {
	override readonly name = "LookUpFailed";
}
