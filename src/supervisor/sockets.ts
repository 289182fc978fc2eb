/** The listening sockets of all workers. They are the supervisor's, so that they stay open whatever happens to workers. */
import type { Server } from "node:http";
import { createServer, type Server as NetServer } from "node:net";
import type { ListenerConfig } from "../config/schema.ts";
import { listen } from "../protocol/listen.ts";
import type { Door } from "../server/door.ts";
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
	server: Server;
	door: Door;
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
	readonly open = async (server: Server, config: ListenerConfig, key: string): Promise<Door> => {
		// It is being closed and opened again with other settings: nobody has to be turned away meanwhile.
		const known = this.#opened.get(key);
		if (known) {
			const door = this.#doorOf(key, known.port);
			Object.assign(known, { server, door });
			return door;
		}
		const socket = createServer();
		const address = await listen(socket, config.address, `listeners.${config.name}.address`);
		const port = typeof address === "object" ? address.port : 0;
		const door = this.#doorOf(key, port);
		const opened = { socket, port, server, door };
		this.#opened.set(key, opened);
		this.#handout.hold(key);
		// As Node's cluster does it: a `net.Socket` that is only passed on would cost more than passing it on.
		const handle = listeningHandle(socket);
		handle.onconnection = (_error, accepted) => {
			// Without a handle the connection was gone before it could be accepted.
			if (accepted) this.#accepted(key, opened, accepted);
		};
		return door;
	};

	#doorOf(key: string, port: number): Door {
		const door = {
			port,
			// Only if it is not opened again by the same change.
			close: () => void setImmediate(() => this.#close(key, door)),
		};
		return door;
	}

	#close(key: string, door: Door): void {
		const opened = this.#opened.get(key);
		if (opened?.door !== door) return;
		this.#opened.delete(key);
		opened.socket.close();
		this.#handout.drop(key);
	}

	/** Leaves a line about a connection that is closed because no worker can take it. */
	unserved(key: string, handle: AcceptedHandle, why: Unserved): void {
		const opened = this.#opened.get(key);
		if (opened) tellDropped(opened.server, handle, UNSERVED[why]);
	}

	#accepted(key: string, { server }: Opened, handle: AcceptedHandle): void {
		const reserved = reservedFromClients(handle.fd);
		if (!reserved && this.#handout.count(key) < server.maxConnections) {
			this.#handout.give(key, handle);
			return;
		}
		tellDropped(server, handle, reserved ? outOfDescriptors() : undefined);
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
