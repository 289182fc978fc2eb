import { describe, expect, it } from "vitest";
import { frame, OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

const CLOSE_MS = 500;

function startGateway(url: string, limits = "{ max_buffered: 1MiB }"): Promise<TestGateway> {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		upstreams: { b: { endpoints: ["${url}"] } }
		routes:
			- name: r
			  match: { path_prefix: / }
			  upstream: b
			  timeouts: { close: ${CLOSE_MS}ms }
			  limits: ${limits}
	`);
}

/** Writes frames for ever, as fast as they are taken. */
function writeForEver(socket: import("node:net").Socket, bytes: Buffer): void {
	const more = (): void => {
		while (!socket.destroyed && !socket.writableEnded && socket.write(bytes));
	};
	socket.on("drain", more);
	more();
}

describe("a reader that is too slow", () => {
	it("is closed with 1013 and the backend with 1001, and reads it when it reads again in time", async () => {
		const message = frame(OPCODE.binary, Buffer.alloc(16 * 1024));
		const backend = await startRawBackend(
			accepting({}, (peer) => {
				writeForEver(peer.socket, message);
			}),
		);
		const gateway = await startGateway(backend.url);
		const client = await openWs(gateway.url());
		client.socket.pause();
		const peer = await backend.connection();
		// A Close is written in the middle of no message: the rest of one needs the reader first.
		await until(async () => /limit="max_buffered"\} 1\b/.test(await metrics(gateway)), {
			what: "the limit",
			timeout: 10_000,
		});
		client.socket.resume();
		expect(await client.waitClosed()).toEqual({ code: 1013, reason: "the client does not read fast enough" });
		expect((await peer.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			close_code: 1013,
			close_initiator: "gateway",
			termination: "slow_consumer",
		});
		await gateway.expectQuiet();
	});

	it("is cut off when it does not read any more at all", async () => {
		const backend = await startRawBackend(
			accepting({}, (peer) => {
				writeForEver(peer.socket, frame(OPCODE.binary, Buffer.alloc(1000)));
			}),
		);
		const gateway = await startGateway(backend.url);
		const client = await openRaw(gateway.port);
		client.forget();
		client.socket.pause();
		expect(await gateway.waitForLog("ws.close", 10_000)).toMatchObject({ termination: "slow_consumer" });
		expect(gateway.handle.connectionCount()).toBe(0);
		client.socket.resume();
		await client.ended();
		await gateway.expectQuiet();
	});

	it("may be the backend: the client is told with 1013", async () => {
		const backend = await startRawBackend(
			accepting({}, (peer) => {
				peer.forget();
				peer.socket.pause();
			}),
		);
		const gateway = await startGateway(backend.url);
		const client = await openRaw(gateway.port);
		writeForEver(client.socket, frame(OPCODE.binary, Buffer.alloc(1000), { mask: true }));
		expect(await client.readFrame(10_000)).toMatchObject({
			closeCode: 1013,
			text: "the backend does not read fast enough",
		});
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "slow_consumer" });
		await gateway.expectQuiet();
	});

	it("is only waited for where no limit is set", async () => {
		const message = frame(OPCODE.binary, Buffer.alloc(16 * 1024));
		const backend = await startRawBackend(accepting({}, (peer) => writeForEver(peer.socket, message)));
		const gateway = await startGateway(backend.url, "{}");
		const client = await openRaw(gateway.port);
		client.forget();
		client.socket.pause();
		await until(async () => /backpressure_pauses_total\{[^}]*\} [1-9]/.test(await metrics(gateway)), {
			what: "a pause",
		});
		await new Promise((resolve) => setTimeout(resolve, 3 * CLOSE_MS));
		expect(gateway.handle.connectionCount()).toBe(1);
	});

	it("is not one that takes its time but takes enough", async () => {
		const message = frame(OPCODE.binary, Buffer.alloc(16 * 1024));
		const backend = await startRawBackend(accepting({}, (peer) => writeForEver(peer.socket, message)));
		const gateway = await startGateway(backend.url, "{ max_buffered: 64KiB }");
		const client = await openRaw(gateway.port);
		client.forget();
		let read = 0;
		client.socket.on("data", (chunk: Buffer) => {
			read += chunk.length;
			client.socket.pause();
			setTimeout(() => client.socket.resume(), 10);
		});
		await until(() => read > 4 * 1024 * 1024, { what: "four MiB", timeout: 15_000 });
		await new Promise((resolve) => setTimeout(resolve, 2 * CLOSE_MS));
		expect(gateway.handle.connectionCount()).toBe(1);
	});

	it("does not slow down the fast ones of the same backend", async () => {
		const backend = await startWsBackend({
			onConnection: (socket, request) => {
				if (request.url !== "/slow") {
					socket.on("message", (data) => socket.send(String(data)));
					return;
				}
				const payload = Buffer.alloc(64 * 1024);
				const timer = setInterval(() => {
					for (let i = 0; i < 20 && socket.bufferedAmount < 4 * 1024 * 1024; i++) socket.send(payload);
				}, 5);
				socket.on("close", () => clearInterval(timer));
			},
		});
		const gateway = await startGateway(backend.url);
		const fast = await Promise.all(Array.from({ length: 50 }, () => openWs(gateway.url("/fast"))));
		const slow = await openWs(gateway.url("/slow"));
		slow.socket.pause();
		let rounds = 0;
		while (gateway.lines.of("ws.close").length === 0) {
			await Promise.all(
				fast.map(async (client) => {
					client.socket.send("ping");
					expect(await client.next()).toBe("ping");
				}),
			);
			rounds++;
		}
		expect(rounds).toBeGreaterThan(10);
		expect(gateway.lines.of("ws.close")).toHaveLength(1);
		expect(gateway.lines.of("ws.close")[0]).toMatchObject({ path: "/slow", termination: "slow_consumer" });
		expect(fast.every((client) => client.closed === undefined)).toBe(true);
	});
});

async function metrics(gateway: TestGateway): Promise<string> {
	return (await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
}
