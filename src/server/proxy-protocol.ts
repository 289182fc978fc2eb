/**
 * PROXY headers of a listener's connections (`listeners[].proxy_protocol`), read before anything else, TLS included.
 *
 * A trusted peer has to send one. Anybody else's connection is taken as it is: there a header is just bytes that are
 * neither HTTP nor TLS, so that nobody can choose the address that is logged and limited.
 */
import type { Server, Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import { setProxied } from "../gateway/proxied.ts";
import { type AddressRanges, normaliseIp } from "../options.ts";
import { type ProxiedAddress, parseProxyHeader } from "../protocol/proxy-protocol.ts";

export interface ProxyHeaderSettings {
	/** Whose connections begin with a header; undefined = nobody's. */
	readonly trusted: AddressRanges | undefined;
	/** The listener is a unix socket: who can open it is trusted. */
	readonly unix: boolean;
	/** For the header to arrive, ms. */
	readonly timeout: number;
}

type ConnectionHandler = (this: Server, socket: Socket) => void;

export class ProxyHeaders {
	readonly #settings: () => ProxyHeaderSettings;
	readonly #refused: (socket: Socket, error: GatewayError) => void;
	/** Connections whose header has not come yet. */
	readonly #waiting = new Set<Socket>();
	/** What was said, by the four numbers of the TCP connection: TLS makes another socket object of it. */
	readonly #told = new Map<string, ProxiedAddress>();

	/**
	 * Takes new connections from the server's own handlers until their header was read. Has to come right after the
	 * server was made, and listeners for `connection` that shall see every connection at once after it.
	 *
	 * @param settings asked for each new connection
	 * @param refused gets the sockets of those that sent no valid header in time
	 */
	constructor(
		server: Server,
		settings: () => ProxyHeaderSettings,
		refused: (socket: Socket, error: GatewayError) => void,
	) {
		this.#settings = settings;
		this.#refused = refused;
		const handlers = server.listeners("connection") as ConnectionHandler[];
		server.removeAllListeners("connection");
		server.on("connection", (socket: Socket) => {
			this.#accept(socket, () => {
				for (const handler of handlers) handler.call(server, socket);
			});
		});
	}

	/** A TLS socket was made of a connection: takes over what its header said. */
	adopt(tlsSocket: Socket): void {
		const told = this.#told.get(keyOf(tlsSocket));
		if (told) setProxied(tlsSocket, told);
	}

	/** Ends the connections whose header has not come yet. */
	destroy(): void {
		for (const socket of this.#waiting) socket.destroy();
	}

	#accept(socket: Socket, handOver: () => void): void {
		const { trusted, unix, timeout } = this.#settings();
		if (trusted === undefined) {
			handOver();
			return;
		}
		const peer = normaliseIp(socket.remoteAddress ?? "");
		// Gone already: without its address nobody can say what it may do.
		if (peer === "" && !unix) socket.destroy();
		else if (unix || trusted.has(peer)) this.#read(socket, timeout, handOver);
		else handOver();
	}

	#read(socket: Socket, timeout: number, handOver: () => void): void {
		let received: Buffer = Buffer.alloc(0);
		const done = (): void => {
			clearTimeout(timer);
			this.#waiting.delete(socket);
			socket.off("readable", onReadable).off("end", onEnd).off("close", done);
		};
		const fail = (error: GatewayError): void => {
			done();
			socket.on("error", ignoreError);
			this.#refused(socket, error);
		};
		const onEnd = (): void => {
			// A load balancer's TCP check connects and leaves: nothing went wrong.
			if (received.length > 0) fail(invalid("the connection ended inside it"));
			else {
				done();
				socket.destroy();
			}
		};
		const onReadable = (): void => {
			for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
				received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
			}
			let header: ReturnType<typeof parseProxyHeader>;
			try {
				header = parseProxyHeader(received);
			} catch (error) {
				fail(error as GatewayError);
				return;
			}
			if (header === undefined) return;
			done();
			const { address, length } = header;
			if (address) this.#note(socket, address);
			// After the stream has noticed that nobody waits for `readable` any more.
			process.nextTick(() => {
				if (socket.destroyed) return;
				if (received.length > length) socket.unshift(received.subarray(length));
				handOver();
			});
		};
		const timer = setTimeout(() => {
			if (received.length === 0) {
				done();
				socket.destroy();
				return;
			}
			const words = `no PROXY protocol header came within ${timeout} ms`;
			fail(new GatewayError("HEADERS_TIMEOUT", words, { hint: "the PROXY protocol header did not arrive in time" }));
		}, timeout);
		this.#waiting.add(socket);
		socket.on("readable", onReadable).on("end", onEnd).on("close", done);
	}

	#note(socket: Socket, address: ProxiedAddress): void {
		setProxied(socket, address);
		const key = keyOf(socket);
		this.#told.set(key, address);
		socket.once("close", () => this.#told.delete(key));
	}
}

/** Whether bytes that are not HTTP look like a header that was not expected: worth a word in the log. */
export function startsLikeProxyHeader(bytes: Buffer | undefined): boolean {
	const start = bytes?.toString("latin1", 0, 12) ?? "";
	return start.startsWith("PROXY ") || start === "\r\n\r\n\0\r\nQUIT\n";
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
	return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function invalid(what: string): GatewayError {
	return new GatewayError("PROXY_HEADER_INVALID", `PROXY protocol header: ${what}`);
}

function ignoreError(): void {
	// It is being closed; whether the peer takes part is its own affair.
}
