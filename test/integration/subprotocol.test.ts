/** Subprotocols: routes can be told apart by them, and the backend's pick reaches the client. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { acceptingPolitely, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

async function start() {
	const one = await startRawBackend(acceptingPolitely({ subprotocol: "chat.v1" }));
	const two = await startRawBackend(acceptingPolitely({ subprotocol: "chat.v2" }));
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			one: { endpoints: ["${one.url}"] }
			two: { endpoints: ["${two.url}"] }
		routes:
			- { name: new, match: { path: /ws, subprotocol: chat.v2 }, upstream: two }
			- { name: old, match: { path: /ws, subprotocol: [chat.v0, chat.v1] }, upstream: one }
	`);
	return { one, two, gateway };
}

test("two routes on one path are told apart by the subprotocol alone", async () => {
	const { one, two, gateway } = await start();
	const old = await openRaw(gateway.port, "/ws", { subprotocols: ["chat.v1"] });
	expect(old.head.header("sec-websocket-protocol")).toBe("chat.v1");
	expect([one.connections.length, two.connections.length]).toEqual([1, 0]);
	const current = await openRaw(gateway.port, "/ws", { subprotocols: ["chat.v2"] });
	expect(current.head.header("sec-websocket-protocol")).toBe("chat.v2");
	expect([one.connections.length, two.connections.length]).toEqual([1, 1]);
	// Offering both: the first route in the file wins, and the backend sees the whole offer in the client's order.
	const both = await openRaw(gateway.port, "/ws", { subprotocols: ["chat.v1", "chat.v2"] });
	expect(both.head.header("sec-websocket-protocol")).toBe("chat.v2");
	expect((await two.connection(1)).request?.header("sec-websocket-protocol")).toBe("chat.v1, chat.v2");
	expect(gateway.lines.of("ws.open").map(({ route, subprotocol }) => [route, subprotocol])).toEqual([
		["old", "chat.v1"],
		["new", "chat.v2"],
		["new", "chat.v2"],
	]);
	for (const client of [old, current, both]) client.reset();
	await gateway.expectQuiet();
});

test("an offer spread over several header lines counts as one list", async () => {
	const { two, gateway } = await start();
	const client = await connectRaw({ port: gateway.port });
	const head = await client.open("/ws", { headers: { "Sec-WebSocket-Protocol": ["other", "chat.v2"] } });
	expect(head.header("sec-websocket-protocol")).toBe("chat.v2");
	expect((await two.connection()).request?.all("sec-websocket-protocol").join(", ")).toBe("other, chat.v2");
	client.reset();
	await gateway.expectQuiet();
});

test("no subprotocol, or one that no route wants, is answered 404 with what to do", async () => {
	const { gateway } = await start();
	for (const offer of [{}, { subprotocols: ["chat.v3"] }, { subprotocols: ["CHAT.V2"] }]) {
		const client = await connectRaw({ port: gateway.port });
		await expectRejection(client, await client.handshake("/ws", offer), 404, "NO_ROUTE");
	}
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.reject").map(({ code }) => code)).toEqual(["NO_ROUTE", "NO_ROUTE", "NO_ROUTE"]);
});

test("a backend that picks none gives the client a 101 without the header", async () => {
	const backend = await startRawBackend(acceptingPolitely());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const client = await openRaw(gateway.port, "/", { subprotocols: ["chat"] });
	expect(client.head.header("sec-websocket-protocol")).toBeUndefined();
	expect((await gateway.waitForLog("ws.open")).subprotocol).toBeUndefined();
	client.reset();
	await gateway.expectQuiet();
});
