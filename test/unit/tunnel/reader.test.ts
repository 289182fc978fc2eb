import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { detectBufferSymbol, Reader } from "../../../src/tunnel/reader.ts";
import { certificate } from "../../harness/certs.ts";
import { until } from "../../harness/poll.ts";

interface Pair {
	readonly near: Socket;
	readonly far: Socket;
}

async function pair(): Promise<Pair> {
	const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
	return connected(server, "connection", connect);
}

async function tlsPair(): Promise<Pair> {
	const dial = (options: NetConnectOpts): Socket => connectTls({ ...options, rejectUnauthorized: false });
	return connected(createTlsServer(await certificate(["127.0.0.1"])), "secureConnection", dial);
}

async function connected(server: Server, event: string, dial: (options: NetConnectOpts) => Socket): Promise<Pair> {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, event) as Promise<[Socket]>;
	const far = dial({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
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
	["a reused buffer", detectBufferSymbol()],
	["data events", null],
])("a reader with %s", (_, machinery) => {
	test("reads everything, in order", async () => {
		const { near, far } = await pair();
		const chunks: Buffer[] = [];
		let length = 0;
		new Reader(
			near,
			{
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

describe.runIf(detectBufferSymbol() !== null)("the reused buffer", () => {
	/** Reads with a log of the buffers. */
	function watch({ near, far }: Pair): { far: Socket; seen: Set<Buffer>; read: () => number; last: () => Buffer } {
		const seen = new Set<Buffer>();
		let length = 0;
		let last: Buffer | undefined;
		const receive = (buffer: Buffer, size: number): boolean => {
			seen.add(buffer);
			last = buffer;
			length += size;
			return true;
		};
		const reader = new Reader(near, { receive });
		expect(reader.reusesBuffer).toBe(true);
		return { far, seen, read: () => length, last: () => last as Buffer };
	}

	test("is one for all plain sockets, whatever they read", async () => {
		const [one, other] = [watch(await pair()), watch(await pair())];
		one.far.write(Buffer.alloc(1_000_000));
		other.far.write(Buffer.alloc(1_000_000));
		await until(() => one.read() + other.read() === 2_000_000, { what: "the floods" });
		for (let i = 1; i <= 20; i++) {
			for (const { far, read } of [one, other]) {
				far.write("x");
				await until(() => read() === 1_000_000 + i, { what: "a byte" });
			}
		}
		expect(new Set([...one.seen, ...other.seen]).size).toBe(1);
		expect(one.last().length).toBe(64 * 1024);
	});

	test("is a TLS socket's own and small while reads are small", async () => {
		const [one, other] = [watch(await tlsPair()), watch(await tlsPair())];
		for (let i = 1; i <= 50; i++) {
			for (const { far, read } of [one, other]) {
				far.write("x".repeat(10));
				await until(() => read() === i * 10, { what: "the bytes" });
			}
		}
		expect([...one.seen, ...other.seen].map(({ length }) => length)).toEqual([1024, 1024]);
	});

	test("of a TLS socket grows under a flood and shrinks again when reads stay small", async () => {
		const { far, seen, read, last } = watch(await tlsPair());
		far.write(Buffer.alloc(4_000_000));
		await until(() => read() === 4_000_000, { what: "the flood" });
		// A TLS record has at most 16 KiB (RFC 8446 §5.1), and is read whole into this.
		expect(Math.max(...[...seen].map(({ length }) => length))).toBeGreaterThanOrEqual(16 * 1024);
		for (let i = 1; i <= 400; i++) {
			far.write("x");
			await until(() => read() === 4_000_000 + i, { what: "a byte" });
		}
		expect(last().length).toBeLessThanOrEqual(4 * 1024);
	}, 30_000);
});
