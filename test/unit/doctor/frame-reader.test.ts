import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ControlFrame, FrameReader } from "../../../src/doctor/frame-reader.ts";
import { closePayload, frame, frameHeader, OPCODE } from "../../harness/frames.ts";

function read(bytes: Buffer, sizes: readonly number[] = [], extensions = false) {
	const control: ControlFrame[] = [];
	const reader = new FrameReader(extensions, (each) => control.push(each));
	let at = 0;
	for (const size of sizes) {
		reader.push(bytes.subarray(at, at + size));
		at += size;
	}
	const violation = reader.push(bytes.subarray(at));
	return {
		violation,
		control: control.map(({ opcode, payload }) => [opcode, payload.toString("hex")]),
		messages: reader.messages,
	};
}

const valid = fc.oneof(
	fc.uint8Array({ maxLength: 125 }).map((payload) => frame(OPCODE.ping, Buffer.from(payload))),
	fc.uint8Array({ maxLength: 125 }).map((payload) => frame(OPCODE.pong, Buffer.from(payload))),
	fc.constantFrom(0, 1, 125, 126, 300, 65_536).map((length) => frame(OPCODE.binary, Buffer.alloc(length))),
	fc.constant(
		Buffer.concat([frame(OPCODE.text, "a", { fin: false }), frame(OPCODE.ping), frame(OPCODE.continuation, "b")]),
	),
	fc.constant(frame(OPCODE.text, "x", { lengthBits: 64 })),
);

describe("the reader of a server's frames", () => {
	it("finds the same frames however the bytes are cut", () => {
		fc.assert(
			fc.property(fc.array(valid, { maxLength: 12 }), fc.array(fc.integer({ min: 0, max: 400 })), (frames, sizes) => {
				const bytes = Buffer.concat(frames);
				const whole = read(bytes);
				expect(whole.violation).toBeUndefined();
				expect(read(bytes, sizes)).toEqual(whole);
			}),
			{ numRuns: 200 },
		);
	});

	it("never throws and stays with its first verdict, whatever comes", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.integer({ min: 0, max: 20 })), (bytes, sizes) => {
				expect(read(Buffer.from(bytes), sizes)).toEqual(read(Buffer.from(bytes)));
			}),
		);
	});

	it("gives control frames with their payload", () => {
		const bytes = Buffer.concat([frame(OPCODE.ping, "hi"), frame(OPCODE.close, closePayload(1001, "bye"))]);
		expect(read(bytes).control).toEqual([
			[OPCODE.ping, "6869"],
			[OPCODE.close, "03e9627965"],
		]);
	});

	it("takes reserved bits when an extension was agreed on", () => {
		const bytes = frame(OPCODE.text, "x", { rsv: 4 });
		expect(read(bytes, [], true).violation).toBeUndefined();
		expect(read(bytes).violation?.kind).toBe("compressed");
	});

	it("tells masked frames from garbage", () => {
		expect(read(frame(OPCODE.text, "x", { mask: true })).violation?.kind).toBe("masked");
		expect(read(Buffer.from("<html>")).violation?.kind).toBe("garbage");
		expect(read(frameHeader(OPCODE.binary, 2n ** 63n)).violation?.kind).toBe("garbage");
	});
});
