import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileTunnelLimits } from "../../../src/tunnel/limits-options.ts";
import { frame, frameHeader, OPCODE } from "../../harness/frames.ts";
import { Bench, NONE } from "./limits.fixtures.ts";

const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 50 });
const frames = fc.array(
	fc.record({
		opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
		size: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constant(2000)),
		fin: fc.boolean(),
	}),
	{ minLength: 1, maxLength: 20 },
);

type FrameSpec = { opcode: number; size: number; fin: boolean };

function written(list: readonly FrameSpec[]): Buffer[] {
	return list.map(({ opcode, size, fin }) => frame(opcode, randomBytes(size), { mask: true, fin }));
}

describe("limits that are not reached", () => {
	it("let every byte through, wherever the stream is cut, and hold at most an unfinished header", () => {
		fc.assert(
			fc.property(frames, cuts, (list, sizes) => {
				const bytes = Buffer.concat(written(list));
				const bench = new Bench({ maxFrameSize: 1e6, maxMessageSize: 1e6, messages: rate(1e6, 1e6) });
				bench.readAll(bytes, sizes);
				expect(bench.bytes.equals(bytes)).toBe(true);
				expect(bench.mostHeld).toBeLessThan(14);
			}),
			{ numRuns: 300 },
		);
	});

	it("pass a read on in one piece", () => {
		const bench = new Bench({ maxFrameSize: 1e6 });
		bench.read(Buffer.concat(Array.from({ length: 50 }, () => frame(OPCODE.text, "x", { mask: true }))));
		expect(bench.passed).toHaveLength(1);
	});
});

describe("a limit that is exceeded", () => {
	it("lets exactly the frames before it through, wherever the stream is cut", () => {
		fc.assert(
			fc.property(frames, cuts, fc.integer({ min: 0, max: 2000 }), (list, sizes, most) => {
				const all = written(list);
				const first = list.findIndex(({ size }) => size > most);
				const bench = new Bench({ maxFrameSize: most });
				bench.readAll(Buffer.concat(all), sizes);
				const before = Buffer.concat(first < 0 ? all : all.slice(0, first));
				expect(bench.bytes.equals(before)).toBe(true);
				expect(bench.exceeded).toBe(first < 0 ? undefined : "max_frame_size");
			}),
			{ numRuns: 300 },
		);
	});

	it("is judged by the sum of a message's fragments", () => {
		fc.assert(
			fc.property(frames, cuts, fc.integer({ min: 0, max: 3000 }), (list, sizes, most) => {
				const all = written(list);
				let message = 0;
				const first = list.findIndex(({ opcode, size }) => {
					if (opcode >= 8) return false;
					message = opcode === 0 ? message + size : size;
					return message > most;
				});
				const bench = new Bench({ maxMessageSize: most });
				bench.readAll(Buffer.concat(all), sizes);
				expect(bench.bytes.equals(Buffer.concat(first < 0 ? all : all.slice(0, first)))).toBe(true);
			}),
			{ numRuns: 300 },
		);
	});

	it("needs no payload: a header is enough, and a part of one is not", () => {
		const header = frameHeader(OPCODE.binary, 10n * 2n ** 30n, { mask: true });
		const bench = new Bench({ maxFrameSize: 1024 ** 2 });
		for (let at = 0; at < header.length; at++) {
			expect(bench.exceeded).toBeUndefined();
			bench.read(header.subarray(at, at + 1));
		}
		expect(bench.exceeded).toBe("max_frame_size");
		expect(bench.bytes).toHaveLength(0);
		expect(bench.dropped).toBe(header.length);
	});

	it("of bytes counts whole frames by their headers", () => {
		const bench = new Bench({ bytes: rate(1, 100) });
		const fits = frame(OPCODE.binary, Buffer.alloc(50), { mask: true });
		bench.read(Buffer.concat([fits, frameHeader(OPCODE.binary, 39, { mask: true })]));
		expect(bench.exceeded).toBe("bytes");
		expect(bench.bytes.equals(fits)).toBe(true);
	});

	it("of rates is no business of what the backend sends", () => {
		const bench = new Bench({ messages: rate(1, 1), bytes: rate(1, 1) }, "backend");
		for (let i = 0; i < 10; i++) bench.read(frame(OPCODE.text, "x"));
		expect(bench.exceeded).toBeUndefined();
	});
});

describe("a rate with delay", () => {
	it("passes every byte on in order, never faster than burst plus rate, and holds at most what was read", () => {
		fc.assert(
			fc.property(
				frames,
				cuts,
				fc.integer({ min: 1, max: 200 }),
				fc.integer({ min: 1, max: 5 }),
				fc.integer({ min: 1, max: 400 }),
				(list, sizes, perSecond, burst, step) => {
					const all = written(list);
					const bytes = Buffer.concat(all);
					const bench = new Bench({ messages: { ...rate(perSecond, burst), delay: true } });
					const counted = countedFrames(list, all);
					/** Most messages that had passed beyond those that time had brought. */
					let mostAhead = 0;
					let at = 0;
					// A hundred thousand steps, if the sizes are bad: each has to be cheap.
					for (let i = 0; bench.passedBytes < bytes.length; i++) {
						if (i > 100_000) throw new Error("stuck");
						if (at < bytes.length && !bench.limits.waiting) {
							const end = Math.min(bytes.length, at + (sizes[i % sizes.length] as number));
							bench.read(bytes.subarray(at, end));
							at = end;
						} else bench.tick(step);
						mostAhead = Math.max(mostAhead, counted.within(bench.passedBytes) - (perSecond * (bench.now + 1)) / 1000);
					}
					expect(mostAhead).toBeLessThanOrEqual(burst + 1e-6);
					expect(bench.bytes.equals(bytes)).toBe(true);
					expect(bench.mostHeld).toBeLessThanOrEqual(300 + 14);
				},
			),
			{ numRuns: 200 },
		);
	});

	it("keeps its pace although the wheel is coarse", () => {
		const bench = new Bench({ messages: { ...rate(50, 1), delay: true } });
		const one = frame(OPCODE.text, "x", { mask: true });
		const chunk = Buffer.concat(Array.from({ length: 1000 }, () => one));
		bench.read(chunk);
		for (let i = 0; i < 200; i++) bench.tick(50);
		expect(bench.passedBytes / one.length).toBeGreaterThanOrEqual(500);
		expect(bench.passedBytes / one.length).toBeLessThanOrEqual(502);
	});

	it("reads no more until it is its turn, and then goes on by itself", () => {
		const bench = new Bench({ messages: { ...rate(10, 1), delay: true } });
		const one = frame(OPCODE.text, "x", { mask: true });
		expect(bench.read(one)).toBe(true);
		expect(bench.read(one)).toBe(false);
		expect(bench.limits.waiting).toBe(true);
		bench.tick(50);
		expect(bench.resumed).toBe(0);
		bench.tick(100);
		expect(bench.resumed).toBe(1);
		expect(bench.passedBytes).toBe(2 * one.length);
		expect(bench.delays).toBe(1);
		expect(bench.wheel.size).toBe(0);
	});

	it("of bytes stops after the read that was too much and pays for it", () => {
		const bench = new Bench({ bytes: { ...rate(1000, 100), delay: true } });
		expect(bench.read(frame(OPCODE.binary, Buffer.alloc(594), { mask: true }))).toBe(false);
		expect(bench.passedBytes).toBe(602);
		bench.tick(450);
		expect(bench.limits.waiting).toBe(true);
		bench.tick(100);
		expect(bench.limits.waiting).toBe(false);
		expect(bench.resumed).toBe(1);
	});

	it("is forgotten when the tunnel is gone", () => {
		const bench = new Bench({ messages: { ...rate(1, 1), delay: true } });
		const one = frame(OPCODE.text, "x", { mask: true });
		bench.read(Buffer.concat([one, one]));
		expect(bench.wheel.size).toBe(1);
		bench.limits.stop();
		expect(bench.wheel.size).toBe(0);
		expect(bench.limits.waiting).toBe(false);
	});

	it("ends when it is lifted: what waited passes at once", () => {
		const bench = new Bench({ messages: { ...rate(1, 1), delay: true } });
		const bytes = Buffer.concat(Array.from({ length: 5 }, () => frame(OPCODE.text, "x", { mask: true })));
		bench.read(bytes);
		bench.limits.lift();
		expect(bench.bytes.equals(bytes)).toBe(true);
		expect(bench.resumed).toBe(1);
	});
});

describe("the options", () => {
	it("compile to nothing when no limit is set", () => {
		expect(compileTunnelLimits({}, 1013)).toBeUndefined();
	});

	it("take a second's worth as the burst unless told otherwise", () => {
		const limits = compileTunnelLimits({ messages: { rate: 2.5, on_exceed: "close" }, max_frame_size: 1000 }, 1013);
		expect(limits).toEqual({ ...NONE, messages: { perSecond: 2.5, burst: 3, delay: false }, maxFrameSize: 1000 });
	});
});

function rate(perSecond: number, burst: number) {
	return { perSecond, burst, delay: false };
}

/** How many of the whole frames in the first bytes count: all but Closes (one is free) and large fragments. */
function countedFrames(list: readonly FrameSpec[], all: readonly Buffer[]) {
	let next = 0;
	let end = all[0]?.length ?? 0;
	let counted = 0;
	let closes = 0;
	return {
		/** In so many bytes, which are no fewer than the last time. */
		within: (bytes: number): number => {
			for (let spec = list[next]; spec !== undefined && end <= bytes; spec = list[next]) {
				const { opcode, size, fin } = spec;
				if (opcode === 8 ? ++closes > 1 : opcode !== 0 || (!fin && size < 1024)) counted++;
				next++;
				end += all[next]?.length ?? 0;
			}
			return counted;
		},
	};
}
