import fc from "fast-check";
import { expect, it } from "vitest";
import { CloseFinder } from "../../../../src/upstreams/health/close-finder.ts";
import { frame, OPCODE } from "../../../harness/frames.ts";

const data = fc.record({
	opcode: fc.constantFrom(OPCODE.text, OPCODE.binary, OPCODE.ping, OPCODE.pong),
	size: fc.oneof(fc.nat(140), fc.constantFrom(125, 126, 127, 65_535, 65_536)),
	masked: fc.boolean(),
});

it("finds the Close frame behind any frames, however the bytes are cut", () => {
	fc.assert(
		fc.property(fc.array(data, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 6 }), (frames, cuts) => {
			// A payload full of what a Close frame begins with.
			const before = Buffer.concat(
				frames.map(({ opcode, size, masked }) =>
					frame(opcode, Buffer.alloc(size, 0x88), masked ? { mask: Buffer.alloc(4) } : {}),
				),
			);
			const all = Buffer.concat([before, frame(OPCODE.close, Buffer.from([3, 232]))]);
			const at = [...new Set([...cuts.map((cut) => cut % all.length), before.length, all.length])].sort(
				(a, b) => a - b,
			);
			const finder = new CloseFinder();
			let from = 0;
			for (const to of at) {
				expect(finder.push(all.subarray(from, to))).toBe(to > before.length);
				if (to > before.length) break;
				from = to;
			}
		}),
		{ numRuns: 200 },
	);
});

it("stays in step with a length of more than 2^53", () => {
	const finder = new CloseFinder();
	expect(finder.push(Buffer.from([0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))).toBe(false);
	expect(finder.push(Buffer.alloc(100_000, 0x88))).toBe(false);
});
