/** The listening sockets of all workers. They are the supervisor's, so that they stay open whatever happens to workers. */
import type { Server } from "node:http";
import { createServer, type Server as NetServer } from "node:net";
import type { ListenerConfig } from "../config/schema.ts";
import { type Door, listenAt } from "../server/door.ts";
import { type Dropped, outOfDescriptors } from "../server/dropped.ts";
import type { SocketHandle } from "../server/handed-over.ts";
import { reservedFromClients } from "../sockets/descriptors.ts";
import type { Handout, Unserved } from "./handout.ts";

/** An accepted connection's handle, before it is a socket. */
interface AcceptedHandle extends SocketHandle {
	getpeername?(into: { address?: string }): number;
}

interface ListeningHandle {
	onconnection(error: number, handle: AcceptedHandle | undefined): void;
}

/**
 * Node does not document it, but its own `cluster` stands on it.
 * @throws Error on a Node version that has changed it
 */
function listeningHandle(server: NetServer): ListeningHandle {
	const { _handle: handle } = server as unknown as { _handle?: Partial<ListeningHandle> | null };
	if (typeof handle?.onconnection === "function") return handle as ListeningHandle;
	server.close();
	throw new Error(`Node ${process.version} has no way to hand connections to workers; set workers: 1`);
}

const UNSERVED: Readonly<Record<Unserved, string>> = {
	full: "every worker is at its limit of open files; raise it (ulimit -n)",
	impatient: "no worker could take the connection in time",
};

interface Opened {
	readonly socket: NetServer;
	readonly port: number;
	/** The server that has the listener's settings. */
	server?: Server;
}

export class ListeningSockets {
	readonly #handout: Handout;
	/** By the listener's key. */
	readonly #opened = new Map<string, Opened>();

	constructor(handout: Handout) {
		this.#handout = handout;
	}

	/** Where each listener is bound, by its key. */
	ports(): Record<string, number> {
		return Object.fromEntries([...this.#opened].map(([key, { port }]) => [key, port]));
	}

	/** {@link OpenDoor}: what comes in is handed out, as long as `server.maxConnections` allows. */
	readonly open = async (config: ListenerConfig, key: string): Promise<Door> => {
		const socket = createServer();
		const address = await listenAt(socket, config);
		const opened: Opened = { socket, port: typeof address === "object" ? address.port : 0 };
		this.#opened.set(key, opened);
		this.#handout.hold(key);
		// As Node's cluster does it: a `net.Socket` that is only passed on would cost more than passing it on.
		const handle = listeningHandle(socket);
		handle.onconnection = (_error, accepted) => {
			// Without a handle the connection was gone before it could be accepted.
			if (accepted) this.#accepted(key, opened, accepted);
		};
		return {
			port: opened.port,
			serve: (server) => {
				opened.server = server;
			},
			close: () => {
				socket.close();
				if (this.#opened.get(key) !== opened) return;
				this.#opened.delete(key);
				this.#handout.drop(key);
			},
		};
	};

	/** Leaves a line about a connection that is closed because no worker can take it. */
	unserved(key: string, handle: AcceptedHandle, why: Unserved): void {
		const server = this.#opened.get(key)?.server;
		if (server) tellDropped(server, handle, UNSERVED[why]);
	}

	#accepted(key: string, { server }: Opened, handle: AcceptedHandle): void {
		const reserved = reservedFromClients(handle.fd);
		if (!reserved && (server === undefined || this.#handout.count(key) < server.maxConnections)) {
			this.#handout.give(key, handle);
			return;
		}
		if (server) tellDropped(server, handle, reserved ? outOfDescriptors() : undefined);
		handle.close();
	}
}

/** As Node's own `drop`, with a reason of ours. */
function tellDropped(server: Server, handle: AcceptedHandle, reason: string | undefined): void {
	const peer: { address?: string } = {};
	handle.getpeername?.(peer);
	const dropped: Dropped = { remoteAddress: peer.address, reason };
	server.emit("drop", dropped);
}
