/** Random frame sequences, valid and invalid, as bytes: what real peers, broken ones and attackers send. */
import { randomBytes } from "node:crypto";
import { frame, frameHeader, OPCODE } from "./frames.ts";

/** A small repeatable generator (mulberry32), so that a failing seed can be run again. */
export function seeded(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

function integer(random: () => number, below: number): number {
	return Math.floor(random() * below);
}

/** One sequence: a message whole or in fragments, a control frame, or something that no RFC allows. */
export function frameSequence(random: () => number, mask: boolean): Buffer {
	const size = random() < 0.9 ? integer(random, 300) : integer(random, 70_000);
	const payload = randomBytes(size);
	const kind = integer(random, 12);
	switch (kind) {
		case 0:
		case 1:
		case 2:
			return frame(random() < 0.5 ? OPCODE.text : OPCODE.binary, payload, { mask });
		case 3: {
			const parts: Buffer[] = [];
			const cuts = 1 + integer(random, 5);
			for (let i = 0; i <= cuts; i++) {
				parts.push(
					frame(i === 0 ? OPCODE.text : OPCODE.continuation, randomBytes(integer(random, 50)), {
						mask,
						fin: i === cuts,
					}),
				);
				if (random() < 0.3) parts.push(frame(OPCODE.ping, randomBytes(integer(random, 126)), { mask }));
			}
			return Buffer.concat(parts);
		}
		case 4:
			return frame(OPCODE.ping, randomBytes(integer(random, 126)), { mask });
		case 5:
			return frame(OPCODE.pong, randomBytes(integer(random, 126)), { mask });
		case 6:
			// Lengths written longer than needed, and empty frames.
			return Buffer.concat([
				frame(OPCODE.binary, randomBytes(integer(random, 100)), { mask, lengthBits: random() < 0.5 ? 16 : 64 }),
				frame(OPCODE.continuation, "", { mask, fin: random() < 0.5 }),
			]);
		case 7:
			// Reserved opcodes and bits.
			return frame(3 + integer(random, 5), randomBytes(integer(random, 40)), { mask, rsv: integer(random, 8) });
		case 8:
			// The wrong masking for this direction.
			return frame(OPCODE.text, randomBytes(integer(random, 40)), { mask: !mask });
		case 9:
			// A control frame that is too long, or in fragments.
			return frame(OPCODE.ping, randomBytes(126 + integer(random, 1000)), { mask, fin: random() < 0.5 });
		case 10:
			// A continuation of nothing.
			return frame(OPCODE.continuation, randomBytes(integer(random, 40)), { mask });
		default:
			return frame(OPCODE.text, randomBytes(integer(random, 20)), { mask, rsv: 4 });
	}
}

/** What ends a stream's readable part: a length that no peer can mean, or noise. Nothing after it has a boundary. */
export function hostileEnding(random: () => number, mask: boolean): Buffer {
	const lengths = [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n + 1n, 10n * 2n ** 30n];
	const header = frameHeader(OPCODE.binary, lengths[integer(random, lengths.length)] as bigint, { mask });
	return Buffer.concat([header, randomBytes(integer(random, 2_000))]);
}

/** Cuts bytes at random places; many cuts fall into headers. */
export function* randomChunks(bytes: Buffer, random: () => number): Iterable<Buffer> {
	for (let at = 0; at < bytes.length; ) {
		const size = random() < 0.5 ? 1 + integer(random, 8) : 1 + integer(random, 20_000);
		yield bytes.subarray(at, at + size);
		at += size;
	}
}
