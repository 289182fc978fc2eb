/** Connections that another process has accepted and sent here as handles. */
import type { Server } from "node:http";
import { Socket } from "node:net";
import type { ListenerConfig } from "../config/schema.ts";
import { adopt, type CountingServer, type Door } from "./door.ts";

/** A native socket handle, as Node sends it between processes. */
export interface SocketHandle {
	/** Its descriptor; -1 when it is closed, absent where there are none. */
	readonly fd?: number;
	close(): void;
	setNoDelay?(on: boolean): void;
}

interface Entry {
	readonly server: Server;
	readonly onClose: () => void;
}

export class HandedOver {
	/** By the listener's key. */
	readonly #entries = new Map<string, Entry>();
	readonly #portOf: (key: string) => number;
	readonly #left: (key: string) => void;

	/**
	 * @param portOf where the other process accepts for a listener
	 * @param left a connection of a listener has ended here; called once for each that was handed over
	 */
	constructor(portOf: (key: string) => number, left: (key: string) => void) {
		this.#portOf = portOf;
		this.#left = left;
	}

	/** {@link OpenDoor} */
	readonly open = async (_config: ListenerConfig, key: string): Promise<Door> => {
		let entry: Entry | undefined;
		return {
			port: this.#portOf(key),
			serve: (server) => {
				entry = { server, onClose: () => this.#left(key) };
				this.#entries.set(key, entry);
				// With this event Node begins to look for requests whose head is late.
				server.emit("listening");
			},
			close: () => {
				if (this.#entries.get(key) === entry) this.#entries.delete(key);
			},
		};
	};

	/** Takes a connection over; one whose listener is gone is closed. Does what Node's own `onconnection` does. */
	take(key: string, handle: SocketHandle): void {
		const entry = this.#entries.get(key);
		if (entry === undefined) {
			handle.close();
			this.#left(key);
			return;
		}
		const server = entry.server as Server & CountingServer;
		if (server.noDelay) handle.setNoDelay?.(true);
		const options = { handle, allowHalfOpen: server.allowHalfOpen, readable: true, writable: true };
		const socket = new Socket(options as object);
		socket.on("close", entry.onClose);
		try {
			adopt(server, socket);
		} catch (error) {
			socket.destroy();
			throw error;
		}
	}
}
