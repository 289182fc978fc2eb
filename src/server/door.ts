/** How connections come to a listener: over a socket of its own, or from a process that accepts for several. */
import type { Server } from "node:http";
import type { ListenerConfig } from "../config/schema.ts";
import { listen } from "../protocol/listen.ts";

/** An open one. Closing the server closes it too. */
export interface Door {
	/** The bound port; 0 for a unix socket. */
	readonly port: number;
	/** Nothing comes in any more. */
	close(): void;
}

/**
 * Lets connections come to `server`.
 * @param key the listener's; see `listenerKey`
 * @throws ListenError when the address cannot be had
 */
export type OpenDoor = (server: Server, config: ListenerConfig, key: string) => Promise<Door>;

/** The listener's own socket. */
export const ownSocket: OpenDoor = async (server, config) => {
	const address = await listen(server, config.address, `listeners.${config.name}.address`);
	return { port: typeof address === "object" ? address.port : 0, close: () => undefined };
};
