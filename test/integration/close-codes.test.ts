/** Close codes pass unchanged, and the log knows who began and what each side said. */
import { describe, expect, test } from "vitest";
import { closePayload, OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";

async function open() {
	const backend = await startRawBackend(accepting());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { close: 1s } }]
	`);
	const client = await openRaw(gateway.port);
	return { gateway, client, server: await backend.connection(), backend };
}

const codes: [number, string][] = [
	[1000, "done"],
	[1001, "going away"],
	[1011, "it broke"],
	[3000, "Unauthorized"],
	[4999, "ünï ✓"],
	[4000, ""],
	[1000, "r".repeat(123)],
];

describe.each(codes)("close code %i", (code, reason) => {
	test("from the client arrives at the backend unchanged, the echo at the client", async () => {
		const { gateway, client, server } = await open();
		client.sendClose(code, reason);
		const seen = await server.readFrame();
		expect(seen).toMatchObject({ opcode: OPCODE.close, closeCode: code, text: reason, masked: true });
		server.sendClose(code, reason);
		server.end();
		expect(await client.readFrame()).toMatchObject({ closeCode: code, text: reason, masked: false });
		expect(await client.ended()).toBe("fin");
		client.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			level: "info",
			close_code: code,
			close_reason: reason,
			close_initiator: "client",
			termination: "normal",
			client_close_code: code,
			backend_close_code: code,
		});
		await gateway.expectQuiet();
		expect(client.unread).toHaveLength(0);
		expect(server.unread).toHaveLength(0);
	});

	test("from the backend arrives at the client unchanged, the echo at the backend", async () => {
		const { gateway, client, server } = await open();
		server.sendClose(code, reason);
		const seen = await client.readFrame();
		expect(seen).toMatchObject({ opcode: OPCODE.close, closeCode: code, text: reason, masked: false });
		client.sendClose(code);
		expect(await server.readFrame()).toMatchObject({ closeCode: code, text: "", masked: true });
		server.end();
		expect(await client.ended()).toBe("fin");
		client.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			close_code: code,
			close_reason: reason,
			close_initiator: "backend",
			termination: "normal",
			client_close_code: code,
			backend_close_code: code,
		});
		await gateway.expectQuiet();
		expect(client.unread).toHaveLength(0);
		expect(server.unread).toHaveLength(0);
	});
});

test("a Close without a code stays without one and is logged as 1005", async () => {
	const { gateway, client, server } = await open();
	client.sendClose();
	expect((await server.readFrame()).payload).toHaveLength(0);
	server.sendClose();
	server.end();
	expect((await client.readFrame()).payload).toHaveLength(0);
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1005,
		close_reason: "",
		close_initiator: "client",
		termination: "normal",
	});
	await gateway.expectQuiet();
});

test("each side's own code is logged when the answer differs from the question", async () => {
	const { gateway, client, server } = await open();
	client.sendClose(4000, "first");
	await server.readFrame();
	server.sendClose(4001, "second");
	server.end();
	expect(await client.readFrame()).toMatchObject({ closeCode: 4001, text: "second" });
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 4000,
		close_reason: "first",
		close_initiator: "client",
		client_close_code: 4000,
		backend_close_code: 4001,
	});
	await gateway.expectQuiet();
});

test("messages that were under way when the client closed still arrive before the echo", async () => {
	const { gateway, client, server } = await open();
	client.sendClose(1000, "bye");
	await server.readFrame();
	for (let i = 0; i < 50; i++) server.sendFrame(OPCODE.text, `late ${i} ${"x".repeat(2_000)}`);
	server.sendClose(1000, "bye");
	server.end();
	for (let i = 0; i < 50; i++) expect((await client.readFrame()).text).toMatch(new RegExp(`^late ${i} `));
	expect(await client.readFrame()).toMatchObject({ closeCode: 1000, text: "bye" });
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		messages_in: 0,
		messages_out: 50,
		close_initiator: "client",
	});
	await gateway.expectQuiet();
});

test("a client that sends Close and FIN together still gets the backend's reply", async () => {
	const { gateway, client, server } = await open();
	client.sendClose(1000, "bye");
	client.end();
	expect(await server.readFrame()).toMatchObject({ closeCode: 1000, text: "bye" });
	server.sendClose(1000, "bye");
	server.end();
	expect(await client.readFrame()).toMatchObject({ closeCode: 1000, text: "bye" });
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1000,
		termination: "normal",
		backend_close_code: 1000,
	});
	await gateway.expectQuiet();
});

test("a Close split over many segments, and a code that may not be sent, pass byte for byte", async () => {
	const { gateway, client, server } = await open();
	client.sendFrame(OPCODE.text, "before");
	await client.writeSlowly(Buffer.from("888f0000000003e8", "hex"));
	await client.writeSlowly("slow and stea");
	expect((await server.readFrame()).text).toBe("before");
	expect(await server.readFrame()).toMatchObject({ closeCode: 1000, text: "slow and stea" });
	server.sendFrame(OPCODE.close, closePayload(1006, "not allowed on the wire"));
	server.end();
	expect(await client.readFrame()).toMatchObject({ closeCode: 1006, text: "not allowed on the wire" });
	client.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, close_initiator: "client" });
	await gateway.expectQuiet();
});

test("both sides close at the same time: each gets the other's Close, one line in the log", async () => {
	const { gateway, client, server } = await open();
	client.sendClose(4100, "from the client");
	server.sendClose(4200, "from the backend");
	expect(await client.readFrame()).toMatchObject({ closeCode: 4200 });
	expect(await server.readFrame()).toMatchObject({ closeCode: 4100 });
	server.end();
	client.end();
	const closed = await gateway.waitForLog("ws.close");
	expect(closed).toMatchObject({ termination: "normal", client_close_code: 4100, backend_close_code: 4200 });
	expect([4100, 4200]).toContain(closed.close_code);
	await gateway.expectQuiet();
});

test("a peer that never answers a Close is cut off after timeouts.close", async () => {
	const { gateway, client, server, backend } = await open();
	server.sendClose(1000, "bye");
	expect((await client.readFrame()).closeCode).toBe(1000);
	const startedAt = performance.now();
	await client.ended(5_000);
	expect(performance.now() - startedAt).toBeGreaterThan(500);
	await until(() => backend.openCount() === 0, { what: "the backend's socket to be closed too" });
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1000,
		close_initiator: "backend",
		backend_close_code: 1000,
	});
	await gateway.expectQuiet();
});
