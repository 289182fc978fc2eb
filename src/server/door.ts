/** How connections come to a listener: over a socket of its own, or from a process that accepts for several. */
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import type { ListenerConfig } from "../config/schema.ts";
import { listen } from "../protocol/listen.ts";

/** An open address. It stays open while the servers behind it are exchanged. */
export interface Door {
	/** The bound port; 0 for a unix socket. */
	readonly port: number;
	/** Connections to come go to this server; those that are there stay with theirs. */
	serve(server: Server): void;
	/** Nothing comes in any more; the address is free when this returns. */
	close(): void;
}

/**
 * Opens a listener's address. {@link Door.serve} has to follow at once.
 * @param key the listener's; see `listenerKey`
 * @throws ListenError when the address cannot be had
 */
export type OpenDoor = (config: ListenerConfig, key: string) => Promise<Door>;

/** Of a unix socket, unless the configuration says another. */
export const SOCKET_MODE = 0o660;

/** Listens at a listener's address; gives what `server.address()` says. @throws ListenError */
export function listenAt(
	socket: NetServer,
	{ name, address, socket_mode }: ListenerConfig,
): Promise<AddressInfo | string> {
	return listen(socket, address, `listeners.${name}.address`, socket_mode ?? SOCKET_MODE);
}

/** A socket of this process. */
export const ownSocket: OpenDoor = async (config) => {
	const socket = createServer({ noDelay: true });
	const address = await listenAt(socket, config);
	return new OwnSocket(socket, typeof address === "object" ? address.port : 0);
};

class OwnSocket implements Door {
	readonly port: number;
	readonly #socket: NetServer;
	#server: (Server & CountingServer) | undefined;
	/** Those before it that still have connections: they count for the limit. */
	#earlier: CountingServer[] = [];

	constructor(socket: NetServer, port: number) {
		this.#socket = socket;
		this.port = port;
		socket.on("connection", (accepted: Socket) => this.#accepted(accepted));
		socket.on("error", (error) => this.#server?.emit("error", error));
	}

	serve(server: Server): void {
		if (this.#server) this.#earlier = [...this.#earlier, this.#server].filter((earlier) => earlier._connections > 0);
		this.#server = server as Server & CountingServer;
		// With this event Node begins to look for requests whose head is late.
		server.emit("listening");
	}

	close(): void {
		this.#socket.close();
	}

	#accepted(socket: Socket): void {
		const server = this.#server;
		if (server === undefined || this.#isFull(server)) {
			const { remoteAddress } = socket;
			socket.destroy();
			server?.emit("drop", { remoteAddress });
			return;
		}
		// Until now it was the listening socket's.
		(this.#socket as NetServer & CountingServer)._connections--;
		socket.allowHalfOpen = server.allowHalfOpen === true;
		adopt(server, socket);
	}

	#isFull(server: Server & CountingServer): boolean {
		let open = server._connections;
		for (const earlier of this.#earlier) open += earlier._connections;
		return open >= server.maxConnections;
	}
}

/** What Node's `onconnection` (lib/net.js) reads and counts on a server. Node's types do not have it. */
export interface CountingServer {
	_connections: number;
	readonly allowHalfOpen?: boolean;
	readonly noDelay?: boolean;
}

/** Has a server take a connection that it did not accept itself, counted as Node counts its own: `close` waits for it. */
export function adopt(server: Server & CountingServer, socket: Socket): void {
	server._connections++;
	Object.assign(socket, { server, _server: server });
	server.emit("connection", socket);
}
