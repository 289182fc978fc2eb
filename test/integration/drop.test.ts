/** Ends without a Close frame: what the other side is told, and what the log says. */
import { expect, test } from "vitest";
import { startNode } from "../harness/child.ts";
import { frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, echoingFrames, type Script, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { openWs } from "../harness/ws-client.ts";

function gatewayFor(url: string, options: { tls?: boolean; route?: string } = {}) {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${options.tls ? ", tls: { self_signed: [localhost] }" : ""} }]
		upstreams: { app: { endpoints: ["${url}"] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { close: 500ms }
				${options.route ?? ""}
	`);
}

async function open(script: Script = accepting(), options: { tls?: boolean; route?: string } = {}) {
	const backend = await startRawBackend(script);
	const gateway = await gatewayFor(backend.url, options);
	const client = await openRaw(gateway.port, "/", options.tls ? { tls: true } : {});
	return { backend, gateway, client, server: await backend.connection() };
}

test('a backend process that is killed: the client gets 1011 "backend connection lost"', async () => {
	const code = `
		import { WebSocketServer } from "ws";
		const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
		server.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
		server.on("listening", () => console.log(server.address().port));
	`;
	const child = startNode(["--input-type=module", "-e", code]);
	const port = Number(await until(() => child.stdout().trim(), { what: "the backend's port" }));
	const gateway = await gatewayFor(`ws://127.0.0.1:${port}`);
	const clients = await Promise.all(Array.from({ length: 5 }, () => openWs(gateway.url())));
	for (const client of clients) client.socket.send("still there?");
	for (const client of clients) expect(await client.next()).toBe("still there?");
	child.kill("SIGKILL");
	for (const client of clients) {
		expect(await client.waitClosed()).toEqual({ code: 1011, reason: "backend connection lost" });
	}
	await until(() => gateway.lines.of("ws.close").length === 5, { what: "five ws.close lines" });
	for (const line of gateway.lines.of("ws.close")) {
		expect(line).toMatchObject({
			close_code: 1006,
			termination: "backend_drop",
			close_initiator: "backend",
			messages_in: 1,
			messages_out: 1,
		});
		expect(line.backend_close_code).toBeUndefined();
	}
	await gateway.expectQuiet();
});

test.each([
	["RST", (peer: { reset(): void; end(): void }) => peer.reset()],
	["FIN", (peer: { reset(): void; end(): void }) => peer.end()],
])("a backend that goes with %s: 1011 for the client, then the end", async (how, go) => {
	const { gateway, client, server } = await open();
	server.sendFrame(OPCODE.text, "last words");
	go(server);
	const first = await client.readFrame();
	// A reset may overtake data on its way through the kernel; after a FIN every byte has to arrive.
	if (how === "FIN") expect(first.text).toBe("last words");
	const closing = first.opcode === OPCODE.close ? first : await client.readFrame();
	expect(closing).toMatchObject({ closeCode: 1011, text: "backend connection lost", masked: false });
	client.sendClose(1011);
	expect(await client.ended()).toBe("fin");
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1006,
		close_initiator: "backend",
		termination: "backend_drop",
	});
	await gateway.expectQuiet();
});

test("close_codes.backend_lost replaces 1011", async () => {
	const { gateway, client, server } = await open(accepting(), { route: "close_codes: { backend_lost: 4503 }" });
	server.reset();
	expect((await client.readFrame()).closeCode).toBe(4503);
	client.sendClose(4503);
	client.end();
	await gateway.expectQuiet();
});

test("a backend that dies within a frame: no Close is written into the middle of the client's message", async () => {
	const { gateway, client, server } = await open();
	const partial = Buffer.concat([frameHeader(OPCODE.binary, 1_000), Buffer.alloc(400, 0x88)]);
	server.write(partial);
	await until(() => client.unread.length === partial.length, { what: "the first part of the frame" });
	server.reset();
	await client.ended();
	expect(client.unread.equals(partial)).toBe(true);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "backend_drop" });
	await gateway.expectQuiet();
});

test("a backend that dies between the fragments of a message: the Close comes at the frame boundary", async () => {
	const { gateway, client, server } = await open();
	server.write(frame(OPCODE.text, "first half", { fin: false }));
	expect((await client.readFrame()).text).toBe("first half");
	server.reset();
	expect((await client.readFrame()).closeCode).toBe(1011);
	client.sendClose(1011);
	client.end();
	await gateway.expectQuiet();
});

test.each([
	["RST", false],
	["FIN", false],
	["RST", true],
	["FIN", true],
])("a client that goes with %s (TLS: %s): the backend sees Close 1001", async (how, tls) => {
	const { gateway, client, server } = await open(accepting(), { tls });
	client.sendFrame(OPCODE.text, "hello");
	expect((await server.readFrame()).text).toBe("hello");
	if (how === "RST") client.reset();
	else client.end();
	expect(await server.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1001, masked: true });
	server.sendClose(1001);
	server.end();
	expect(await server.ended()).toBe("fin");
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1006,
		close_initiator: "client",
		termination: "client_drop",
		messages_in: 1,
	});
	await gateway.expectQuiet();
});

test("a client that dies within a frame: the backend gets no Close inside it", async () => {
	const { gateway, client, server } = await open();
	const partial = Buffer.concat([
		frameHeader(OPCODE.binary, 1_000, { mask: Buffer.alloc(4) }),
		Buffer.alloc(400, 0x88),
	]);
	client.write(partial);
	await until(() => server.unread.length === partial.length, { what: "the first part of the frame" });
	client.reset();
	await server.ended();
	expect(server.unread.equals(partial)).toBe(true);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "client_drop" });
	await gateway.expectQuiet();
});

test("a backend that ignores the Close 1001 is cut off after timeouts.close", async () => {
	const { gateway, client, server, backend } = await open();
	client.reset();
	expect((await server.readFrame()).closeCode).toBe(1001);
	await until(() => backend.openCount() === 0 || server.ending !== "open", {
		what: "the gateway to end the backend side",
	});
	server.end();
	await gateway.expectQuiet();
});

test("three hundred clients that reset at random moments leave nothing behind", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await gatewayFor(backend.url);
	for (let round = 0; round < 10; round++) {
		const clients = await Promise.all(Array.from({ length: 30 }, () => openRaw(gateway.port)));
		for (const [i, client] of clients.entries()) {
			client.sendFrame(OPCODE.binary, Buffer.alloc(i * 1_000));
			if (i % 3 === 0) client.write(frameHeader(OPCODE.binary, 70_000, { mask: true }));
		}
		if (round % 2 === 0) await clients[29]?.readFrame();
		for (const client of clients) client.reset();
	}
	await until(() => backend.openCount() === 0, { what: "every backend connection to be closed" });
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.close")).toHaveLength(300);
	for (const line of gateway.lines.of("ws.close")) expect(line.termination).toBe("client_drop");
});

test("after a backend's reset the client's own Close and FIN end the connection at once, not after timeouts.close", async () => {
	const backend = await startRawBackend(accepting());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { close: 10s } }]
	`);
	for (let i = 0; i < 20; i++) {
		const client = await openRaw(gateway.port);
		const server = await backend.connection(i);
		server.sendFrame(OPCODE.text, "last words");
		server.reset();
		expect((await client.readFrameOf(OPCODE.close)).closeCode).toBe(1011);
		client.sendClose(1011);
		client.end();
		expect(await client.ended()).toBe("fin");
	}
	await until(() => gateway.lines.of("ws.close").length === 20, { timeout: 3_000, what: "twenty ws.close lines" });
	await gateway.expectQuiet();
});

test("a client that keeps sending after its backend was reset is read to its end", async () => {
	const backend = await startRawBackend(accepting());
	const gateway = await gatewayFor(backend.url);
	const client = await openRaw(gateway.port);
	const server = await backend.connection();
	for (let i = 0; i < 50; i++) client.sendFrame(OPCODE.binary, Buffer.alloc(60_000));
	server.reset();
	for (let i = 0; i < 50; i++) client.sendFrame(OPCODE.binary, Buffer.alloc(60_000));
	const ending = await client.readFrameOf(OPCODE.close).then(
		({ closeCode }) => closeCode,
		() => "reset",
	);
	// Within a frame of the client nothing keeps the gateway from saying so: the Close goes the other way.
	expect(ending).toBe(1011);
	client.reset();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		termination: "backend_drop",
		close_initiator: "backend",
	});
	await gateway.expectQuiet();
});
