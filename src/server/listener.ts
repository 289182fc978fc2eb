/** One listener: the HTTP or HTTPS server that accepts connections and hands requests to the gateway. */
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { ListenerConfig } from "../config/schema.ts";
import { GatewayError } from "../errors.ts";
import { accept } from "../gateway/accept.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { handleHttp } from "../gateway/http.ts";
import { refuseUnread } from "../gateway/unread.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import { listen } from "../protocol/listen.ts";
import type { Certificates } from "./tls.ts";

/** TCP keep-alive probes start after this time of silence; they find a dead peer where Pings are off. */
const KEEP_ALIVE_DELAY_MS = 60_000;
/** How long an idle plain HTTP connection is kept: longer than the polling pause of common clients. */
const HTTP_KEEP_ALIVE_MS = 65_000;
/** Pause between looks for requests whose head is late. */
const CHECK_INTERVAL_MS = 250;

export class Listener {
	/** Resolves when it accepts no more and every connection of it, tunnels included, has ended. */
	readonly drained: Promise<void>;
	readonly #server: Server;
	#config: ListenerConfig;
	#certificates: Certificates | undefined;
	/** How many plain HTTP answers are under way on a socket. */
	readonly #answering = new WeakMap<Socket, number>();

	private constructor(config: ListenerConfig, certificates: Certificates | undefined) {
		this.#config = config;
		this.#certificates = certificates;
		this.#server = makeServer(config, (serverName) => this.#certificates?.contextFor(serverName));
		this.drained = new Promise((resolve) => this.#server.once("close", resolve));
		this.#configure();
	}

	/**
	 * Opens a listener.
	 * @throws ListenError when the address cannot be had
	 */
	static async open(
		config: ListenerConfig,
		certificates: Certificates | undefined,
		gateway: Gateway,
	): Promise<Listener> {
		const listener = new Listener(config, certificates);
		listener.#wire(gateway);
		await listen(listener.#server, config.address, `listeners.${config.name}.address`);
		return listener;
	}

	get name(): string {
		return this.#config.name;
	}

	get certificates(): Certificates | undefined {
		return this.#certificates;
	}

	/** Whether {@link update} can take this over; otherwise the address has to be closed and opened again. */
	canBecome(config: ListenerConfig): boolean {
		return isDeepStrictEqual(fixedSettings(config), fixedSettings(this.#config));
	}

	/** New settings and certificates for connections to come; those that are open notice nothing. */
	update(config: ListenerConfig, certificates: Certificates | undefined): void {
		this.#config = config;
		this.#certificates = certificates;
		this.#configure();
	}

	/** The bound port; 0 for a unix socket. */
	get port(): number {
		const address = this.#server.address();
		return typeof address === "object" && address !== null ? (address as AddressInfo).port : 0;
	}

	/** Stops accepting; idle keep-alive connections end, the others go on. */
	stopAccepting(): void {
		this.#server.close();
		this.#server.closeIdleConnections();
	}

	/** Ends plain HTTP connections too. Handshakes and tunnels are the gateway's. */
	destroy(): void {
		this.#server.close();
		this.#server.closeAllConnections();
	}

	/** What can change while the socket is open. */
	#configure(): void {
		const server = this.#server;
		const { timeouts, max_header_size, max_connections, tls } = this.#config;
		server.headersTimeout = timeouts.request_headers;
		server.maxConnections = max_connections;
		// Read by Node for each new connection; its types only know it as an option.
		Object.assign(server, { maxHeaderSize: max_header_size });
		if (!tls || !this.#certificates) return;
		const { cert, key } = this.#certificates.fallback;
		(server as TlsServer).setSecureContext({ cert, key, minVersion: `TLSv${tls.min_version}` });
	}

	#wire(gateway: Gateway): void {
		const server = this.#server;
		server.on("connection", (socket: Socket) => {
			// Before anything else: a reset at any later step must find a handler.
			socket.on("error", ignoreError);
			socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
		});
		server.on("secureConnection", (socket: Socket) => socket.on("error", ignoreError));
		server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: Socket) => {
			// A load balancer's TCP probe connects and leaves: nothing went wrong.
			const left = error.code === "ECONNRESET";
			refuseUnread(gateway, this.name, socket, left ? undefined : new GatewayError("TLS_FAILED", tlsReason(error)));
		});
		server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
			refuseUnread(gateway, this.name, socket as Socket, unreadableRequest(error));
		});
		server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
			const error = new GatewayError("METHOD_NOT_ALLOWED", "CONNECT is not possible here", {
				hint: "this is not a forward proxy; CONNECT is not possible",
				headers: { Allow: "GET" },
			});
			refuseUnread(gateway, this.name, socket as Socket, error);
		});
		server.on("request", (request: IncomingMessage, response: ServerResponse) => {
			this.#countAnswer(request.socket, response);
			void handleHttp(gateway, this.name, request, response);
		});
		server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
			if (this.#answering.has(socket as Socket)) {
				// Pipelined behind a request whose answer would end up inside the tunnel.
				const hint = "an upgrade must wait for the answers to earlier requests on its connection";
				refuseUnread(gateway, this.name, socket as Socket, new GatewayError("BAD_REQUEST", hint, { hint }), false);
			} else if (wantsWebSocket(request.headers)) void accept(gateway, this.name, request, socket as Socket, head);
			else ignoreUpgrade(gateway, this.name, request, socket as Socket);
		});
	}

	#countAnswer(socket: Socket, response: ServerResponse): void {
		this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1);
		response.once("close", () => {
			const left = (this.#answering.get(socket) ?? 1) - 1;
			if (left > 0) this.#answering.set(socket, left);
			else this.#answering.delete(socket);
		});
	}
}

/** What Node fixes when a server is made. */
function fixedSettings({ timeouts, tls }: ListenerConfig): unknown {
	return { tlsHandshake: tls && timeouts.tls_handshake };
}

function makeServer(config: ListenerConfig, contextFor: (serverName: string) => SecureContext | undefined): Server {
	const options = {
		connectionsCheckingInterval: CHECK_INTERVAL_MS,
		keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
		noDelay: true,
		// Where Node can be asked (24.9 and newer), another protocol's Upgrade is ignored as RFC 9110 §7.8 allows.
		shouldUpgradeCallback: (request: IncomingMessage) => wantsWebSocket(request.headers),
	};
	if (!config.tls) return createServer(options);
	const tlsOptions = {
		...options,
		allowHalfOpen: true,
		handshakeTimeout: config.timeouts.tls_handshake,
		ALPNProtocols: ["http/1.1"],
		SNICallback: (serverName: string, done: (error: null, context?: SecureContext) => void) =>
			done(null, contextFor(serverName)),
	};
	return createTlsServer(tlsOptions);
}

/**
 * A request that asks for another protocol (`h2c` from Java's client on every request) is answered as if it had not:
 * older Node versions took it out of HTTP parsing, so its answer is written by hand and closes the connection.
 */
function ignoreUpgrade(gateway: Gateway, listener: string, request: IncomingMessage, socket: Socket): void {
	const length = request.headers["content-length"];
	if (request.headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) > 0)) {
		const hint = "Upgrade is only possible to websocket; a request with a body must not ask for anything else";
		refuseUnread(gateway, listener, socket, new GatewayError("BAD_REQUEST", hint, { hint }));
		return;
	}
	const response = new ServerResponse(request);
	response.shouldKeepAlive = false;
	response.assignSocket(socket);
	response.on("finish", () => {
		response.detachSocket(socket);
		socket.destroySoon();
	});
	socket.resume();
	request.push(null);
	void handleHttp(gateway, listener, request, response);
}

function unreadableRequest(error: NodeJS.ErrnoException): GatewayError | undefined {
	switch (error.code) {
		case "HPE_HEADER_OVERFLOW":
			return new GatewayError("HEADERS_TOO_LARGE");
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return new GatewayError("HEADERS_TIMEOUT");
		case "ECONNRESET":
		case "EPIPE":
			return undefined;
		default:
			return new GatewayError("BAD_REQUEST", error.message.replace(/^Parse Error: /, ""));
	}
}

/** What OpenSSL says, without its numbers and file names. */
function tlsReason(error: NodeJS.ErrnoException & { reason?: string }): string {
	return `the TLS handshake failed: ${error.reason ?? error.code ?? error.message}`;
}

function ignoreError(): void {
	// Whoever owns the socket at that time sees its `close`.
}
