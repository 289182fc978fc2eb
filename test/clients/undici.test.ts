/** WebSocket clients with the browser's API: undici's and, where this Node has one, Node's own. */
import { once } from "node:events";
import { WebSocket as UndiciWebSocket } from "undici";
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { within } from "../harness/poll.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

type Implementation = typeof UndiciWebSocket;

const implementations: [string, Implementation][] = [["undici", UndiciWebSocket]];
const own = (globalThis as { WebSocket?: Implementation }).WebSocket;
if (own) implementations.push(["Node's own", own]);

test.each(implementations)("%s WebSocket: subprotocol, text, binary, clean close", async (_, Socket) => {
	const backend = await startWsBackend({
		perMessageDeflate: true,
		handleProtocols: (offered) => (offered.has("chat.v2") ? "chat.v2" : false),
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: /ws }, upstream: app }]
	`);
	const socket = new Socket(gateway.url("/ws"), ["chat.v1", "chat.v2"]);
	socket.binaryType = "arraybuffer";
	const received: unknown[] = [];
	const gotBoth = new Promise<void>((resolve) => {
		socket.addEventListener("message", (event) => {
			received.push(event.data);
			if (received.length === 2) resolve();
		});
	});
	await within(once(socket, "open"), { what: "the WebSocket to open" });
	expect(socket.protocol).toBe("chat.v2");
	socket.send("hällo");
	socket.send(new Uint8Array([1, 2, 3]));
	await within(gotBoth, { what: "two messages" });
	expect(received[0]).toBe("hällo");
	expect([...new Uint8Array(received[1] as ArrayBuffer)]).toEqual([1, 2, 3]);
	const closed = once(socket, "close");
	socket.close(3001, "done");
	const [event] = await within(closed, { what: "the close event" });
	expect({ code: event.code, reason: event.reason, wasClean: event.wasClean }).toEqual({
		code: 3001,
		reason: "done",
		wasClean: true,
	});
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 3001, close_initiator: "client" });
	await gateway.expectQuiet();
});

test.each(implementations)(
	"%s WebSocket: a refused handshake is an error event, then close 1006",
	async (_, Socket) => {
		const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ match: { path: /elsewhere }, upstream: app }]
	`);
		const socket = new Socket(gateway.url("/ws"));
		const closed = once(socket, "close");
		await within(
			once(socket, "error").catch(() => undefined),
			{ what: "the error event" },
		);
		const [event] = await within(closed, { what: "the close event" });
		expect(event.code).toBe(1006);
		expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 404, code: "NO_ROUTE", path: "/ws" });
		await gateway.expectQuiet();
	},
);
