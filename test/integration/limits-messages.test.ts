import { describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

function withLimits(url: string, limits: string, more = ""): Promise<TestGateway> {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${more} }]
		admin: { address: "127.0.0.1:0" }
		upstreams: { b: { endpoints: ["${url}"] } }
		routes: [{ name: r, match: { path_prefix: / }, upstream: b, timeouts: { close: 1s }, limits: ${limits} }]
	`);
}

async function limited(gateway: TestGateway, limit: string): Promise<number> {
	const response = await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`);
	const line = new RegExp(`^clawgate_rate_limited_total\\{route="r",limit="${limit}"\\} (\\d+)$`, "m");
	return Number(line.exec(await response.text())?.[1] ?? 0);
}

/** Sends numbered messages as fast as the socket takes them, until stopped or closed. */
function flood(socket: WebSocket): () => void {
	let count = 0;
	let stopped = false;
	const more = (): void => {
		if (stopped || socket.readyState !== socket.OPEN) return;
		while (socket.bufferedAmount < 256 * 1024) socket.send(String(count++).padStart(64, "0"));
		setTimeout(more, 1);
	};
	more();
	return () => {
		stopped = true;
	};
}

describe("the rate of messages", () => {
	it("closes a client that sends too many with 1008, and the backend with 1001", async () => {
		const closes: number[] = [];
		let received = 0;
		const backend = await startWsBackend({
			onConnection: (socket) => {
				socket.on("message", () => received++);
				socket.on("close", (code) => closes.push(code));
			},
		});
		const gateway = await withLimits(backend.url, "{ messages: { rate: 50/s, burst: 100 } }");
		const client = await openWs(gateway.url());
		const stop = flood(client.socket);
		expect(await client.waitClosed()).toEqual({ code: 1008, reason: "too many messages" });
		stop();
		await until(() => closes.length === 1, { what: "the backend's close" });
		expect(closes).toEqual([1001]);
		expect(received).toBeGreaterThanOrEqual(100);
		expect(received).toBeLessThan(200);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			close_code: 1008,
			close_initiator: "gateway",
			termination: "limit",
			close_reason: "too many messages",
		});
		expect(await limited(gateway, "messages")).toBe(1);
		await gateway.expectQuiet();
	});

	it("lets a client alone that keeps to it", async () => {
		const backend = await startWsBackend();
		const gateway = await withLimits(backend.url, "{ messages: { rate: 1000/s, burst: 50 } }");
		const client = await openWs(gateway.url());
		for (let i = 0; i < 200; i++) {
			client.socket.send(`m${i}`);
			expect(await client.next()).toBe(`m${i}`);
			if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 40));
		}
		expect(client.closed).toBeUndefined();
	});

	it.each([
		["with a burst of 1", "50/s, burst: 1", 1, false],
		["with a burst of 100", "50/s, burst: 100", 100, false],
		["when the rate is more than the burst per tick", "2000/s, burst: 10", 10, false],
		["over TLS", "50/s, burst: 1", 1, true],
	])("delays: the backend sees the rate ± 5 %%, in order, %s", async (_name, rate, burst, tls) => {
		const arrivals: number[] = [];
		let outOfOrder = 0;
		const backend = await startWsBackend({
			onConnection: (socket) => {
				socket.on("message", (data) => {
					if (Number(String(data)) !== arrivals.push(performance.now()) - 1) outOfOrder++;
				});
			},
		});
		const gateway = await withLimits(
			backend.url,
			`{ messages: { rate: ${rate}, on_exceed: delay } }`,
			tls ? ", tls: { self_signed: [localhost] }" : "",
		);
		const client = await openWs(gateway.url("/", tls ? "wss" : "ws"));
		const stop = flood(client.socket);
		const expected = Number.parseInt(rate, 10);
		await until(() => arrivals.length >= burst + expected * 4, { what: "four seconds' worth", timeout: 15_000 });
		// Measured by when messages came, not by when somebody looked; the burst at the start is left out.
		const times = arrivals.slice(burst + Math.ceil(expected / 10));
		const seconds = ((times.at(-1) as number) - (times[0] as number)) / 1000;
		const perSecond = (times.length - 1) / seconds;
		// Never more than the rate; how close a fast one comes to it also depends on what else this machine does.
		expect(perSecond).toBeGreaterThan(expected * (expected > 100 ? 0.6 : 0.95));
		expect(perSecond).toBeLessThan(expected * 1.05);
		expect(outOfOrder).toBe(0);
		expect(client.closed).toBeUndefined();
		expect(await limited(gateway, "messages")).toBeGreaterThan(0);
		stop();
	});

	it("delays without memory that grows: what was not read stays in the client", async () => {
		const backend = await startWsBackend({ onConnection: () => {} });
		const gateway = await withLimits(backend.url, "{ messages: { rate: 50/s, burst: 1, on_exceed: delay } }");
		const client = await openRaw(gateway.port);
		const bulk = Buffer.concat(
			Array.from({ length: 1000 }, () => frame(OPCODE.text, "x".repeat(1000), { mask: true })),
		);
		let written = 0;
		let blocked = false;
		const fill = (): void => {
			while (!blocked && written < 500 * bulk.length) {
				blocked = !client.socket.write(bulk);
				written += bulk.length;
			}
		};
		client.socket.on("drain", () => {
			blocked = false;
			fill();
		});
		fill();
		await new Promise((resolve) => setTimeout(resolve, 2_000));
		// The kernel's socket buffers on both sides, and one read of the gateway's.
		expect(written - client.socket.writableLength).toBeLessThan(20 * 1024 * 1024);
		expect(blocked).toBe(true);
	});

	it("counts Pings, small fragments and unknown frames, but not the first Close", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ messages: { rate: 1/h, burst: 3 } }");
		const floods = [
			Array.from({ length: 4 }, () => frame(OPCODE.ping, "", { mask: true })),
			Array.from({ length: 4 }, () => frame(OPCODE.pong, "", { mask: true })),
			[
				frame(OPCODE.text, "", { mask: true, fin: false }),
				...Array.from({ length: 3 }, () => frame(OPCODE.continuation, "", { mask: true, fin: false })),
			],
			Array.from({ length: 4 }, () => frame(3, "", { mask: true })),
			Array.from({ length: 5 }, () => frame(OPCODE.close, "", { mask: true })),
		];
		for (const frames of floods) {
			const client = await openRaw(gateway.port);
			const peer = await backend.connection();
			client.write(Buffer.concat(frames));
			await until(() => peer.ending !== "open" || peer.after.length > frames.length * 6, { what: "the backend's end" });
			expect(peer.after.subarray(0, -8 - "too many messages".length).equals(Buffer.concat(frames.slice(0, -1)))).toBe(
				frames.length === 4,
			);
			client.reset();
		}
		const polite = await openRaw(gateway.port);
		for (let i = 0; i < 3; i++) polite.sendFrame(OPCODE.text, "x");
		polite.sendClose(1000, "bye");
		const peer = await backend.connection();
		for (let i = 0; i < 3; i++) expect((await peer.readFrame()).text).toBe("x");
		expect((await peer.readFrame()).closeCode).toBe(1000);
		polite.reset();
		await gateway.expectQuiet();
	});

	it("does not count large fragments: a message counts once", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ messages: { rate: 1/h, burst: 1 } }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		const part = Buffer.alloc(2000);
		const frames = [
			frame(OPCODE.binary, part, { mask: true, fin: false }),
			...Array.from({ length: 20 }, () => frame(OPCODE.continuation, part, { mask: true, fin: false })),
			frame(OPCODE.continuation, "", { mask: true }),
		];
		client.write(Buffer.concat(frames));
		await until(() => peer.after.equals(Buffer.concat(frames)), { what: "the whole message" });
	});

	it("does not hold back the Close that the gateway asked for", async () => {
		const backend = await startWsBackend({ onConnection: () => {} });
		const gateway = await withLimits(backend.url, "{ messages: { rate: 1/h, burst: 1, on_exceed: delay } }");
		const client = await openWs(gateway.url());
		for (let i = 0; i < 10; i++) client.socket.send("x");
		await until(() => limited(gateway, "messages"), { what: "the delay" });
		void gateway.stop();
		expect((await client.waitClosed()).code).toBe(1001);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ client_close_code: 1001, backend_close_code: 1001 });
	});

	it("passes on what waits before the client's end is", async () => {
		let received = 0;
		const backend = await startWsBackend({
			onConnection: (socket) => socket.on("message", () => received++),
		});
		const gateway = await withLimits(
			backend.url,
			"{ messages: { rate: 20/s, burst: 1, on_exceed: delay } }",
			", tls: { self_signed: [localhost] }",
		);
		const client = await openRaw(gateway.port, "/", { tls: true });
		const frames = Array.from({ length: 10 }, () => frame(OPCODE.text, "x", { mask: true }));
		client.socket.end(Buffer.concat(frames));
		await until(() => received === 10, { what: "all messages" });
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "client_drop", messages_in: 10 });
	});
});

describe("the rate of bytes", () => {
	it("closes with 1008 before the frame that is too much", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ bytes: { rate: 1KiB/m, burst: 4KiB } }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		const first = frame(OPCODE.binary, Buffer.alloc(3000), { mask: true });
		client.write(first);
		client.write(frameHeader(OPCODE.binary, 2000, { mask: true }));
		expect(await client.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1008, text: "too many bytes" });
		await until(() => peer.after.length > first.length, { what: "the Close" });
		expect(peer.after.subarray(0, first.length).equals(first)).toBe(true);
		expect(await limited(gateway, "bytes")).toBe(1);
	});

	it("delays: the backend sees the rate, also inside one large message", async () => {
		let received = 0;
		const backend = await startRawBackend(
			accepting({}, (peer) => {
				peer.forget();
				peer.socket.on("data", (chunk: Buffer) => {
					received += chunk.length;
				});
			}),
		);
		const gateway = await withLimits(backend.url, "{ bytes: { rate: 1MiB/s, burst: 64KiB, on_exceed: delay } }");
		const client = await openRaw(gateway.port);
		client.write(frameHeader(OPCODE.binary, 10 * 2 ** 30, { mask: true }));
		const chunk = Buffer.alloc(1024 * 1024);
		const more = (): void => {
			while (client.socket.writableLength < 4 * chunk.length) client.socket.write(chunk);
		};
		client.socket.on("drain", more);
		more();
		await until(() => received > 512 * 1024, { what: "the beginning" });
		const before = { received, at: performance.now() };
		await until(() => performance.now() - before.at > 3_000, { what: "three seconds" });
		const perSecond = ((received - before.received) / (performance.now() - before.at)) * 1000;
		expect(perSecond / 2 ** 20).toBeGreaterThan(0.6);
		expect(perSecond / 2 ** 20).toBeLessThan(1.1);
		expect(await limited(gateway, "bytes")).toBeGreaterThan(0);
	});
});

describe("sizes", () => {
	it("refuse a 10 GiB frame by its header: 1009 before a payload byte comes, and nothing at the backend", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_frame_size: 1MiB }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		client.sendFrame(OPCODE.text, "before");
		client.write(frameHeader(OPCODE.binary, 10n * 2n ** 30n, { mask: true }));
		expect(await client.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1009, text: "frame too big" });
		expect((await peer.readFrame()).text).toBe("before");
		expect(await peer.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1001, masked: true });
		// What still comes of it is thrown away, not kept.
		for (let i = 0; i < 64; i++) client.write(Buffer.alloc(1024 * 1024));
		await gateway.waitForLog("ws.close");
		expect(peer.unread.length).toBe(0);
		expect(gateway.lines.of("ws.close")[0]).toMatchObject({
			close_code: 1009,
			close_initiator: "gateway",
			termination: "limit",
		});
		expect(await limited(gateway, "max_frame_size")).toBe(1);
		await gateway.expectQuiet();
	});

	it("refuse a length that no number holds", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_message_size: 1MiB }");
		const client = await openRaw(gateway.port);
		client.write(frameHeader(OPCODE.binary, 2n ** 64n - 1n, { mask: true }));
		expect((await client.readFrameOf(OPCODE.close)).closeCode).toBe(1009);
	});

	it("hold a header that is not complete, byte by byte, and pass it on when it is", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_frame_size: 64KiB }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		const bytes = frame(OPCODE.binary, Buffer.alloc(70, 7), { mask: true, lengthBits: 64 });
		await client.writeSlowly(bytes);
		await until(() => peer.after.equals(bytes), { what: "the frame" });
		await client.writeSlowly(frameHeader(OPCODE.binary, 70_000, { mask: true }));
		expect((await client.readFrameOf(OPCODE.close)).closeCode).toBe(1009);
		expect((await peer.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
	});

	it("add the fragments of a message up, with control frames between them", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_message_size: 1000 }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		const half = Buffer.alloc(500, 1);
		const fits = Buffer.concat([
			frame(OPCODE.binary, half, { mask: true, fin: false }),
			frame(OPCODE.ping, Buffer.alloc(100), { mask: true }),
			frame(OPCODE.continuation, half, { mask: true }),
			frame(OPCODE.binary, half, { mask: true, fin: false }),
			frame(OPCODE.continuation, half, { mask: true, fin: false }),
		]);
		client.write(fits);
		client.sendFrame(OPCODE.continuation, "x");
		expect(await client.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1009, text: "message too big" });
		await until(() => peer.after.length > fits.length, { what: "the Close" });
		expect(peer.after.subarray(0, fits.length).equals(fits)).toBe(true);
		expect(await limited(gateway, "max_message_size")).toBe(1);
	});

	it("hold for the backend too: it gets 1009, the client 1001", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_message_size: 1KiB }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		peer.sendFrame(OPCODE.text, "fits");
		peer.sendFrame(OPCODE.text, Buffer.alloc(1025));
		expect((await client.readFrame()).text).toBe("fits");
		expect(await client.readFrame()).toMatchObject({ closeCode: 1001, text: "message too big" });
		expect(await peer.readFrame()).toMatchObject({ closeCode: 1009, masked: true });
		client.sendClose(1001);
		peer.sendClose(1009);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1009, termination: "limit" });
		await gateway.expectQuiet();
	});

	it("end a real client with 1009 while its message is on its way", async () => {
		const backend = await startWsBackend();
		const gateway = await withLimits(backend.url, "{ max_message_size: 1MiB }");
		const client = await openWs(gateway.url());
		client.socket.send(Buffer.alloc(1024 * 1024));
		expect((await client.next()).length).toBe(1024 * 1024);
		client.socket.send(Buffer.alloc(8 * 1024 * 1024));
		expect((await client.waitClosed()).code).toBe(1009);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "limit", client_close_code: 1009 });
		await gateway.expectQuiet();
	});

	it("count compressed messages as they are on the wire", async () => {
		const backend = await startWsBackend({ perMessageDeflate: { threshold: 0 } });
		const gateway = await withLimits(backend.url, "{ max_message_size: 64KiB }");
		const client = await openWs(gateway.url(), [], { perMessageDeflate: { threshold: 0 } });
		const zeros = Buffer.alloc(1024 * 1024);
		client.socket.send(zeros);
		expect((await client.next()).length).toBe(zeros.length);
	});

	it("let nothing more through when the client has said goodbye already", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await withLimits(backend.url, "{ max_message_size: 1KiB }");
		const client = await openRaw(gateway.port);
		const peer = await backend.connection();
		client.sendClose(1000, "bye");
		client.sendFrame(OPCODE.binary, Buffer.alloc(2000));
		expect((await peer.readFrame()).closeCode).toBe(1000);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, close_initiator: "client" });
		expect(peer.unread.length).toBe(0);
		await gateway.expectQuiet();
	});

	it("are not in the way of early bytes", async () => {
		const backend = await startRawBackend(accepting({ early: frame(OPCODE.text, "hello") }));
		const gateway = await withLimits(backend.url, "{ max_message_size: 1KiB, messages: { rate: 10/s } }");
		const client = await openRaw(gateway.port, "/", { early: frame(OPCODE.text, "early", { mask: true }) });
		expect((await client.readFrame()).text).toBe("hello");
		expect((await (await backend.connection()).readFrame()).text).toBe("early");
	});
});
