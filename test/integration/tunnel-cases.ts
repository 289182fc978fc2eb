/** What a tunnel does with peers that are slow, rude or in a hurry: once for each way of reading sockets. */
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { certificate } from "../harness/certs.ts";
import { closePayload, frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import type { RawPeer } from "../harness/raw-peer.ts";

const MIB = 1024 * 1024;
const MASK = Buffer.from([1, 2, 3, 4]);

interface Transport {
	readonly client: boolean;
	readonly backend: boolean;
}

async function open(transport: Transport, route = "timeouts: { close: 500ms }") {
	const tls = transport.backend ? await certificate(["127.0.0.1"]) : undefined;
	const backend = await startRawBackend(accepting(), tls ? { tls } : {});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${transport.client ? ", tls: { self_signed: [localhost] }" : ""} }]
		upstreams: { app: { endpoints: ["${backend.url}"]${tls ? ", tls: { verify: false }" : ""} } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				${route}
	`);
	const client = await openRaw(gateway.port, "/", { tls: transport.client });
	return { backend, gateway, client, server: await backend.connection() };
}

/** Keeps a hash of what arrives instead of the bytes. */
function hashed(peer: RawPeer): { length: number; digest(): string } {
	peer.forget();
	const hash = createHash("sha256");
	const result = { length: 0, digest: () => hash.copy().digest("hex") };
	peer.socket.on("data", (chunk: Buffer) => {
		hash.update(chunk);
		result.length += chunk.length;
	});
	return result;
}

/** Writes `chunk` again and again as fast as it is taken. */
function pump(socket: Socket, chunk: Buffer, times: number): { sent: number; digest: string } {
	const hash = createHash("sha256");
	for (let i = 0; i < times; i++) hash.update(chunk);
	const state = { sent: 0, digest: hash.digest("hex") };
	let left = times;
	const more = (): void => {
		while (left > 0) {
			left--;
			state.sent += chunk.length;
			if (!socket.write(chunk)) {
				socket.once("drain", more);
				return;
			}
		}
	};
	more();
	return state;
}

/** Waits until a value stays the same for a while. */
async function settled(value: () => number, what: string): Promise<number> {
	let last = Number.NaN;
	await until(
		async () => {
			const before = last;
			last = value();
			if (before === last) return true;
			await new Promise((resolve) => setTimeout(resolve, 150));
			return false;
		},
		{ timeout: 15_000, what },
	);
	return last;
}

/** Answers every Ping until the connection ends. */
function answerPings(client: RawClient): void {
	const answer = async (): Promise<void> => {
		for (;;) {
			const { payload } = await client.readFrameOf(OPCODE.ping, 60_000);
			client.sendFrame(OPCODE.pong, payload);
		}
	};
	answer().catch(() => undefined);
}

const TRANSPORTS = {
	plain: { client: false, backend: false },
	"TLS at the client": { client: true, backend: false },
	"TLS on both sides": { client: true, backend: true },
} as const satisfies Record<string, Transport>;

/** Declares the tests, for these transports. */
export function tunnelCases(...names: (keyof typeof TRANSPORTS)[]): void {
	describe.each(names)("%s", (name) => {
		const transport = TRANSPORTS[name];
		halfClose(transport);
		closing(transport);
		backpressure(transport);
		injection(transport);
		pings(transport);
	});
}

function halfClose(transport: Transport): void {
	test("a client's Close reply that comes after the backend's Close and FIN still reaches the backend", async () => {
		const { gateway, client, server } = await open(transport);
		server.sendClose(1000, "done");
		server.end();
		expect(await client.readFrame()).toMatchObject({ closeCode: 1000, text: "done" });
		expect(await client.ended()).toBe("fin");
		await new Promise((resolve) => setTimeout(resolve, 100));
		client.sendClose(1000, "late");
		expect(await server.readFrame()).toMatchObject({ closeCode: 1000, text: "late", masked: true });
		client.end();
		expect(await server.ended()).toBe("fin");
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			close_code: 1000,
			close_initiator: "backend",
			termination: "normal",
			client_close_code: 1000,
		});
		await gateway.expectQuiet();
	});

	test("what a backend still has to say after a client's Close and FIN reaches the client", async () => {
		const { gateway, client, server } = await open(transport);
		client.sendClose(1000);
		client.end();
		expect((await server.readFrame()).closeCode).toBe(1000);
		const rest = frame(OPCODE.binary, randomBytes(300_000));
		server.write(rest);
		server.sendClose(1000);
		server.end();
		expect((await client.read(rest.length)).equals(rest)).toBe(true);
		expect((await client.readFrame()).closeCode).toBe(1000);
		expect(await client.ended()).toBe("fin");
		await gateway.expectQuiet();
	});

	test("a client that says FIN without a Close gets what the backend still sends", async () => {
		const { gateway, client, server } = await open(transport);
		client.end();
		expect(await server.ended()).toBe("fin");
		expect(server.unread).toHaveLength(0);
		const rest = frame(OPCODE.binary, randomBytes(MIB));
		server.write(rest);
		server.sendClose(1001);
		server.end();
		expect((await client.read(rest.length)).equals(rest)).toBe(true);
		expect((await client.readFrame()).closeCode).toBe(1001);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "client_drop" });
		await gateway.expectQuiet();
	});
}

function closing(transport: Transport): void {
	test("both sides close at once: each gets the other's Close", async () => {
		const { gateway, client, server } = await open(transport);
		client.sendClose(1000, "from the client");
		server.sendClose(4001, "from the backend");
		expect(await client.readFrame()).toMatchObject({ closeCode: 4001, text: "from the backend" });
		expect(await server.readFrame()).toMatchObject({ closeCode: 1000, text: "from the client" });
		server.end();
		client.end();
		const line = await gateway.waitForLog("ws.close");
		expect(line).toMatchObject({ termination: "normal", client_close_code: 1000, backend_close_code: 4001 });
		await gateway.expectQuiet();
	});

	test("data after a Close passes as it is, but buys its sender no more time", async () => {
		const { gateway, client, server } = await open(transport);
		client.sendClose(1000);
		const startedAt = performance.now();
		const sending = setInterval(() => client.sendFrame(OPCODE.text, "still here", { mask: MASK }), 20);
		expect((await server.readFrame()).closeCode).toBe(1000);
		expect((await server.readFrame()).text).toBe("still here");
		await server.ended();
		clearInterval(sending);
		expect(performance.now() - startedAt).toBeLessThan(3_000);
		server.end();
		client.reset();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, close_initiator: "client" });
		await gateway.expectQuiet();
	});

	test("a backend may finish after the client's Close, for longer than timeouts.close, but not beyond the lifetime", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 300ms, lifetime: 1200ms }");
		client.sendClose(1000);
		const startedAt = performance.now();
		const sending = setInterval(() => server.sendFrame(OPCODE.text, "more"), 20);
		await client.ended(10_000);
		clearInterval(sending);
		const took = performance.now() - startedAt;
		expect(took).toBeGreaterThan(900);
		expect(took).toBeLessThan(4_000);
		client.end();
		server.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, termination: "normal" });
		await gateway.expectQuiet();
	});

	test("a stop does not wait for a backend that streams on after the client's Close", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 300ms }");
		client.sendClose(1000);
		const sending = setInterval(() => server.sendFrame(OPCODE.text, "more"), 20);
		await client.readFrame();
		const startedAt = performance.now();
		const stopped = gateway.stop();
		await client.ended();
		clearInterval(sending);
		await stopped;
		expect(performance.now() - startedAt).toBeLessThan(4_000);
	});

	test("a slow client gets everything up to the Close, also when that takes longer than timeouts.close", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 300ms }");
		client.socket.pause();
		const data = frame(OPCODE.binary, randomBytes(MIB / 2));
		server.write(data);
		server.sendClose(1000, "the end");
		server.end();
		await gateway.waitForLog("ws.close");
		client.socket.resume();
		expect((await client.read(data.length)).equals(data)).toBe(true);
		expect(await client.readFrame()).toMatchObject({ closeCode: 1000, text: "the end" });
		expect(await client.ended()).toBe("fin");
		client.end();
		await gateway.expectQuiet();
	});

	test("after the gateway's Close a slow client's backlog is thrown away, and the end does not wait for it", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 10s, lifetime: 700ms }");
		client.socket.pause();
		const chunk = frame(OPCODE.binary, Buffer.alloc(64_000));
		const state = pump(server.socket, chunk, 500);
		expect(await settled(() => state.sent, "the backend to be held back")).toBeLessThan(500 * chunk.length);
		expect((await server.readFrame()).closeCode).toBe(1001);
		const startedAt = performance.now();
		// The frame under way has to end before the Close can be written; nothing follows it.
		client.socket.resume();
		await client.readFrameOf(OPCODE.close);
		await until(() => state.sent === 500 * chunk.length, { what: "the backend to get rid of the rest" });
		server.sendClose(1001);
		client.sendClose(1001);
		client.end();
		server.end();
		await gateway.waitForLog("ws.close");
		expect(performance.now() - startedAt).toBeLessThan(5_000);
		expect(client.unread.length).toBe(0);
		await gateway.expectQuiet();
	});
}

function backpressure(transport: Transport): void {
	test.each(["to the backend", "to the client"])(
		"50 MiB %s wait for a reader that pauses, and arrive whole",
		async (way) => {
			const { gateway, client, server } = await open(transport);
			const [from, to] = way === "to the backend" ? [client, server] : [server, client];
			const chunk = frame(OPCODE.binary, randomBytes(MIB - 14), { mask: from === client ? MASK : false });
			const read = hashed(to);
			to.socket.pause();
			const before = process.memoryUsage().arrayBuffers;
			const state = pump(from.socket, chunk, 50);
			expect(await settled(() => state.sent, "the sender to be held back")).toBeLessThan(50 * chunk.length);
			expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB);
			to.socket.resume();
			await until(() => read.length === 50 * chunk.length, { timeout: 20_000, what: "everything to arrive" });
			expect(read.digest()).toBe(state.digest);
			client.reset();
			await gateway.expectQuiet();
		},
		45_000,
	);

	test("both directions at once, with readers that pause now and then, arrive whole", async () => {
		const { gateway, client, server } = await open(transport);
		const atServer = hashed(server);
		const atClient = hashed(client);
		const pausing = [client, server].map((peer) =>
			setInterval(() => {
				peer.socket.pause();
				setTimeout(() => peer.socket.resume(), 15);
			}, 40),
		);
		const up = pump(client.socket, frame(OPCODE.binary, randomBytes(100_000), { mask: MASK }), 150);
		const down = pump(server.socket, frame(OPCODE.binary, randomBytes(90_000)), 150);
		await until(() => up.sent === 150 * 100_014 && atServer.length === up.sent, {
			timeout: 20_000,
			what: "everything at the backend",
		});
		await until(() => down.sent === 150 * 90_010 && atClient.length === down.sent, {
			timeout: 20_000,
			what: "everything at the client",
		});
		for (const timer of pausing) clearInterval(timer);
		expect([atServer.digest(), atClient.digest()]).toEqual([up.digest, down.digest]);
		client.reset();
		await gateway.expectQuiet();
	}, 45_000);

	test("a reader that goes away while everything waits for it ends the sender too", async () => {
		const { gateway, client, server } = await open(transport);
		server.socket.pause();
		const state = pump(client.socket, frame(OPCODE.binary, Buffer.alloc(100_000), { mask: MASK }), 1_000);
		await settled(() => state.sent, "the client to be held back");
		server.reset();
		await client.ended();
		client.reset();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "backend_drop" });
		await gateway.expectQuiet();
	});
}

function injection(transport: Transport): void {
	test.each(["backend", "client"] as const)("a Close waits for the end of a big frame of the %s", async (side) => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 3s, lifetime: 300ms }");
		const [from, to] = side === "client" ? [client, server] : [server, client];
		const big = frame(OPCODE.binary, randomBytes(3 * MIB), { mask: side === "client" });
		from.write(big.subarray(0, MIB));
		// The side whose direction is at a boundary is told at once.
		expect((await from.readFrame()).closeCode).toBe(1001);
		expect(to.unread.length).toBeLessThanOrEqual(MIB);
		from.write(big.subarray(MIB));
		from.sendFrame(OPCODE.text, "after it", { mask: side === "client" });
		expect((await to.read(big.length)).equals(big)).toBe(true);
		expect(await to.readFrame()).toMatchObject({ closeCode: 1001, masked: to === server });
		to.sendClose(1001, "", { mask: to === client });
		from.sendClose(1001, "", { mask: from === client });
		client.end();
		server.end();
		await gateway.expectQuiet();
		expect(to.unread.length).toBe(0);
	});

	test("without a boundary in time the side is reset, not closed inside the frame", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 300ms, lifetime: 300ms }");
		const part = Buffer.concat([frameHeader(OPCODE.binary, 5_000), Buffer.alloc(100, 0x88)]);
		server.write(part);
		await client.ended();
		expect(client.unread.equals(part)).toBe(true);
		await server.ended();
		client.end();
		server.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "lifetime", close_initiator: "gateway" });
		await gateway.expectQuiet();
	});

	test("the Close stands between two fragments of a message where it has to", async () => {
		const { gateway, client, server } = await open(transport, "timeouts: { close: 3s, lifetime: 300ms }");
		server.write(frame(OPCODE.text, "one ", { fin: false }));
		expect((await client.readFrame()).text).toBe("one ");
		expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
		client.sendClose(1001);
		server.write(Buffer.concat([frame(OPCODE.continuation, "two"), frame(OPCODE.close, closePayload(1001))]));
		client.end();
		server.end();
		await gateway.expectQuiet();
	});
}

function pings(transport: Transport): void {
	test("a client that cannot be read because the backend is slow is not taken for dead", async () => {
		const { gateway, client, server } = await open(
			transport,
			"ping: { interval: 200ms, timeout: 400ms, sides: [client] }\n\t\t\t\ttimeouts: { close: 300ms }",
		);
		answerPings(client);
		const read = hashed(server);
		server.socket.pause();
		const chunk = frame(OPCODE.binary, randomBytes(100_000), { mask: MASK });
		const state = pump(client.socket, chunk, 300);
		await settled(() => state.sent, "the client to be held back");
		await new Promise((resolve) => setTimeout(resolve, 1_200));
		expect(gateway.handle.connectionCount()).toBe(1);
		server.socket.resume();
		await until(() => read.length === 300 * chunk.length, { timeout: 15_000, what: "everything to arrive" });
		expect(read.digest()).toBe(state.digest);
		client.reset();
		await gateway.expectQuiet();
	}, 30_000);

	test("a backend that neither reads nor answers is given up by its ping, however much waits for it", async () => {
		const { gateway, client, server } = await open(
			transport,
			"ping: { interval: 100ms, timeout: 300ms, sides: [backend] }\n\t\t\t\ttimeouts: { close: 300ms }",
		);
		server.socket.pause();
		pump(client.socket, frame(OPCODE.binary, Buffer.alloc(100_000), { mask: MASK }), 1_000);
		expect((await client.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
		client.reset();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "ping_timeout" });
		server.reset();
		await gateway.expectQuiet();
	});
}
