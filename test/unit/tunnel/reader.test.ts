import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { detectMachinery, Reader } from "../../../src/tunnel/reader.ts";
import { until } from "../../harness/poll.ts";

async function pair(): Promise<{ near: Socket; far: Socket }> {
	const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, "connection") as Promise<[Socket]>;
	const far = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
	const [near] = await accepted;
	server.close();
	near.on("error", () => undefined);
	far.on("error", () => undefined);
	far.setNoDelay(true);
	onTestFinished(() => {
		near.destroy();
		far.destroy();
	});
	return { near, far };
}

describe.each([
	["a reused buffer", detectMachinery()],
	["data events", null],
])("a reader with %s", (_, machinery) => {
	test("reads everything, in order", async () => {
		const { near, far } = await pair();
		const chunks: Buffer[] = [];
		let length = 0;
		new Reader(
			near,
			{
				now: 0,
				receive: (buffer, size) => {
					chunks.push(Buffer.from(buffer.subarray(0, size)));
					length += size;
					return true;
				},
			},
			machinery,
		);
		const bytes = randomBytes(3_000_000);
		far.write(bytes);
		await until(() => length === bytes.length, { what: "all bytes" });
		expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
	});

	test("stops when the receiver says so, goes on with resume(), and sees the end", async () => {
		const { near, far } = await pair();
		let reads = 0;
		let length = 0;
		new Reader(
			near,
			{
				now: 0,
				receive: (_buffer, size) => {
					reads++;
					length += size;
					return false;
				},
			},
			machinery,
		);
		let ended = false;
		near.on("end", () => {
			ended = true;
		});
		far.end(Buffer.alloc(2_000_000));
		for (let expected = 1; !ended; expected++) {
			await until(() => reads === expected || ended, { what: `read ${expected}` });
			const before = reads;
			await new Promise((resolve) => setTimeout(resolve, 1));
			expect(reads).toBe(before);
			near.resume();
		}
		expect(length).toBe(2_000_000);
	}, 30_000);

	test("gives nothing to its receiver once it is detached", async () => {
		const { near, far } = await pair();
		let length = 0;
		const reader = new Reader(
			near,
			{
				now: 0,
				receive: (_buffer, size) => {
					length += size;
					return true;
				},
			},
			machinery,
		);
		far.write("one");
		await until(() => length === 3, { what: "the first bytes" });
		reader.detach();
		far.write("two");
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(length).toBe(3);
	});
});

describe.runIf(detectMachinery() !== null)("the reused buffer", () => {
	/** Reads with a log of the buffers' sizes. */
	async function sizes(): Promise<{
		far: Socket;
		seen: Map<Buffer, number>;
		last: () => Buffer | undefined;
		read: () => number;
		reader: Reader;
		clock: { now: number };
	}> {
		const { near, far } = await pair();
		const seen = new Map<Buffer, number>();
		let length = 0;
		let last: Buffer | undefined;
		const receiver = {
			now: 0,
			receive: (buffer: Buffer, size: number) => {
				seen.set(buffer, buffer.length);
				last = buffer;
				length += size;
				return true;
			},
		};
		const reader = new Reader(near, receiver);
		return { far, seen, last: () => last, read: () => length, reader, clock: receiver };
	}

	test("is small for small reads, and the same one every time after the first few", async () => {
		const { far, seen, read, reader } = await sizes();
		expect(reader.reusesBuffer).toBe(true);
		for (let i = 1; i <= 50; i++) {
			far.write("x".repeat(10));
			await until(() => read() === i * 10, { what: "the bytes" });
		}
		expect([...seen.values()]).toEqual([1024, 1024]);
		expect(reader.borrowed).toBe(false);
	});

	test("is one for all sockets that are read seldom", async () => {
		const [one, other] = [await sizes(), await sizes()];
		for (let i = 1; i <= 20; i++) {
			for (const { far, read, clock } of [one, other]) {
				clock.now += 2_000;
				far.write("x");
				await until(() => read() === i, { what: "a byte" });
			}
		}
		expect(new Set([...one.seen.keys(), ...other.seen.keys()]).size).toBe(1);
		expect([one.reader.borrowed, other.reader.borrowed]).toEqual([true, true]);
	});

	test("is given back when the socket has become quiet", async () => {
		const { far, read, reader, clock } = await sizes();
		far.write(Buffer.alloc(100_000));
		await until(() => read() === 100_000, { what: "the flood" });
		expect(reader.borrowed).toBe(false);
		clock.now += 11_000;
		far.write("x");
		await until(() => read() === 100_001, { what: "a byte" });
		expect(reader.borrowed).toBe(true);
	});

	test("grows under a flood and shrinks again when reads stay small", async () => {
		const { far, seen, read } = await sizes();
		far.write(Buffer.alloc(4_000_000));
		await until(() => read() === 4_000_000, { what: "the flood" });
		expect(Math.max(...seen.values())).toBe(64 * 1024);
		for (let i = 1; i <= 400; i++) {
			far.write("x");
			await until(() => read() === 4_000_000 + i, { what: "a byte" });
		}
		expect([...seen.values()].at(-1)).toBeLessThanOrEqual(4 * 1024);
	}, 30_000);

	test("is left alone when it is kept: the next read gets another one", async () => {
		const { near, far } = await pair();
		const kept: { buffer: Buffer; copy: Buffer; length: number }[] = [];
		const reader: Reader = new Reader(near, {
			now: 0,
			receive: (buffer, length) => {
				// One that is borrowed cannot be kept: whoever needs its bytes copies them.
				if (reader.borrowed) return true;
				kept.push({ buffer, length, copy: Buffer.from(buffer.subarray(0, length)) });
				reader.keepBuffer();
				return true;
			},
		});
		for (let sent = 0; kept.length < 20; sent++) {
			expect(sent).toBeLessThan(40);
			const before = near.bytesRead;
			far.write(randomBytes(500));
			await until(() => near.bytesRead === before + 500, { what: "a read" });
		}
		expect(new Set(kept.map(({ buffer }) => buffer)).size).toBe(20);
		for (const { buffer, copy, length } of kept) expect(buffer.subarray(0, length).equals(copy)).toBe(true);
	});
});
