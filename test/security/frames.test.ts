/** Frames that are made to confuse or to exhaust: they pass as they are, cost little, and the end is still seen. */
import { describe, expect, test } from "vitest";
import { frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import type { BackendPeer } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { startTarget, type Target } from "./bad-input.ts";

async function open(tls = false): Promise<Target & { client: RawClient; server: BackendPeer }> {
	const target = await startTarget({ tls, handshake: "5s" });
	const client = await openRaw(target.gateway.port, "/", { tls });
	return { ...target, client, server: await target.backend.connection() };
}

describe.each(["client", "backend"] as const)("a length from the %s", (side) => {
	test.each([
		["with the top bit", 2n ** 63n],
		["of all ones", 2n ** 64n - 1n],
		["just beyond 2^53", 2n ** 53n + 1n],
		["of 2^53", 2n ** 53n],
		["of 2^53 - 1", 2n ** 53n - 1n],
		["of 2^32", 2n ** 32n],
	])("%s passes unchanged, and what follows is never taken for a frame", async (_, length) => {
		const { gateway, client, server } = await open();
		const [from, to] = side === "client" ? [client, server] : [server, client];
		// What follows looks like a Close; inside that payload it is none.
		const bytes = Buffer.concat([
			frameHeader(OPCODE.binary, length, { mask: side === "client" }),
			frame(OPCODE.close, Buffer.from([3, 232]), { mask: side === "client" }),
			Buffer.alloc(2_000, 0x88),
		]);
		from.write(bytes);
		await until(() => to.unread.length === bytes.length, { what: "the bytes" });
		expect(to.unread.equals(bytes)).toBe(true);
		expect(gateway.handle.connectionCount()).toBe(1);
		from.reset();
		// There is no boundary for a Close: the other side is reset.
		await to.ended();
		expect(to.unread.equals(bytes)).toBe(true);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, close_initiator: side });
		await gateway.expectQuiet();
	});

	test("that never comes whole does not hang the end", async () => {
		const { gateway, client, server } = await open();
		const [from, to] = side === "client" ? [client, server] : [server, client];
		from.write(frameHeader(OPCODE.binary, 2n ** 63n).subarray(0, 7));
		await until(() => to.unread.length === 7, { what: "the bytes" });
		from.end();
		await to.ended();
		to.end();
		await gateway.expectQuiet();
	});
});

test("a Close with a length of 2^63 is no Close", async () => {
	const { gateway, client, server } = await open();
	client.write(frameHeader(OPCODE.close, 2n ** 63n, { mask: true }));
	client.write(Buffer.from([3, 232]));
	await until(() => server.unread.length === 16, { what: "the bytes" });
	client.reset();
	await server.ended();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1006, termination: "client_drop" });
	await gateway.expectQuiet();
});

test.each([
	["plain", false],
	["TLS", true],
] as const)(
	"200 000 empty fragments pass in order and the connection still closes (%s)",
	async (_, tls) => {
		const { gateway, client, server } = await open(tls);
		const count = 200_000;
		const first = frame(OPCODE.text, "", { fin: false, mask: Buffer.from([0, 0, 0, 0]) });
		const empty = frame(OPCODE.continuation, "", { fin: false, mask: Buffer.from([0, 0, 0, 0]) });
		const flood = Buffer.concat([first, ...Array.from({ length: count }, () => empty)]);
		client.write(flood);
		await until(() => server.unread.length === flood.length, { timeout: 15_000, what: "the flood" });
		expect(server.unread.equals(flood)).toBe(true);
		client.write(frame(OPCODE.close, Buffer.from([3, 232]), { mask: true }));
		client.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1000, close_initiator: "client" });
		await gateway.expectQuiet();
	},
	30_000,
);

test.each([
	["plain", false],
	["TLS", true],
] as const)("5 000 one-byte packets pass in order (%s)", async (_, tls) => {
	const { gateway, client, server } = await open(tls);
	const bytes = Buffer.concat(Array.from({ length: 400 }, (_unused, i) => frame(OPCODE.text, `${i}`, { mask: true })));
	for (const byte of bytes) {
		client.write(Buffer.from([byte]));
		await new Promise((resolve) => setImmediate(resolve));
	}
	await until(() => server.unread.length === bytes.length, { timeout: 10_000, what: "the bytes" });
	expect(server.unread.equals(bytes)).toBe(true);
	client.reset();
	await gateway.expectQuiet();
});

test("one-byte packets to a backend that does not read cost memory in bounds", async () => {
	const { gateway, client, server } = await open();
	server.socket.pause();
	// Fills the kernel's buffers first, then drips.
	const chunk = Buffer.concat([frame(OPCODE.binary, Buffer.alloc(60_000), { mask: true })]);
	while (client.socket.writableLength < 4 * 1024 * 1024) {
		client.write(chunk);
		await new Promise((resolve) => setImmediate(resolve));
	}
	const before = process.memoryUsage().arrayBuffers;
	for (let i = 0; i < 20_000; i++) {
		client.write(Buffer.from([0x82]));
		if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
	}
	const grown = process.memoryUsage().arrayBuffers - before;
	expect(grown).toBeLessThan(8 * 1024 * 1024);
	client.reset();
	server.socket.resume();
	await gateway.expectQuiet();
}, 30_000);
