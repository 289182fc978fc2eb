import { describe, expect, test } from "vitest";
import { frame, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

describe("a drain", () => {
	test("of a removed endpoint tells its connections one by one, evenly over the window, and nobody else", async () => {
		const backends = [await startWsBackend({}), await startWsBackend({}), await startWsBackend({})];
		const window = 3_000;
		const yaml = (urls: string[]) => `
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { chat: { endpoints: [${urls.map((url) => `"${url}"`).join(", ")}] } }
			routes: [{ name: chat, match: {}, upstream: chat, drain: { spread: ${window}ms, timeout: 10s, reason: "moving" } }]
		`;
		const gateway = await startReloadable(yaml(backends.map(({ url }) => url)));
		const clients = await Promise.all(Array.from({ length: 120 }, () => openWs(`ws://127.0.0.1:${gateway.port}/`)));
		const times: number[] = [];
		for (const { socket } of clients) socket.on("close", () => times.push(performance.now()));
		const startedAt = performance.now();
		await gateway.change(yaml(backends.slice(1).map(({ url }) => url)));
		await until(() => times.length === 40, { timeout: 10_000, what: "40 closed connections" });

		const tenths = new Array<number>(10).fill(0);
		for (const time of times) {
			const tenth = Math.min(9, Math.floor(((time - startedAt) / window) * 10));
			tenths[tenth] = (tenths[tenth] as number) + 1;
		}
		expect(Math.max(...tenths), `closed in each tenth of the window: ${tenths}`).toBeLessThanOrEqual(8);
		const closed = clients.filter((client) => client.closed);
		expect(new Set(closed.map((client) => client.closed?.code))).toEqual(new Set([1001]));
		expect(new Set(closed.map((client) => client.closed?.reason))).toEqual(new Set(["moving"]));
		expect(gateway.handle.connectionCount()).toBe(80);
		const ended = await gateway.lines.waitFor("drain.end");
		expect(ended).toMatchObject({ connections: 40 });
	});

	test("is over early when its connections leave by themselves", async () => {
		const backend = await startWsBackend({});
		const yaml = (upstream: string) => `
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { a: { endpoints: ["${backend.url}"] }, b: { endpoints: ["${backend.url}"] } }
			routes: [{ name: chat, match: {}, upstream: ${upstream}, drain: { spread: 60s, timeout: 90s } }]
		`;
		const gateway = await startReloadable(yaml("a"));
		const clients = await Promise.all(Array.from({ length: 3 }, () => openWs(`ws://127.0.0.1:${gateway.port}/`)));
		await gateway.change(yaml("b"));
		for (const { socket } of clients) socket.close(1000);
		await gateway.lines.waitFor("drain.end", 40_000);
	}, 60_000);

	test.each([
		["lets a frame that is under way pass, although it takes longer than timeouts.close", "1001", 1001],
		["with close_code none ends both sides with FIN, behind the frame that is under way", "none", 1006],
	])("%s", async (_, closeCode, logged) => {
		const backend = await startRawBackend(accepting());
		const yaml = (upstream: string) => `
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { a: { endpoints: ["${backend.url}"] }, b: { endpoints: ["${backend.url}"] } }
			routes:
				- { name: chat, match: {}, upstream: ${upstream}, timeouts: { close: 200ms }, drain: { spread: 0s, timeout: 20s, close_code: ${closeCode} } }
		`;
		const gateway = await startReloadable(yaml("a"));
		const client = await openRaw(gateway.port);
		const server = await backend.connection();
		const upload = frame(OPCODE.binary, Buffer.alloc(100_000, 0x88), { mask: true });
		client.write(upload.subarray(0, 60_000));
		await until(() => server.unread.length === 60_000, { what: "the first part of the upload" });
		await gateway.change(yaml("b"));
		await new Promise((resolve) => setTimeout(resolve, 600));
		expect([client.unread.length, client.ending, server.ending]).toEqual([0, "open", "open"]);
		client.write(upload.subarray(60_000));
		expect((await server.readFrame()).payload).toHaveLength(100_000);
		if (closeCode === "none") {
			expect(await client.ended()).toBe("fin");
			expect(await server.ended()).toBe("fin");
			expect([client.unread.length, server.unread.length]).toEqual([0, 0]);
		} else {
			expect((await server.readFrame()).closeCode).toBe(1001);
			expect((await client.readFrame()).closeCode).toBe(1001);
			client.sendClose(1001);
			server.sendClose(1001);
		}
		client.end();
		server.end();
		expect(await gateway.lines.waitFor("ws.close")).toMatchObject({ termination: "drain", close_code: logged });
		expect(gateway.lines.of("drain.start")[0]).toMatchObject({ close_code: logged });
	});

	test("cuts off at its deadline those that do not answer", async () => {
		const backend = await startWsBackend({});
		const yaml = (upstream: string) => `
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { a: { endpoints: ["${backend.url}"] }, b: { endpoints: ["${backend.url}"] } }
			routes: [{ name: chat, match: {}, upstream: ${upstream}, timeouts: { close: 60s }, drain: { spread: 0s, timeout: 500ms } }]
		`;
		const gateway = await startReloadable(yaml("a"));
		const client = await openWs(`ws://127.0.0.1:${gateway.port}/`);
		// Stops reading, so that the Close is never answered.
		client.socket.pause();
		await gateway.change(yaml("b"));
		expect(await gateway.lines.waitFor("ws.close")).toMatchObject({ termination: "drain", close_code: 1001 });
	});
});
