import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_CLOSE_FRAME, type Side } from "../../../src/tunnel/report.ts";
import { closePayload, frame, OPCODE } from "../../harness/frames.ts";
import { until } from "../../harness/poll.ts";
import type { RawPeer } from "../../harness/raw-peer.ts";
import { openTunnel, type TestTunnel } from "./tunnel.fixtures.ts";

const MASK = Buffer.from([9, 8, 7, 6]);
const INTERVAL = 20_000;

/** Lets the gateway ping `side`, and returns the Ping's payload. */
async function pinged(tunnel: TestTunnel, side: Side): Promise<Buffer> {
	tunnel.advance(INTERVAL + 100);
	const ping = await tunnel[side].readFrameOf(OPCODE.ping);
	return ping.payload;
}

/** What `side`'s far end sends; masked when that is a client. */
function sent(side: Side, opcode: number, payload: Buffer | string): Buffer {
	return frame(opcode, payload, side === "client" ? { mask: MASK } : {});
}

const other = (side: Side): Side => (side === "client" ? "backend" : "client");

describe.each<Side>(["client", "backend"])("Pongs of the %s", (side) => {
	test("the one to the gateway's Ping is taken out, wherever the reads cut it", async () => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		const far = tunnel[other(side)];
		const before = sent(side, OPCODE.text, "before");
		const after = sent(side, OPCODE.binary, "after");
		const length = sent(side, OPCODE.pong, Buffer.alloc(8)).length;
		for (let cut = 0; cut <= before.length + length + after.length; cut++) {
			const pong = sent(side, OPCODE.pong, await pinged(tunnel, side));
			const bytes = Buffer.concat([before, pong, after]);
			tunnel.read(side, bytes.subarray(0, cut));
			tunnel.read(side, bytes.subarray(cut));
			const passed = await far.read(before.length + after.length);
			expect(passed.equals(Buffer.concat([before, after])), `cut at ${cut}`).toBe(true);
		}
		expect(far.unread.length).toBe(0);
		expect(tunnel.pongs).toHaveLength(before.length + length + after.length + 1);
	});

	test("the one to the gateway's Ping is taken out when it comes a byte at a time", async () => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		const pong = sent(side, OPCODE.pong, await pinged(tunnel, side));
		const rest = sent(side, OPCODE.text, "rest");
		for (const byte of Buffer.concat([pong, rest])) tunnel.read(side, Buffer.from([byte]));
		expect((await tunnel[other(side)].read(rest.length)).equals(rest)).toBe(true);
	});

	test.each([
		["an empty one", Buffer.alloc(0)],
		["one of another length", Buffer.from("cgw\u00010001x", "latin1")],
		["one of the same length", Buffer.from("12345678")],
		["one that begins like ours", Buffer.from("cgw\u0002\0\0\0\u0001", "latin1")],
	])("%s is a foreign one and passes, wherever the reads cut it", async (_, payload) => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		await pinged(tunnel, side);
		const pong = sent(side, OPCODE.pong, payload);
		const far = tunnel[other(side)];
		for (let cut = 0; cut <= pong.length; cut++) {
			tunnel.read(side, pong.subarray(0, cut));
			tunnel.read(side, pong.subarray(cut));
			expect((await far.read(pong.length)).equals(pong), `cut at ${cut}`).toBe(true);
		}
	});

	test("one to the gateway's Ping that comes after data, and late, is still taken out", async () => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		const payload = await pinged(tunnel, side);
		const data = sent(side, OPCODE.text, "busy");
		// Data shows that the peer lives: the Ping is not waited for any more, but it is not forgotten.
		for (let i = 0; i < 6; i++) {
			tunnel.read(side, data);
			tunnel.advance(INTERVAL / 2);
		}
		tunnel.read(side, sent(side, OPCODE.pong, payload));
		tunnel.read(side, data);
		const far = tunnel[other(side)];
		expect((await far.read(7 * data.length)).length).toBe(7 * data.length);
		expect(far.unread.length).toBe(0);
	});

	test("random streams with Pongs of ours and of others, cut anywhere: all but ours arrive, in order", async () => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		const far = tunnel[other(side)];
		const piece = fc.oneof(
			fc.record({ opcode: fc.constantFrom(0, 1, 2, 9, 10), payload: fc.uint8Array({ maxLength: 140 }) }),
			fc.constant("own" as const),
		);
		await fc.assert(
			fc.asyncProperty(
				fc.array(piece, { maxLength: 8 }),
				fc.array(fc.nat({ max: 400 }), { maxLength: 10 }),
				async (pieces, cuts) => {
					const own = sent(side, OPCODE.pong, await pinged(tunnel, side));
					// Only the first one answers the Ping; what comes later is a peer's own affair.
					let answered = false;
					const parts: Buffer[] = [];
					const expected: Buffer[] = [];
					for (const one of [...pieces, "own" as const]) {
						if (one === "own") {
							if (!answered) parts.push(own);
							answered = true;
						} else {
							const bytes = sent(side, one.opcode, Buffer.from(one.payload));
							parts.push(bytes);
							expected.push(bytes);
						}
					}
					const bytes = Buffer.concat(parts);
					const at = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
					for (let i = 1; i < at.length; i++) tunnel.read(side, bytes.subarray(at[i - 1], at[i]));
					const want = Buffer.concat(expected);
					expect((await far.read(want.length)).equals(want)).toBe(true);
					expect(far.unread.length).toBe(0);
				},
			),
			{ numRuns: 100 },
		);
	});
});

describe("a Close of the gateway's", () => {
	test.each<Side>(["client", "backend"])(
		"comes at the boundary behind the frame of the %s, wherever that is cut",
		async (side) => {
			const data = Buffer.concat([
				sent(side, OPCODE.text, "first"),
				sent(side, OPCODE.binary, Buffer.alloc(200, 0x88)),
			]);
			const boundaries = [0, sent(side, OPCODE.text, "first").length, data.length];
			for (let cut = 0; cut <= data.length; cut++) {
				const tunnel = await openTunnel();
				tunnel.read(side, data.subarray(0, cut));
				tunnel.tunnel.close({ code: 1012, reason: "restart", termination: "drain" });
				tunnel.read(side, data.subarray(cut));
				const end = boundaries.find((boundary) => boundary >= cut) as number;
				const far = tunnel[other(side)];
				expect((await far.read(end)).equals(data.subarray(0, end)), `cut at ${cut}`).toBe(true);
				expect((await far.readFrame()).closeCode).toBe(side === "client" ? 1001 : 1012);
				expect(far.unread.length).toBe(0);
			}
		},
		60_000,
	);

	test("comes before a Pong to its Ping that is under way, and that Pong is not passed on", async () => {
		const tunnel = await openTunnel();
		const pong = sent("client", OPCODE.pong, await pinged(tunnel, "client"));
		tunnel.read("client", pong.subarray(0, 9));
		tunnel.tunnel.close({ code: 1012, reason: "", termination: "drain" });
		tunnel.read("client", pong.subarray(9));
		expect((await tunnel.backend.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
		expect(tunnel.backend.unread.length).toBe(0);
	});

	test("lets the other side's answer be heard although this side is slow", async () => {
		const tunnel = await openTunnel();
		tunnel.client.socket.pause();
		const data = sent("backend", OPCODE.binary, Buffer.alloc(60_000));
		await until(
			async () => {
				await new Promise((resolve) => setImmediate(resolve));
				return !tunnel.read("backend", data);
			},
			{ what: "the client to be slow" },
		);
		expect(tunnel.tunnel.backend.stopped).toBe(true);
		tunnel.tunnel.close({ code: 1012, reason: "", termination: "drain" });
		expect(tunnel.tunnel.backend.stopped).toBe(false);
		await tunnel.backend.readFrameOf(OPCODE.close);
		tunnel.backend.sendClose(1001);
		expect(await tunnel.backend.ended()).toBe("fin");
	});

	test("is the last word: no second Close follows it, whatever happens then", async () => {
		const tunnel = await openTunnel();
		expect(tunnel.tunnel.close({ code: 1012, reason: "one", termination: "drain" })).toBe(true);
		expect(tunnel.tunnel.close({ code: 1008, reason: "two", termination: "killed" })).toBe(false);
		tunnel.backend.reset();
		expect((await tunnel.client.readFrame()).text).toBe("one");
		expect(await tunnel.client.ended()).toBe("fin");
		expect(tunnel.client.unread.length).toBe(0);
		tunnel.client.sendClose(1012, "", { mask: true });
		tunnel.client.end();
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
		expect(tunnel.outcomes).toEqual([{ code: 1012, reason: "one", initiator: "gateway", termination: "drain" }]);
	});

	test("is not written again to a side that has closed by itself, but bounds its time", async () => {
		const tunnel = await openTunnel();
		tunnel.read("client", sent("client", OPCODE.close, closePayload(1000)));
		tunnel.tunnel.close({ code: 1012, reason: "", termination: "drain" });
		// The backend goes on sending: without the drain it would buy time with that.
		for (let i = 0; i < 20; i++) {
			tunnel.read("backend", sent("backend", OPCODE.text, "more"));
			tunnel.advance(500);
		}
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
		expect(tunnel.outcomes[0]).toMatchObject({ code: 1000, initiator: "client", termination: "normal" });
	});
});

describe("an end of the gateway's without a Close frame", () => {
	test("is FIN for both sides between two frames, and nothing follows what was under way", async () => {
		const tunnel = await openTunnel();
		const half = sent("client", OPCODE.text, "whole");
		tunnel.read("client", half.subarray(0, 4));
		tunnel.tunnel.close({ code: NO_CLOSE_FRAME, reason: "", termination: "drain" });
		expect(await tunnel.client.ended()).toBe("fin");
		expect(tunnel.backend.ending).toBe("open");
		tunnel.read("client", Buffer.concat([half.subarray(4), sent("client", OPCODE.text, "too late")]));
		expect((await tunnel.backend.readFrame()).text).toBe("whole");
		expect(await tunnel.backend.ended()).toBe("fin");
		expect([tunnel.client.unread.length, tunnel.backend.unread.length]).toEqual([0, 0]);
		tunnel.client.end();
		tunnel.backend.end();
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
		expect(tunnel.outcomes[0]).toMatchObject({ code: 1006, initiator: "gateway", termination: "drain" });
	});
});

describe("a drain with time for the frame that is under way", () => {
	const DRAIN = { code: 1001, reason: "restart", termination: "drain", patience: 30_000 } as const;
	const slowly = (tunnel: TestTunnel, side: Side, bytes: Buffer, milliseconds: number): void => {
		for (let at = 0; at < bytes.length; at += 100) {
			tunnel.advance((milliseconds * 100) / bytes.length);
			tunnel.read(side, bytes.subarray(at, at + 100));
		}
	};

	test.each<Side>(["client", "backend"])("tells neither side before the frame of the %s has passed", async (side) => {
		// A Ping of ours that is out makes the gateway look at the other side's frames meanwhile.
		const tunnel = await openTunnel({ pingClient: side === "backend", pingBackend: side === "client" });
		await pinged(tunnel, other(side));
		const long = sent(side, OPCODE.binary, Buffer.alloc(2_000, 0x88));
		tunnel.read(side, long.subarray(0, 500));
		expect(tunnel.tunnel.close(DRAIN)).toBe(true);
		// What the other side says meanwhile is passed on.
		tunnel.read(other(side), sent(other(side), OPCODE.text, "go on"));
		slowly(tunnel, side, long.subarray(500, -1), 20_000);
		expect((await tunnel[side].readFrameOf(OPCODE.text)).text).toBe("go on");
		expect(tunnel[side].unread.length).toBe(0);
		tunnel.read(side, long.subarray(-1));
		expect((await tunnel[other(side)].readFrameOf(OPCODE.binary)).payload.length).toBe(2_000);
		expect((await tunnel[other(side)].readFrame()).closeCode).toBe(1001);
		expect((await tunnel[side].readFrame()).closeCode).toBe(1001);
		// The time for the answers begins now.
		tunnel.advance(4_900);
		expect(tunnel.outcomes).toEqual([]);
		tunnel.advance(200);
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
	});

	test.each([
		["goes on for longer", 40_000],
		["stands still", Number.POSITIVE_INFINITY],
	])("cuts a frame that %s, with a reset", async (_, milliseconds) => {
		const tunnel = await openTunnel();
		const long = sent("client", OPCODE.binary, Buffer.alloc(2_000));
		tunnel.read("client", long.subarray(0, 100));
		tunnel.tunnel.close(DRAIN);
		if (Number.isFinite(milliseconds)) slowly(tunnel, "client", long.subarray(100, 1_500), 29_900);
		else tunnel.advance(29_900);
		expect(tunnel.tunnel.backend.closed).toBe(false);
		const passed = Number.isFinite(milliseconds) ? 1_500 : 100;
		await until(() => tunnel.backend.unread.length === passed, { what: "the first part of the frame" });
		tunnel.advance(200);
		expect(await tunnel.backend.ended()).toBe("reset");
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
		expect(tunnel.outcomes[0]).toMatchObject({ code: 1001, initiator: "gateway", termination: "drain" });
	});

	test.each<[string, (peer: RawPeer) => void, Side]>([
		["the uploading client goes", (peer) => peer.end(), "client"],
		["the backend goes", (peer) => peer.reset(), "backend"],
		["the backend ends", (peer) => peer.end(), "backend"],
	])("does not wait any more when %s", async (_, go, side) => {
		const tunnel = await openTunnel();
		tunnel.read("client", sent("client", OPCODE.binary, Buffer.alloc(2_000)).subarray(0, 100));
		tunnel.tunnel.close(DRAIN);
		go(tunnel[side]);
		expect((await tunnel.client.readFrame()).closeCode).toBe(1001);
	});

	test("writes no Close behind the one that the other side has sent meanwhile", async () => {
		const tunnel = await openTunnel();
		const long = sent("client", OPCODE.binary, Buffer.alloc(2_000));
		tunnel.read("client", long.subarray(0, 100));
		tunnel.tunnel.close(DRAIN);
		tunnel.read("backend", sent("backend", OPCODE.close, closePayload(4000)));
		tunnel.read("client", long.subarray(100));
		expect((await tunnel.client.readFrame()).closeCode).toBe(4000);
		expect((await tunnel.backend.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
		tunnel.backend.end();
		expect(await tunnel.client.ended()).toBe("fin");
		expect(tunnel.client.unread.length).toBe(0);
	});

	test("waits no longer than a later drain says", async () => {
		const tunnel = await openTunnel();
		tunnel.read("client", sent("client", OPCODE.binary, Buffer.alloc(2_000)).subarray(0, 100));
		tunnel.tunnel.close(DRAIN);
		expect(tunnel.tunnel.close({ ...DRAIN, termination: "shutdown", patience: 2_000 })).toBe(false);
		tunnel.advance(2_100);
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
		expect(tunnel.outcomes[0]).toMatchObject({ termination: "drain" });
	});
});

describe("keep-alive", () => {
	test.each<Side>(["client", "backend"])("a silent %s is pinged at the interval, every time", async (side) => {
		const tunnel = await openTunnel({
			pingClient: side === "client",
			pingBackend: side === "backend",
			pingTimeout: 60_000,
		});
		for (let i = 0; i < 5; i++) {
			const payload = await pinged(tunnel, side);
			tunnel.read(side, sent(side, OPCODE.pong, payload));
		}
		expect(tunnel.pongs).toHaveLength(5);
	});

	test.each<Side>(["client", "backend"])("a %s that does not answer is given up after the timeout", async (side) => {
		const tunnel = await openTunnel({ pingClient: side === "client", pingBackend: side === "backend" });
		await pinged(tunnel, side);
		tunnel.advance(19_000);
		expect(tunnel.tunnel.closing).toBe(false);
		tunnel.advance(1_100);
		expect(tunnel.tunnel.closing).toBe(true);
		expect((await tunnel[other(side)].readFrameOf(OPCODE.close)).closeCode).toBe(1001);
	});

	test("a time in which the process did not run is not a peer's silence", async () => {
		const tunnel = await openTunnel({ pingBackend: false });
		const payload = await pinged(tunnel, "client");
		tunnel.stall(600_000);
		expect(tunnel.tunnel.closing).toBe(false);
		tunnel.read("client", sent("client", OPCODE.pong, payload));
		tunnel.advance(1_000);
		expect(tunnel.tunnel.closing).toBe(false);
		// It still has to answer the next one.
		await pinged(tunnel, "client");
		tunnel.advance(INTERVAL + 100);
		expect(tunnel.tunnel.closing).toBe(true);
	});

	test("a side that takes nothing of what waits for it is given up, although there is no boundary for a Ping", async () => {
		const tunnel = await openTunnel({ pingClient: false });
		tunnel.backend.socket.pause();
		const endless = frame(OPCODE.binary, Buffer.alloc(0), { mask: MASK, lengthBits: 64 });
		endless.writeBigUInt64BE(2n ** 40n, 2);
		tunnel.read("client", endless);
		await until(
			async () => {
				await new Promise((resolve) => setImmediate(resolve));
				return !tunnel.read("client", Buffer.alloc(60_000));
			},
			{ what: "the backend to be slow" },
		);
		tunnel.advance(INTERVAL + 100);
		expect(tunnel.tunnel.closing).toBe(false);
		tunnel.advance(INTERVAL + 100);
		expect(tunnel.tunnel.closing).toBe(true);
	});

	test("a side that cannot be pinged because the other one is in the middle of a frame is left alone", async () => {
		const tunnel = await openTunnel({ pingClient: false });
		tunnel.read("client", sent("client", OPCODE.binary, Buffer.alloc(1_000)).subarray(0, 500));
		tunnel.advance(10 * INTERVAL);
		expect(tunnel.tunnel.closing).toBe(false);
		expect((await tunnel.backend.read(500)).length).toBe(500);
	});
});

describe("writes that wait", () => {
	test("are few, however small they are: reading stops, and goes on when they were taken", async () => {
		const tunnel = await openTunnel();
		tunnel.backend.socket.pause();
		const { socket } = tunnel.tunnel.backend;
		// Until the kernel takes no more; far below the mark from which a stream itself says so.
		while (socket.writableLength === 0) tunnel.read("client", Buffer.alloc(1_000, 0x61));
		let reads = 0;
		while (reads < 1_000 && tunnel.read("client", Buffer.from([0x62]))) reads++;
		expect(socket.writableNeedDrain).toBe(false);
		expect(reads).toBeGreaterThan(0);
		expect(reads).toBeLessThan(20);
		expect(tunnel.tunnel.client.stopped).toBe(true);
		tunnel.backend.socket.resume();
		await until(() => !tunnel.tunnel.client.stopped, { what: "reading to go on" });
		await until(() => tunnel.backend.unread.toString("latin1").endsWith("b".repeat(reads + 1)), { what: "all bytes" });
	});

	test("do not keep the other side from being heard when the slow one is gone", async () => {
		const tunnel = await openTunnel({ backendLostCode: 1011 });
		await fill(tunnel, "backend");
		tunnel.backend.reset();
		await until(() => tunnel.tunnel.backend.closed, { what: "the backend to be gone" });
		expect(tunnel.tunnel.client.stopped).toBe(false);
		tunnel.client.sendClose(1000, "", { mask: true });
		tunnel.client.end();
		expect((await tunnel.client.readFrameOf(OPCODE.close)).closeCode).toBe(1011);
		await until(() => tunnel.outcomes.length === 1, { what: "the end" });
	});

	test("do not keep the other side from being heard when the slow one is given up", async () => {
		const tunnel = await openTunnel({ pingBackend: false });
		await fill(tunnel, "client");
		// Within a frame there is no place for the Close to the client.
		tunnel.read("backend", sent("backend", OPCODE.binary, Buffer.alloc(100)).subarray(0, 50));
		tunnel.advance(3 * INTERVAL);
		expect(tunnel.tunnel.closing).toBe(true);
		expect(tunnel.tunnel.backend.stopped).toBe(false);
	});

	test("do not stop the reading of a side when the slow one is finished in the same read", async () => {
		const tunnel = await openTunnel();
		await fill(tunnel, "client");
		const frames = sent("backend", OPCODE.binary, Buffer.alloc(40_000));
		tunnel.read("backend", frames.subarray(0, 100));
		tunnel.tunnel.close({ code: 1012, reason: "", termination: "drain" });
		tunnel.read("client", sent("client", OPCODE.close, closePayload(1000)));
		// The rest of the frame, then the boundary at which the client gets its Close and its FIN.
		expect(tunnel.read("backend", frames.subarray(100))).toBe(true);
		expect(tunnel.tunnel.backend.stopped).toBe(false);
	});
});

/** Writes whole frames to a side that does not read, until reading of the other one stops. */
async function fill(tunnel: TestTunnel, side: Side): Promise<void> {
	tunnel[side].socket.pause();
	const data = sent(other(side), OPCODE.binary, Buffer.alloc(60_000));
	await until(
		async () => {
			await new Promise((resolve) => setImmediate(resolve));
			return !tunnel.read(other(side), data);
		},
		{ what: `the ${side} to be slow` },
	);
	expect(tunnel.tunnel[other(side)].stopped).toBe(true);
}
