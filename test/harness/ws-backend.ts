/** A backend made with the `ws` library: a correct server for tests whose subject is the gateway, not the wire. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";

export interface WsBackend {
	readonly port: number;
	/** `ws://127.0.0.1:port` */
	readonly url: string;
	/** `127.0.0.1:port`: the endpoint's name in log lines. */
	readonly id: string;
	/** Every socket so far, in order. */
	readonly sockets: WebSocket[];
	/** The handshake request of each socket. */
	readonly requests: IncomingMessage[];
	readonly server: Server;
	close(): Promise<void>;
}

export interface WsBackendOptions extends Omit<ServerOptions, "port" | "server" | "noServer"> {
	/** What to do with a socket; default: send every message back. */
	onConnection?: (socket: WebSocket, request: IncomingMessage) => void;
	/** Answers plain HTTP; default 404. */
	onRequest?: RequestListener;
}

/** Starts it on a free loopback port; it closes itself at the end of the test. */
export async function startWsBackend(options: WsBackendOptions = {}): Promise<WsBackend> {
	const { onConnection, onRequest, ...serverOptions } = options;
	const sockets: WebSocket[] = [];
	const requests: IncomingMessage[] = [];
	const server = createServer(onRequest ?? ((_, response) => response.writeHead(404).end()));
	const webSockets = new WebSocketServer({ ...serverOptions, server });
	webSockets.on("connection", (socket, request) => {
		sockets.push(socket);
		requests.push(request);
		socket.on("error", () => {});
		if (onConnection) onConnection(socket, request);
		else socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
	});
	const { port, close } = await listen(server, () => {
		for (const socket of webSockets.clients) socket.terminate();
	});
	return { port, url: `ws://127.0.0.1:${port}`, id: `127.0.0.1:${port}`, sockets, requests, server, close };
}

/** Lets an HTTP server listen on a free loopback port; closed, with every connection, at the end of the test. */
export async function listen(
	server: Server,
	beforeClose?: () => void | Promise<void>,
): Promise<{ port: number; close(): Promise<void> }> {
	const sockets = new Set<import("node:net").Socket>();
	server.on("connection", (socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	let closed: Promise<void> | undefined;
	const close = (): Promise<void> => {
		closed ??= (async () => {
			await beforeClose?.();
			const ended = new Promise<void>((resolve) => server.close(() => resolve()));
			for (const socket of sockets) socket.destroy();
			await ended;
		})();
		return closed;
	};
	onTestFinished(close);
	return { port: (server.address() as AddressInfo).port, close };
}
