/** Connections for plain HTTP to the endpoints of one upstream, kept alive between requests. */
import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import { GatewayError } from "../errors.ts";
import { KEPT_MS } from "../sockets/kept.ts";
import { endpointId } from "../upstreams/endpoint.ts";
import { openSocket, type SocketOptions, startTimer } from "../upstreams/socket.ts";

const MAX_IDLE = 64;
const TCP_KEEP_ALIVE_MS = 60_000;

/** Where a request goes; travels with its options to {@link BackendAgent.createConnection}. */
export interface Dialling extends SocketOptions {
	/** Milliseconds until a request can be sent, TLS included; OFF = no limit. */
	readonly readyTimeout: number;
	/** Gives the connection attempt up; set while one is under way. */
	cancel?: (() => void) | undefined;
}

type Options = ClientRequestArgs & { dialling?: Dialling };

/**
 * Opens connections like a dial does, TLS included. A request is given its connection only when that is ready, so that
 * after a failed connect its body is still unread and another endpoint can be tried.
 */
export class BackendAgent extends Agent {
	#closed = false;

	/** @param keepAlive false: each request has a connection of its own */
	constructor(keepAlive: boolean) {
		super({ keepAlive, keepAliveMsecs: TCP_KEEP_ALIVE_MS, maxFreeSockets: MAX_IDLE, timeout: KEPT_MS });
	}

	override createConnection(
		options: Options,
		callback?: (error: Error | null, stream: Duplex) => void,
	): Duplex | null | undefined {
		const dialling = options.dialling as Dialling;
		const done = callback as (error: Error | null, stream?: Duplex) => void;
		const end = (error: GatewayError | null, socket?: Duplex): void => {
			clearTimeout(timer);
			dialling.cancel = undefined;
			done(error, socket);
		};
		const cancel = openSocket(dialling, (error, socket) => {
			// As http.Agent expects of its connections: a FIN takes an idle one out of the pool.
			if (socket !== undefined) socket.allowHalfOpen = false;
			end(error ?? null, socket);
		});
		const timer = startTimer(dialling.readyTimeout, () => {
			cancel();
			const words = `${endpointId(dialling.address)}: not connected within ${dialling.readyTimeout} ms`;
			end(new GatewayError("HANDSHAKE_TIMEOUT", words, { retry: "handshake_timeout" }));
		});
		dialling.cancel = () => {
			cancel();
			end(new GatewayError("CLIENT_GONE"));
		};
		return undefined;
	}

	override getName(options: Options): string {
		const { address } = options.dialling as Dialling;
		return `${address.secure ? "tls" : "tcp"}:${endpointId(address)}`;
	}

	override keepSocketAlive(socket: Duplex): boolean {
		return !this.#closed && (super.keepSocketAlive(socket) as unknown as boolean);
	}

	/** Closes idle connections now, and the others when their request is done. */
	close(): void {
		this.#closed = true;
		for (const sockets of Object.values(this.freeSockets)) {
			for (const socket of sockets ?? []) socket.destroy();
		}
	}
}
