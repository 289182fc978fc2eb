/** Socket.IO servers and clients for tests of stickiness. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { onTestFinished } from "vitest";
import { listen } from "../harness/ws-backend.ts";

/** A server that says its name to each client and on `where`. */
export async function startServer(name: string) {
	const http = createServer();
	// A long poll that nobody needs any more ends with the next ping; a gateway that stops waits for it.
	const server = new Server(http, { pingInterval: 1_000 });
	server.on("connection", (socket) => {
		socket.emit("hello", name);
		socket.on("where", (answer: (name: string, transport: string) => void) => answer(name, socket.conn.transport.name));
		socket.on("echo", (data: unknown, answer: (data: unknown) => void) => answer(data));
	});
	const { port } = await listen(http, () => void server.disconnectSockets(true));
	return { url: `ws://127.0.0.1:${port}`, server };
}

/** What clients complain about. */
export interface Problems {
	list: string[];
}

/** Connects a client that does not reconnect; it is disconnected at the end of the test. */
export function connect(url: string, problems: Problems, options: Record<string, unknown>): Socket {
	const socket = io(url, { forceNew: true, reconnection: false, ...options });
	onTestFinished(() => void socket.disconnect());
	socket.on("connect_error", (error) => {
		const { description, context } = error as { description?: unknown; context?: { responseText?: string } };
		problems.list.push(`connect_error: ${error.message} ${String(description)} ${context?.responseText ?? ""}`);
	});
	// A failed upgrade is not an error for the client: it stays on polling and says so here only.
	socket.io.engine.on("upgradeError", (error) => problems.list.push(`upgradeError: ${String(error)}`));
	return socket;
}
