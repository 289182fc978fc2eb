/** One listener: the HTTP or HTTPS server that accepts connections and hands requests to the gateway. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { ListenerConfig } from "../config/schema.ts";
import { GatewayError } from "../errors.ts";
import { accept } from "../gateway/accept.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { handleHttp } from "../gateway/http.ts";
import { refuseDropped, refuseUnread } from "../gateway/unread.ts";
import { AddressRanges } from "../options.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import { reservedFromClients } from "../sockets/descriptors.ts";
import { descriptorOf } from "../sockets/direct-write.ts";
import type { Door } from "./door.ts";
import { type Dropped, outOfDescriptors } from "./dropped.ts";
import { fixedSettings, makeServer } from "./node-server.ts";
import { putBack } from "./other-upgrade.ts";
import { type ProxyHeaderSettings, ProxyHeaders } from "./proxy-protocol.ts";
import { encodeTarget } from "./raw-target.ts";
import type { Certificates } from "./tls.ts";
import { certificateFailure, knowsPeer, tlsFailure } from "./tls-failure.ts";
import { Underway } from "./underway.ts";
import { unreadableBody, unreadableRequest } from "./unreadable.ts";

export class Listener {
	/** Resolves when it accepts no more and every connection of it, tunnels included, has ended. */
	readonly drained: Promise<void>;
	readonly #server: Server;
	#config: ListenerConfig;
	#certificates: Certificates | undefined;
	/** Node's own handler of a connection that speaks HTTP. */
	readonly #serve: (socket: Socket) => void;
	/** The plain HTTP answers that are under way: one at a time on a connection. */
	readonly #underway = new Map<Socket, Underway>();
	/** Requests that were answered before their body had ended. */
	readonly #answeredEarly = new WeakMap<Socket, IncomingMessage>();
	/** Sockets that were told what is wrong: whatever else comes from them is not looked at. */
	readonly #refused = new WeakSet<Socket>();
	#proxyHeaders: ProxyHeaders | undefined;
	#proxyHeaderSettings!: ProxyHeaderSettings;
	#door: Door | undefined;
	#port = 0;

	/** Nobody can connect until it has a {@link serveAt door}. */
	constructor(config: ListenerConfig, certificates: Certificates | undefined, gateway: Gateway) {
		this.#config = config;
		this.#certificates = certificates;
		this.#server = makeServer(config, () => this.#certificates);
		const [serve] = this.#server.listeners(config.tls ? "secureConnection" : "connection");
		this.#serve = (socket) => serve?.call(this.#server, socket);
		this.drained = new Promise((resolve) => this.#server.once("close", resolve));
		this.#configure();
		this.#wire(gateway);
	}

	/** Connections come in by this door from now on. */
	serveAt(door: Door): void {
		this.#door = door;
		this.#port = door.port;
		door.serve(this.#server);
	}

	/** Whether it has a door. */
	get open(): boolean {
		return this.#door !== undefined;
	}

	/** Connections to come go to `successor`, which serves at the same address with other settings. */
	handOver(successor: Listener): void {
		const door = this.#door;
		this.#door = undefined;
		if (door) successor.serveAt(door);
	}

	/** Frees the address; what is open goes on, and {@link serveAt} may follow. */
	closeDoor(): void {
		this.#door?.close();
		this.#door = undefined;
	}

	get name(): string {
		return this.#config.name;
	}

	get certificates(): Certificates | undefined {
		return this.#certificates;
	}

	get config(): ListenerConfig {
		return this.#config;
	}

	/** Whether {@link update} can take this over; otherwise another one has to serve at the address. */
	canBecome(config: ListenerConfig): boolean {
		return isDeepStrictEqual(fixedSettings(config), fixedSettings(this.#config));
	}

	/** New settings and certificates for connections to come; those that are open notice nothing. */
	update(config: ListenerConfig, certificates: Certificates | undefined): void {
		this.#config = config;
		this.#certificates = certificates;
		this.#configure();
	}

	/** Session tickets are encrypted with the present keys from now on. */
	renewTicketKeys(): void {
		if (this.#certificates) (this.#server as TlsServer).setTicketKeys(this.#certificates.ticketKeys);
	}

	/** The bound port, also after its door was closed; 0 for a unix socket. */
	get port(): number {
		return this.#port;
	}

	/** Most bytes of a request's head. */
	get maxHeaderSize(): number {
		return this.#config.max_header_size;
	}

	/** Stops accepting; idle keep-alive connections end, the others go on. */
	stopAccepting(): void {
		this.closeDoor();
		this.#server.close();
		this.#server.closeIdleConnections();
	}

	/** Closes idle connections; returns how many plain HTTP answers are under way. */
	busy(): number {
		this.#server.closeIdleConnections();
		return this.#underway.size;
	}

	/** Ends plain HTTP connections too. Handshakes and tunnels are the gateway's. */
	destroy(): void {
		this.closeDoor();
		this.#server.close();
		this.#proxyHeaders?.destroy();
		this.#server.closeAllConnections();
		// A connection whose next request has to wait is not the server's at that time.
		for (const socket of this.#underway.keys()) socket.destroy();
	}

	/** What can change while the socket is open. */
	#configure(): void {
		const server = this.#server;
		const { timeouts, max_header_size, max_connections, proxy_protocol, address } = this.#config;
		this.#proxyHeaderSettings = {
			trusted: proxy_protocol && new AddressRanges(proxy_protocol.trusted),
			unix: address.path !== undefined,
			timeout: timeouts.request_headers,
		};
		server.headersTimeout = timeouts.request_headers;
		// A body may take as long as it moves: `timeouts.idle` of its route counts.
		server.requestTimeout = 0;
		server.maxConnections = max_connections;
		// Node leaves out what is beyond its limit without a word; the size of the head is limited already.
		server.maxHeadersCount = 0;
		// Read by Node for each new connection; its types only know it as an option.
		Object.assign(server, { maxHeaderSize: max_header_size });
		if (this.#certificates) (server as TlsServer).setSecureContext(this.#certificates.serverOptions);
	}

	/**
	 * Asks for the peer's address, which is then remembered: a client that has left meanwhile must not pass for a unix
	 * socket's peer, which has none and is trusted. Returns false, with the socket destroyed, when it is gone already.
	 */
	#rememberPeer(socket: Socket): boolean {
		if (socket.remoteAddress !== undefined || this.#proxyHeaderSettings.unix) return true;
		socket.destroy();
		return false;
	}

	#wire(gateway: Gateway): void {
		const server = this.#server;
		const proxyHeaders = new ProxyHeaders(
			server,
			() => this.#proxyHeaderSettings,
			(socket, error) => refuseUnread(gateway, this.name, socket, error, this.#config.tls === undefined),
		);
		this.#proxyHeaders = proxyHeaders;
		server.on("connection", (socket: Socket) => {
			// Before anything else: a reset at any later step must find a handler.
			socket.on("error", ignoreError);
			if (!this.#rememberPeer(socket) || !reservedFromClients(descriptorOf(socket))) return;
			const { remoteAddress } = socket;
			socket.destroy();
			server.emit("drop", { remoteAddress, reason: outOfDescriptors() });
		});
		// A connection that could not be accepted; the next one may be.
		server.on("error", (error) => {
			gateway.events.notice("error", "internal.error", { message: error.message, where: `listener ${this.name}` });
		});
		server.on("drop", (dropped?: Dropped) => {
			const reason = dropped?.reason ?? `max_connections of listener ${this.name} is reached`;
			refuseDropped(gateway, this.name, dropped?.remoteAddress, reason);
		});
		const handOver = server.listeners("secureConnection") as ((this: Server, socket: TLSSocket) => void)[];
		server.removeAllListeners("secureConnection");
		server.on("secureConnection", (socket: TLSSocket) => {
			socket.on("error", ignoreError);
			// Each is a whole handshake for the gateway, and nothing for the client. Whoever owns the socket gets an error.
			socket.disableRenegotiation();
			if (!this.#rememberPeer(socket)) return;
			proxyHeaders.adopt(socket);
			// With `require` Node has closed the connection itself by now. The first request may have come with the
			// certificate: HTTP must not begin.
			const failure = this.#config.tls?.client_auth === "none" ? undefined : certificateFailure(socket);
			if (failure === undefined) for (const handler of handOver) handler.call(server, socket);
			else this.#refuse(gateway, socket, new GatewayError("TLS_FAILED", failure));
		});
		// Node's own would report it a second time, as `clientError`.
		server.removeAllListeners("tlsClientError");
		server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
			proxyHeaders.adopt(socket);
			const words = tlsFailure(error, socket);
			const failure = words === undefined ? undefined : new GatewayError("TLS_FAILED", words);
			this.#refuse(gateway, knowsPeer(socket), failure);
		});
		server.on("clientError", (error: NodeJS.ErrnoException, duplex: Duplex) => {
			const socket = duplex as Socket;
			const underway = this.#underway.get(socket);
			// The rest of a body whose request has its answer: a second one would be nobody's.
			if (underway === undefined && this.#answeredEarly.get(socket)?.complete === false) {
				socket.destroy();
				return;
			}
			if (underway === undefined && !this.#refused.has(socket) && encodeTarget(socket, error)) {
				this.#serve(socket);
				return;
			}
			const failure = unreadableRequest(error, socket);
			// The body of a request that is being answered: its own line tells what became of it.
			if (underway?.request.complete === false) underway.request.destroy(unreadableBody(error));
			else if (underway && failure && failure.code !== "TLS_FAILED")
				underway.thenRefuse(() => this.#refuse(gateway, socket, failure));
			else this.#refuse(gateway, socket, failure);
		});
		server.on("connect", (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
			const socket = duplex as Socket;
			if (this.#mustWait(request, socket, head)) return;
			const error = new GatewayError("METHOD_NOT_ALLOWED", "CONNECT is not possible here", {
				hint: "this is not a forward proxy; CONNECT is not possible",
				headers: { Allow: "GET" },
			});
			this.#refuse(gateway, socket, error);
		});
		const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
			const { socket } = request;
			if (this.#refused.has(socket) || this.#underway.has(socket)) {
				socket.destroy();
				return;
			}
			const underway = new Underway(request, response, () => this.#underway.has(socket));
			this.#underway.set(socket, underway);
			response.once("close", () => {
				this.#underway.delete(socket);
				if (!request.complete) this.#answeredEarly.set(socket, request);
				underway.finish(() => this.#serve(socket));
			});
			void handleHttp(gateway, this, request, response);
		};
		server.on("request", onRequest);
		// An expectation that nobody knows may be ignored (RFC 9110 §10.1.1); Node would answer it without a word to us.
		server.on("checkExpectation", onRequest);
		server.on("upgrade", (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
			const socket = duplex as Socket;
			if (this.#mustWait(request, socket, head)) return;
			if (this.#refused.has(socket)) {
				socket.destroy();
			} else if (wantsWebSocket(request.headers)) {
				void accept(gateway, this, request, socket, head);
			} else {
				putBack(request, socket, head);
				this.#serve(socket);
			}
		});
	}

	/** Whether a request came behind one that is being answered; its connection is then held until it is its turn. */
	#mustWait(request: IncomingMessage, socket: Socket, head: Buffer): boolean {
		const underway = this.#underway.get(socket);
		underway?.hold(request, head);
		return underway !== undefined;
	}

	/** Once for each connection: a parser that failed fails again with every further byte. */
	#refuse(gateway: Gateway, socket: Socket, error: GatewayError | undefined): void {
		if (this.#refused.has(socket)) return;
		this.#refused.add(socket);
		refuseUnread(gateway, this.name, socket, error);
	}
}

function ignoreError(): void {
	// Whoever owns the socket at that time sees its `close`.
}
