/** The `ws` library on both ends, through the gateway. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { startWsBackend, type WsBackendOptions } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

const MIB = 1024 * 1024;

async function start(options: WsBackendOptions = {}) {
	const backend = await startWsBackend(options);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	return { backend, gateway };
}

test("text and binary messages come back in order and keep their type", async () => {
	const { gateway } = await start();
	const client = await openWs(gateway.url("/ws"));
	client.socket.send("grüße");
	client.socket.send(Buffer.from([0, 1, 254, 255]));
	client.socket.send("");
	client.socket.send("x".repeat(70_000));
	expect(await client.next()).toBe("grüße");
	expect(await client.next()).toEqual(Buffer.from([0, 1, 254, 255]));
	expect(await client.next()).toBe("");
	expect(await client.next()).toBe("x".repeat(70_000));
	client.socket.close(1000);
	await client.waitClosed();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ messages_in: 4, messages_out: 4 });
	await gateway.expectQuiet();
});

test("a message in fragments arrives as one message, with a ping in between answered at once", async () => {
	const { backend, gateway } = await start();
	const client = await openWs(gateway.url());
	const pong = once(client.socket, "pong");
	client.socket.send("one ", { fin: false });
	client.socket.ping("between");
	client.socket.send("two ", { fin: false });
	expect(String((await within(pong, { what: "a pong between fragments" }))[0])).toBe("between");
	expect(client.messages).toEqual([]);
	client.socket.send("three", { fin: true });
	expect(await client.next()).toBe("one two three");
	expect(backend.sockets).toHaveLength(1);
	client.socket.close();
	await client.waitClosed();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ messages_in: 1, messages_out: 1 });
	await gateway.expectQuiet();
});

test("a ping from either end is answered by the other end, with its payload", async () => {
	const { backend, gateway } = await start();
	const client = await openWs(gateway.url());
	const seenByBackend = once(backend.sockets[0] as never, "ping");
	const pongAtClient = once(client.socket, "pong");
	client.socket.ping("from the client");
	expect(String((await within(seenByBackend, { what: "the ping at the backend" }))[0])).toBe("from the client");
	expect(String((await within(pongAtClient, { what: "the pong at the client" }))[0])).toBe("from the client");
	const pongAtBackend = once(backend.sockets[0] as never, "pong");
	backend.sockets[0]?.ping("from the backend");
	expect(String((await within(pongAtBackend, { what: "the pong at the backend" }))[0])).toBe("from the backend");
	client.socket.close();
	await client.waitClosed();
	await gateway.expectQuiet();
});

test("permessage-deflate is negotiated between the two ends, and the gateway sees the compressed bytes only", async () => {
	const { backend, gateway } = await start({ perMessageDeflate: { threshold: 0 } });
	const client = await openWs(gateway.url(), [], { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 10 } });
	expect(client.socket.extensions).toContain("permessage-deflate");
	expect(backend.sockets[0]?.extensions).toContain("permessage-deflate");
	const text = "all work and no play ".repeat(10_000);
	client.socket.send(text);
	expect(await client.next()).toBe(text);
	client.socket.close();
	await client.waitClosed();
	const closed = await gateway.waitForLog("ws.close");
	expect(closed.bytes_in).toBeGreaterThan(0);
	expect(closed.bytes_in).toBeLessThan(text.length / 10);
	expect(closed.bytes_out).toBeLessThan(text.length / 10);
	expect(closed).toMatchObject({ messages_in: 1, messages_out: 1, close_code: 1005 });
	await gateway.expectQuiet();
});

test("without permessage-deflate at the backend the client does not get it either", async () => {
	const { gateway } = await start({ perMessageDeflate: false });
	const client = await openWs(gateway.url(), [], { perMessageDeflate: true });
	expect(client.socket.extensions).toBe("");
	client.socket.send("plain");
	expect(await client.next()).toBe("plain");
	client.socket.close();
	await client.waitClosed();
	await gateway.expectQuiet();
});

test("a message of 64 MiB goes both ways unharmed", { timeout: 120_000 }, async () => {
	const limits = { maxPayload: 65 * MIB, perMessageDeflate: false };
	const { backend, gateway } = await start(limits);
	const client = await openWs(gateway.url(), [], limits);
	const big = Buffer.concat(Array.from({ length: 64 }, () => randomBytes(MIB)));
	const digest = (data: Buffer) => createHash("sha256").update(data).digest("hex");
	client.socket.send(big);
	const back = (await client.next(60_000)) as Buffer;
	expect(back.length).toBe(big.length);
	expect(digest(back)).toBe(digest(big));
	expect(backend.sockets).toHaveLength(1);
	client.socket.close();
	await client.waitClosed();
	const closed = await gateway.waitForLog("ws.close");
	expect(closed.bytes_in).toBeGreaterThanOrEqual(64 * MIB);
	expect(closed.bytes_out).toBeGreaterThanOrEqual(64 * MIB);
	await gateway.expectQuiet();
});

test.each([
	[1000, "bye"],
	[1001, "going away"],
	[1008, "policy"],
	[3000, "Unauthorized"],
	[4999, "ünïcode"],
])(
	"close code %i from the client reaches the backend with its reason, and its echo comes back",
	async (code, reason) => {
		const { backend, gateway } = await start();
		const client = await openWs(gateway.url());
		const atBackend = once(backend.sockets[0] as never, "close");
		client.socket.close(code, reason);
		expect(await client.waitClosed()).toEqual({ code, reason });
		const [backendCode, backendReason] = await within(atBackend, { what: "the close at the backend" });
		expect([backendCode, String(backendReason)]).toEqual([code, reason]);
		await gateway.expectQuiet();
	},
);

test("two hundred connections at once each get their own messages back", async () => {
	const { gateway } = await start();
	const clients = await Promise.all(Array.from({ length: 200 }, (_, i) => openWs(gateway.url(`/ws/${i}`))));
	await until(() => gateway.handle.connectionCount() === 200, { what: "200 connections" });
	for (const [i, client] of clients.entries()) for (let n = 0; n < 5; n++) client.socket.send(`${i}.${n}`);
	for (const [i, client] of clients.entries()) {
		for (let n = 0; n < 5; n++) expect(await client.next()).toBe(`${i}.${n}`);
	}
	for (const client of clients) client.socket.close(1000);
	await Promise.all(clients.map((client) => client.waitClosed()));
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.close")).toHaveLength(200);
});
