/** Ends without a Close frame: what the other side is told, and what the log says. */
import { describe, expect, test } from "vitest";
import { startNode } from "../harness/child.ts";
import { frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, echoingFrames, type Script, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import type { RawPeer } from "../harness/raw-peer.ts";
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

const CODES = "close_codes: { backend_lost: 1011, client_lost: 1001 }";

test("a backend process that is killed: the client sees 1006, as it would without a gateway", async () => {
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
	for (const client of clients) expect(await client.waitClosed()).toEqual({ code: 1006, reason: "" });
	await until(() => gateway.lines.of("ws.close").length === 5, { what: "five ws.close lines" });
	for (const line of gateway.lines.of("ws.close")) {
		// The kernel ends the connections of a process that has read everything with FIN.
		expect(line).toMatchObject({
			level: "info",
			close_code: 1006,
			termination: "backend_end",
			close_initiator: "backend",
			messages_in: 1,
			messages_out: 1,
		});
		expect(line.backend_close_code).toBeUndefined();
	}
	await gateway.expectQuiet();
});

const LEGS = [
	["plain", false],
	["TLS", true],
] as const;

describe.each(LEGS)("a client over %s", (_, tls) => {
	// A TLS connection has no reset that Node could send: it ends without close_notify.
	const reset = tls ? "fin" : "reset";

	test("sees the FIN of a backend that ends between two frames, and no Close", async () => {
		const { gateway, client, server } = await open(accepting(), { tls });
		server.sendFrame(OPCODE.text, "last words");
		server.end();
		expect((await client.readFrame()).text).toBe("last words");
		expect(await client.ended()).toBe("fin");
		expect(client.unread).toHaveLength(0);
		client.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			level: "info",
			close_code: 1006,
			close_initiator: "backend",
			termination: "backend_end",
		});
		await gateway.expectQuiet();
	});

	test("sees the reset of a backend as a reset, and no Close", async () => {
		const { gateway, client, server } = await open(accepting(), { tls });
		server.reset();
		expect(await client.ended()).toBe(reset);
		expect(client.unread).toHaveLength(0);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			level: "warn",
			close_code: 1006,
			close_initiator: "backend",
			termination: "backend_drop",
		});
		await gateway.expectQuiet();
	});

	test.each([
		["FIN", (peer: RawPeer) => peer.end()],
		["a reset", (peer: RawPeer) => peer.reset()],
	])("whose backend goes with %s is told close_codes.backend_lost, if that is a code, then FIN", async (_how, go) => {
		const route = "close_codes: { backend_lost: 4503 }";
		const { gateway, client, server } = await open(accepting(), { tls, route });
		go(server);
		expect(await client.readFrame()).toMatchObject({ closeCode: 4503, text: "backend connection lost", masked: false });
		client.sendClose(4503);
		expect(await client.ended()).toBe("fin");
		client.end();
		await gateway.expectQuiet();
	});
});

describe.each(LEGS)("a backend whose client comes over %s", (_, tls) => {
	test("sees the FIN of a client that goes without a Close", async () => {
		const { gateway, client, server } = await open(accepting(), { tls });
		client.sendFrame(OPCODE.text, "hello");
		client.end();
		expect((await server.readFrame()).text).toBe("hello");
		expect(await server.ended()).toBe("fin");
		expect(server.unread).toHaveLength(0);
		server.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			level: "info",
			close_code: 1006,
			close_initiator: "client",
			termination: "client_drop",
			messages_in: 1,
		});
		await gateway.expectQuiet();
	});

	test("sees the reset of a client as a reset", async () => {
		const { gateway, client, server } = await open(accepting(), { tls });
		client.sendFrame(OPCODE.text, "hello");
		expect((await server.readFrame()).text).toBe("hello");
		client.reset();
		expect(await server.ended()).toBe("reset");
		expect(server.unread).toHaveLength(0);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "client_drop" });
		await gateway.expectQuiet();
	});

	test.each([
		["FIN", (peer: RawPeer) => peer.end()],
		["a reset", (peer: RawPeer) => peer.reset()],
	])("and goes with %s is told close_codes.client_lost, if that is a code", async (_how, go) => {
		const { gateway, client, server } = await open(accepting(), { tls, route: CODES });
		go(client);
		expect(await server.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1001, masked: true });
		server.sendClose(1001);
		server.end();
		expect(await server.ended()).toBe("fin");
		await gateway.expectQuiet();
	});
});

test.each([
	["FIN", (peer: RawPeer) => peer.end(), "fin"],
	["a reset", (peer: RawPeer) => peer.reset(), "reset"],
])(
	"a backend that goes with %s within a frame cuts the client's message, with or without a code",
	async (_, go, end) => {
		for (const route of ["", CODES]) {
			const { gateway, client, server } = await open(accepting(), { route });
			const partial = Buffer.concat([frameHeader(OPCODE.binary, 1_000), Buffer.alloc(400, 0x88)]);
			server.write(partial);
			await until(() => client.unread.length === partial.length, { what: "the first part of the frame" });
			go(server);
			expect(await client.ended()).toBe(end);
			client.end();
			expect(client.unread.equals(partial)).toBe(true);
			expect(await gateway.waitForLog("ws.close")).toMatchObject({
				level: "warn",
				close_code: 1006,
				termination: "backend_drop",
			});
			await gateway.expectQuiet();
		}
	},
);

test("a backend that ends between the fragments of a message ends between two frames", async () => {
	const { gateway, client, server } = await open(accepting(), { route: CODES });
	server.write(frame(OPCODE.text, "first half", { fin: false }));
	expect((await client.readFrame()).text).toBe("first half");
	server.end();
	expect((await client.readFrame()).closeCode).toBe(1011);
	client.sendClose(1011);
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "backend_end" });
	await gateway.expectQuiet();
});

test("a side that is gone after a Close has passed ends the other one with FIN, whatever it ended with", async () => {
	const { gateway, client, server } = await open();
	server.sendClose(1000, "bye");
	expect((await client.readFrame()).closeCode).toBe(1000);
	server.reset();
	expect(await client.ended()).toBe("fin");
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, termination: "normal" });
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

test.each([
	["the Close", CODES],
	["the FIN", ""],
])("a backend that ignores %s after its client was lost is cut off after timeouts.close", async (_, route) => {
	const { gateway, client, server, backend } = await open(accepting(), { route });
	client.end();
	if (route === CODES) expect((await server.readFrame()).closeCode).toBe(1001);
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
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { close: 10s }, ${CODES} }]
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
	const { gateway, client, server } = await open(accepting(), { route: CODES });
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
