import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { descriptorOf, writeAll, writeAtOnce } from "../../../src/sockets/direct-write.ts";
import { certificate } from "../../harness/certs.ts";
import { until } from "../../harness/poll.ts";

async function pair(): Promise<{ near: Socket; far: Socket }> {
	const server = createServer({ pauseOnConnect: true });
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, "connection") as Promise<[Socket]>;
	const near = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
	const [far] = await accepted;
	server.close();
	for (const socket of [near, far]) {
		socket.on("error", () => undefined);
		onTestFinished(() => void socket.destroy());
	}
	await until(() => !near.connecting, { what: "the connection" });
	return { near, far };
}

test("writes the part of a buffer that it is told to, and says how much was taken", async () => {
	const { near, far } = await pair();
	const data = once(far, "data");
	expect(writeAtOnce(descriptorOf(near), Buffer.from("..hello.."), 2, 7)).toBe(5);
	far.resume();
	expect(String((await data)[0])).toBe("hello");
});

test("takes what there is room for when the other side does not read, then nothing, and loses no byte", async () => {
	const { near, far } = await pair();
	const bytes = randomBytes(16 * 1024 * 1024);
	let taken = 0;
	for (let times = 0; times < 1_000; times++) {
		const now = writeAtOnce(descriptorOf(near), bytes, taken, bytes.length);
		taken += now;
		if (now === 0) break;
	}
	expect(taken).toBeGreaterThan(0);
	expect(taken).toBeLessThan(bytes.length);
	expect(writeAtOnce(descriptorOf(near), bytes, taken, bytes.length)).toBe(0);
	const got: Buffer[] = [];
	far.on("data", (chunk: Buffer) => got.push(chunk));
	far.resume();
	// What follows through the stream comes behind it.
	near.end(bytes.subarray(taken));
	await once(far, "end");
	expect(Buffer.concat(got).equals(bytes)).toBe(true);
});

test("says it when the connection is gone", async () => {
	const { near, far } = await pair();
	far.resetAndDestroy();
	const broken = (): string | undefined => {
		try {
			writeAtOnce(descriptorOf(near), Buffer.from("x"), 0, 1);
			return undefined;
		} catch (error) {
			return (error as NodeJS.ErrnoException).code;
		}
	};
	near.pause();
	let code: string | undefined;
	await until(
		() => {
			code ??= near.destroyed ? "destroyed" : broken();
			return code !== undefined;
		},
		{ what: "an error" },
	);
	expect(["ECONNRESET", "EPIPE", "destroyed"]).toContain(code);
});

test("has no descriptor for a TLS socket: what is written there has to be encrypted", async () => {
	const server = createTlsServer(await certificate(["127.0.0.1"]));
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, "secureConnection") as Promise<[Socket]>;
	const near = connectTls({
		port: (server.address() as AddressInfo).port,
		host: "127.0.0.1",
		rejectUnauthorized: false,
	});
	const [far] = await accepted;
	server.close();
	for (const socket of [near, far]) {
		socket.on("error", () => undefined);
		onTestFinished(() => void socket.destroy());
		expect(descriptorOf(socket)).toBe(-1);
	}
});

test("has no descriptor for a socket that is closed", async () => {
	const { near } = await pair();
	near.destroy();
	expect(descriptorOf(near)).toBe(-1);
});

test("writes all of something, whatever the kernel has room for, in order", async () => {
	const { near, far } = await pair();
	const parts = [randomBytes(100), randomBytes(16 * 1024 * 1024), randomBytes(100)];
	for (const part of parts) writeAll(near, part);
	expect(near.writableLength).toBeGreaterThan(0);
	near.end();
	const got: Buffer[] = [];
	far.on("data", (chunk: Buffer) => got.push(chunk));
	far.resume();
	await once(far, "end");
	expect(Buffer.concat(got).equals(Buffer.concat(parts))).toBe(true);
});

test("writes nothing to a socket that is closed", async () => {
	const { near } = await pair();
	near.destroy();
	expect(() => writeAll(near, Buffer.from("x"))).not.toThrow();
});
