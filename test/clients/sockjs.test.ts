/** SockJS: the WebSocket transport, and the plain HTTP ones it falls back to. */
/// <reference path="./sockjs-modules.d.ts" />
import { createServer } from "node:http";
import sockjs, { type Connection } from "sockjs";
import SockJS from "sockjs-client";
import { expect, onTestFinished, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { listen } from "../harness/ws-backend.ts";

async function startServer(name: string) {
	const connections: Connection[] = [];
	const echo = sockjs.createServer({ log: () => {} });
	echo.on("connection", (connection) => {
		if (!connection) return;
		connections.push(connection);
		connection.write(`hello from ${name}`);
		connection.on("data", (text) => connection.write(`${connection.protocol}: ${text}`));
	});
	const http = createServer();
	echo.installHandlers(http, { prefix: "/echo" });
	const { port } = await listen(http);
	return { url: `http://127.0.0.1:${port}`, connections };
}

async function start() {
	const one = await startServer("one");
	const two = await startServer("two");
	// A SockJS session lives in one server: the usual way without cookies is to hash the client's address.
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: ["${one.url}", "${two.url}"]
				load_balancing: { policy: consistent_hash, hash_on: [client_ip] }
		routes: [{ match: { path_prefix: /echo }, upstream: app }]
	`);
	return { one, two, gateway };
}

function connect(url: string, transport: string) {
	const socket = new SockJS(url, null, { transports: transport });
	const messages: string[] = [];
	const state: { closed: { code: number; reason: string } | undefined } = { closed: undefined };
	socket.onmessage = (event) => void messages.push(event.data);
	socket.onclose = ({ code, reason }) => {
		state.closed = { code, reason };
	};
	onTestFinished(() => socket.close());
	return { socket, messages, state };
}

test.each(["websocket", "xhr-streaming", "xhr-polling"])("an echo over %s", async (transport) => {
	const { gateway, one, two } = await start();
	const { socket, messages, state } = connect(gateway.url("/echo", "http"), transport);
	await until(() => messages.length > 0 || state.closed, { what: "the server's hello" });
	expect(state.closed).toBeUndefined();
	expect(socket.transport).toBe(transport);
	for (let i = 0; i < 20; i++) socket.send(`message ${i}`);
	await until(() => messages.length === 21 || state.closed, { what: "20 echoes" });
	expect(messages.slice(1)).toEqual(Array.from({ length: 20 }, (_, i) => `${transport}: message ${i}`));
	expect(one.connections.length + two.connections.length).toBe(1);
	expect(gateway.lines.of("ws.open")).toHaveLength(transport === "websocket" ? 1 : 0);

	// The server ends it: SockJS tells the client in a frame of its own, over whichever transport.
	(one.connections[0] ?? two.connections[0])?.close(3333, "that is all");
	await until(() => state.closed, { what: "the close event" });
	expect(state.closed).toEqual({ code: 3333, reason: "that is all" });
	await gateway.expectQuiet();
});
