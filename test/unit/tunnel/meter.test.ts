import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Meter } from "../../../src/tunnel/meter.ts";
import { closePayload, frame, frameHeader, OPCODE } from "../../harness/frames.ts";

function scanned(...parts: Buffer[]): Meter {
	const meter = new Meter();
	for (const part of parts) meter.scan(part, 0, part.length);
	return meter;
}

describe("the frame meter", () => {
	test("is at a boundary before, between and after frames, and nowhere else", () => {
		const bytes = Buffer.concat([frame(OPCODE.text, "hello", { mask: true }), frame(OPCODE.ping, "x")]);
		const boundaries = new Set([0, 11, bytes.length]);
		const meter = new Meter();
		for (let at = 0; at < bytes.length; at++) {
			expect(meter.atBoundary, `after ${at} bytes`).toBe(boundaries.has(at));
			meter.scan(bytes, at, at + 1);
		}
		expect(meter.atBoundary).toBe(true);
	});

	test("counts messages once, however they are fragmented, and control frames by kind", () => {
		const meter = scanned(
			frame(OPCODE.text, "a", { fin: false }),
			frame(OPCODE.ping, "p"),
			frame(OPCODE.continuation, "b", { fin: false }),
			frame(OPCODE.continuation, "c"),
			frame(OPCODE.binary, "d"),
			frame(OPCODE.pong, ""),
			frame(OPCODE.close, closePayload(1000)),
		);
		expect(meter).toMatchObject({ text: 1, binary: 1, ping: 1, pong: 1, close: 1 });
	});

	test.each([
		["a masked Close", frame(OPCODE.close, closePayload(4001, "bye"), { mask: true }), 4001, "bye"],
		["an unmasked Close", frame(OPCODE.close, closePayload(1000, "")), 1000, ""],
		["a Close without a code", frame(OPCODE.close, ""), 1005, ""],
		["a Close with half a code", frame(OPCODE.close, Buffer.from([3])), 1005, ""],
		["the longest reason", frame(OPCODE.close, closePayload(1001, "r".repeat(123))), 1001, "r".repeat(123)],
	])("reads code and reason of %s, one byte at a time", (_name, bytes, code, reason) => {
		const meter = new Meter();
		for (let at = 0; at < bytes.length; at++) {
			expect(meter.closeCode).toBe(0);
			meter.scan(bytes, at, at + 1);
		}
		expect(meter.closeCode).toBe(code);
		expect(meter.closeReason).toBe(reason);
	});

	test("keeps the first Close when a peer sends several", () => {
		const meter = scanned(
			frame(OPCODE.close, closePayload(1000, "one")),
			frame(OPCODE.close, closePayload(1001, "two")),
		);
		expect(meter.closeCode).toBe(1000);
		expect(meter.closeReason).toBe("one");
		expect(meter.close).toBe(2);
	});

	test("holds at most a control frame's payload of a Close that claims to be huge", () => {
		const meter = scanned(frameHeader(OPCODE.close, 70_000), Buffer.alloc(70_000, 0x03));
		expect(meter.closeCode).toBe(0x0303);
		expect(meter.closeReason.length).toBe(123);
	});

	test.each([
		["the top bit set", 2n ** 63n],
		["all bits set", 2n ** 64n - 1n],
		["just above 2^53", 2n ** 53n + 2n],
	])("takes a 64-bit length with %s as one that never ends", (_name, length) => {
		const meter = scanned(frameHeader(OPCODE.binary, length, { mask: true }), Buffer.alloc(100_000));
		expect(meter.remaining).toBe(Number.POSITIVE_INFINITY);
		expect(meter.atBoundary).toBe(false);
	});

	test("follows a 64-bit length below 2^53 exactly", () => {
		const meter = scanned(frameHeader(OPCODE.binary, 2n ** 53n - 1n));
		expect(meter.remaining).toBe(2 ** 53 - 1);
		meter.scan(Buffer.alloc(1000), 0, 1000);
		expect(meter.remaining).toBe(2 ** 53 - 1001);
	});

	test("survives a flood of empty fragments", () => {
		const one = frame(OPCODE.continuation, "", { mask: true, fin: false });
		const flood = Buffer.concat(Array.from({ length: 20_000 }, () => one));
		const meter = scanned(frame(OPCODE.text, "", { fin: false }), flood, frame(OPCODE.continuation, ""));
		expect(meter.atBoundary).toBe(true);
		expect(meter.text).toBe(1);
	});

	test("comes to the same result wherever the stream is cut", () => {
		const frames = fc.array(
			fc.record({
				opcode: fc.integer({ min: 0, max: 15 }),
				size: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 65_530, max: 65_540 })),
				mask: fc.boolean(),
				fin: fc.boolean(),
			}),
			{ maxLength: 12 },
		);
		fc.assert(
			fc.property(frames, fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 50 }), (list, cuts) => {
				const bytes = Buffer.concat(
					list.map(({ opcode, size, mask, fin }) => frame(opcode, randomBytes(size), { mask, fin })),
				);
				const whole = scanned(bytes);
				const pieces = new Meter();
				for (let at = 0, i = 0; at < bytes.length; i++) {
					const end = Math.min(bytes.length, at + (cuts[i % cuts.length] as number));
					pieces.scan(bytes, at, end);
					at = end;
				}
				expect(whole.atBoundary).toBe(true);
				expect(pieces).toEqual(whole);
			}),
			{ numRuns: 200 },
		);
	});
});
