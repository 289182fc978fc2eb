import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatAddress, ListenError, listen } from "../../../src/protocol/listen.ts";

const LOOPBACK = "127.0.0.1";

let folder: string;
let servers: Server[];

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "clawgate-listen-"));
	servers = [];
});

afterEach(async () => {
	await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
	rmSync(folder, { recursive: true, force: true });
});

function server(): Server {
	const created = createServer((socket) => socket.end());
	servers.push(created);
	return created;
}

async function failure(promise: Promise<unknown>): Promise<ListenError> {
	const error = await promise.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(ListenError);
	return error as ListenError;
}

async function freePort(): Promise<number> {
	const address = await listen(server(), { host: LOOPBACK, port: 0 }, "test");
	return (address as { port: number }).port;
}

/** A socket file that nobody listens on, as a killed process leaves it. */
async function leaveSocketBehind(path: string): Promise<void> {
	const gone = createServer();
	await listen(gone, { path }, "test");
	renameSync(path, `${path}.kept`);
	await new Promise((resolve) => gone.close(resolve));
	renameSync(`${path}.kept`, path);
}

describe("listening", () => {
	it("gives the port that was bound", async () => {
		expect(await listen(server(), { host: LOOPBACK, port: 0 }, "test")).toMatchObject({
			address: LOOPBACK,
			port: expect.any(Number),
		});
	});

	it("takes all addresses when there is no host", async () => {
		const address = await listen(server(), { port: 0 }, "test");
		expect(["::", "0.0.0.0"]).toContain((address as { address: string }).address);
	});

	it("says which address is taken, by what key, and what to do", async () => {
		const port = await freePort();
		const error = await failure(listen(server(), { host: LOOPBACK, port }, "admin.address"));
		expect(error.code).toBe("EADDRINUSE");
		expect(error.message).toBe(
			`cannot listen on 127.0.0.1:${port} (admin.address): the port is in use by another process; change admin.address or stop that process`,
		);
		expect(error.cause).toBeInstanceOf(Error);
	});

	it("says that an address is not this machine's", async () => {
		// TEST-NET-1 (RFC 5737): on no interface; bind fails without a packet.
		const error = await failure(listen(server(), { host: "192.0.2.1", port: 0 }, "listeners.public.address"));
		expect(error.code).toBe("EADDRNOTAVAIL");
		expect(error.message).toBe(
			"cannot listen on 192.0.2.1:0 (listeners.public.address): no interface of this machine has that address; change listeners.public.address",
		);
	});

	it("turns a port out of range into the same kind of error", async () => {
		const error = await failure(listen(server(), { host: LOOPBACK, port: 70_000 }, "admin.address"));
		expect(error.message).toMatch(/^cannot listen on 127\.0\.0\.1:70000 \(admin\.address\): .*change admin\.address$/);
	});

	it("can be tried again with the same server", async () => {
		const port = await freePort();
		const second = server();
		await failure(listen(second, { host: LOOPBACK, port }, "test"));
		await expect(listen(second, { host: LOOPBACK, port: 0 }, "test")).resolves.toMatchObject({ address: LOOPBACK });
		expect(second.listenerCount("error")).toBe(0);
	});
});

describe("listening on a unix socket", () => {
	it("gives its path", async () => {
		const path = join(folder, "a.sock");
		expect(await listen(server(), { path }, "test")).toBe(path);
	});

	it("replaces a socket that nobody listens on", async () => {
		const path = join(folder, "a.sock");
		await leaveSocketBehind(path);
		expect(existsSync(path)).toBe(true);
		expect(await listen(server(), { path }, "test")).toBe(path);
		await new Promise<void>((resolve, reject) => {
			connect({ path })
				.once("error", reject)
				.resume()
				.once("close", () => resolve());
		});
	});

	it("leaves a socket alone that somebody listens on", async () => {
		const path = join(folder, "a.sock");
		await listen(server(), { path }, "test");
		const error = await failure(listen(server(), { path }, "admin.address"));
		expect(error.message).toBe(
			`cannot listen on unix:${path} (admin.address): the socket is in use by another process; change admin.address or stop that process`,
		);
		expect(existsSync(path)).toBe(true);
	});

	it("never removes a file that is not a socket", async () => {
		const path = join(folder, "precious.txt");
		writeFileSync(path, "data");
		const error = await failure(listen(server(), { path }, "admin.address"));
		expect(error.message).toContain("a file that is not a socket is in the way");
		expect(existsSync(path)).toBe(true);
	});

	it("says that its folder is missing", async () => {
		const error = await failure(listen(server(), { path: join(folder, "none", "a.sock") }, "admin.address"));
		expect(error.message).toMatch(/the folder of the socket does not exist|permission denied/);
	});
});

describe("an address in a message", () => {
	it.each([
		[{ host: "127.0.0.1", port: 80 }, "127.0.0.1:80"],
		[{ port: 80 }, ":80"],
		[{ host: "::1", port: 443 }, "[::1]:443"],
		[{ host: "localhost", port: 1 }, "localhost:1"],
		[{ path: "/run/x.sock" }, "unix:/run/x.sock"],
	])("%j is written as %s", (address, text) => {
		expect(formatAddress(address)).toBe(text);
	});
});
