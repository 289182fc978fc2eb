/** Clients and servers that take their time, on purpose: everything has an end, an answer where one can be read, a line. */
import { describe, expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { readRequest, silent } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectAlive, expectHandled, handshakeHead, plainHead, startTarget } from "./bad-input.ts";

const HEADERS_TIMEOUT = { status: 408, code: "HEADERS_TIMEOUT" } as const;

describe.each([
	["plain", false],
	["TLS", true],
] as const)("over %s", (_, tls) => {
	test("a client that connects and says nothing, as browsers do in advance, is closed without a word or a line", async () => {
		const target = await startTarget({ tls });
		const client = await connectRaw({ port: target.gateway.port, tls });
		await client.ended();
		expect(client.unread.length).toBe(0);
		client.end();
		await expectAlive(target);
		await target.gateway.expectQuiet();
		expect(target.gateway.lines.of("ws.reject")).toEqual([]);
	});

	test.each([
		["upgrade", handshakeHead],
		["plain HTTP", plainHead],
	] as const)("a head that never ends is answered 408 (%s)", async (_kind, head) => {
		const target = await startTarget({ tls });
		await expectHandled(target, head({}).subarray(0, -2), HEADERS_TIMEOUT);
		await target.gateway.expectQuiet();
	});

	test("slow loris: a byte now and then does not buy more time", async () => {
		const target = await startTarget({ tls });
		await expectHandled(
			target,
			async (client) => {
				client.write("GET / HTTP/1.1\r\n");
				const dripping = setInterval(() => client.write("X"), 20);
				await client.ended().finally(() => clearInterval(dripping));
			},
			HEADERS_TIMEOUT,
		);
		await target.gateway.expectQuiet();
	});

	test.each([
		["upgrade", handshakeHead],
		["plain HTTP", plainHead],
	] as const)("a head that is finished after the 408 is not taken for a request (%s)", async (_kind, head) => {
		const target = await startTarget({ tls });
		await expectHandled(
			target,
			async (client) => {
				client.write(head({}).subarray(0, -2));
				await until(() => client.unread.includes("HEADERS_TIMEOUT"), { what: "the 408" });
				client.write(head({}).subarray(-2));
				await new Promise((resolve) => setTimeout(resolve, 100));
			},
			HEADERS_TIMEOUT,
		);
		await target.gateway.expectQuiet();
	});

	test("a second request on a connection that is slow is answered 408 too", async () => {
		const target = await startTarget({ tls });
		const client = await connectRaw({ port: target.gateway.port, tls });
		client.write(plainHead({}));
		await client.readBody(await client.readHead());
		client.write("GET /second HTTP/1.1\r\nX-Slow: ");
		const head = await client.readHead();
		expect(head.status).toBe(408);
		expect(await client.ended()).toBe("fin");
		client.end();
		await target.gateway.expectQuiet();
		expect(target.gateway.lines.of("ws.reject")).toMatchObject([{ code: "HEADERS_TIMEOUT", status: 408 }]);
	});

	test("a refused client that neither reads nor closes is cut off", async () => {
		const { gateway } = await startTarget({ tls });
		const client = await connectRaw({ port: gateway.port, tls });
		client.socket.pause();
		client.write("nonsense\r\n\r\n");
		await gateway.waitForLog("ws.reject");
		const endless = setInterval(() => client.write("more nonsense\r\n"), 20);
		await until(() => client.closed || client.error !== undefined, { what: "the connection to be cut" });
		clearInterval(endless);
		await gateway.expectQuiet();
		expect(gateway.lines.of("ws.reject")).toHaveLength(1);
	});

	test("a client that leaves while the backend is silent: nothing is left at the backend, 499 in the log", async () => {
		for (const leave of ["reset", "end"] as const) {
			const { gateway, backend } = await startTarget({ tls, script: silent, handshake: "20s" });
			const client = await connectRaw({ port: gateway.port, tls });
			client.write(handshakeHead({}));
			const peer = await backend.connection();
			await until(() => peer.request, { what: "the request at the backend" });
			client[leave]();
			await peer.ended();
			expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 499, code: "CLIENT_GONE" });
			await gateway.expectQuiet();
		}
	});

	test("a client that says FIN with its handshake is not dialled for", async () => {
		const { gateway, backend, tls: secure } = await startTarget({ tls, script: silent, handshake: "20s" });
		const client = await connectRaw({ port: gateway.port, tls: secure });
		client.write(handshakeHead({}));
		client.end();
		expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status: 499, code: "CLIENT_GONE" });
		await until(() => backend.openCount() === 0, { what: "no connection at the backend" });
		await gateway.expectQuiet();
	});
});

describe("a TLS handshake", () => {
	const TLS_CUT = { status: "cut", code: "TLS_FAILED", plain: true } as const;

	test("that never begins is cut off, without a line", async () => {
		const target = await startTarget({ tls: true });
		const client = await connectRaw({ port: target.gateway.port });
		await client.ended();
		client.end();
		await expectAlive(target);
		await target.gateway.expectQuiet();
		expect(target.gateway.lines.of("ws.reject")).toEqual([]);
	});

	test("that stops in the middle is cut off", async () => {
		const target = await startTarget({ tls: true });
		// A record header that announces a ClientHello, and a part of it.
		await expectHandled(target, Buffer.from("160301020001000100", "hex"), TLS_CUT);
		await target.gateway.expectQuiet();
	});

	test("that drips is cut off", async () => {
		const target = await startTarget({ tls: true });
		await expectHandled(
			target,
			async (client) => {
				client.write(Buffer.from("1603010200", "hex"));
				const dripping = setInterval(() => client.write(Buffer.from([1])), 20);
				await client.ended().finally(() => clearInterval(dripping));
			},
			TLS_CUT,
		);
		await target.gateway.expectQuiet();
	});

	test("that is no TLS at all, but plain HTTP, is cut off and the log says so", async () => {
		const target = await startTarget({ tls: true });
		const line = await expectHandled(target, plainHead({}), TLS_CUT);
		expect(line.message).toMatch(/http request|wrong version number/);
		await target.gateway.expectQuiet();
	});

	test("that is noise is cut off", async () => {
		const target = await startTarget({ tls: true });
		await expectHandled(target, Buffer.alloc(1_000, 0xff), TLS_CUT);
		await target.gateway.expectQuiet();
	});

	test("on the plain port is answered 400", async () => {
		const target = await startTarget();
		const hello = Buffer.concat([Buffer.from("16030100c8010000c40303", "hex"), Buffer.alloc(189, 7)]);
		await expectHandled(target, hello, { status: 400, code: "BAD_REQUEST" });
		await target.gateway.expectQuiet();
	});

	test.each([
		["the TCP connection", 0],
		["half a ClientHello", 4],
	])("that a probe leaves after %s is nobody's error", async (_, bytes) => {
		const target = await startTarget({ tls: true });
		const client = await connectRaw({ port: target.gateway.port });
		if (bytes > 0) client.write(Buffer.from("1603010200", "hex").subarray(0, bytes));
		client.reset();
		await expectAlive(target);
		await target.gateway.expectQuiet();
		expect(target.gateway.lines.of("ws.reject")).toEqual([]);
	});
});

test("a plain HTTP body that drips is passed on as it comes, and its end is the request's end", async () => {
	const { gateway } = await startTarget({
		script: async (peer) => {
			const request = await readRequest(peer);
			await until(() => peer.after.length === Number(request.header("content-length")), { what: "the body" });
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		},
	});
	const client = await connectRaw({ port: gateway.port });
	client.write(plainHead({ start: "POST / HTTP/1.1", extra: ["Content-Length: 30"] }));
	await client.writeSlowly("x".repeat(30), 20);
	expect((await client.readHead()).status).toBe(200);
	client.reset();
	await gateway.expectQuiet();
});

test("connections beyond max_connections are closed at once, each with a line, and those that are open stay", async () => {
	const { gateway } = await startTarget({ listener: "max_connections: 2" });
	const open = [await openRaw(gateway.port), await openRaw(gateway.port)];
	for (let i = 0; i < 3; i++) {
		const client = await connectRaw({ port: gateway.port });
		await client.ended();
		client.end();
	}
	await until(() => gateway.lines.of("ws.reject").length === 3, { what: "three lines" });
	for (const line of gateway.lines.of("ws.reject")) {
		expect(line).toMatchObject({ code: "LIMIT_CONNECTIONS", client_ip: "127.0.0.1", listener: expect.any(String) });
	}
	expect(gateway.handle.connectionCount()).toBe(2);
	open[0]?.reset();
	await until(() => gateway.handle.connectionCount() === 1, { what: "room" });
	await until(
		async () => {
			const next = await connectRaw({ port: gateway.port });
			next.write(handshakeHead({}));
			return next.readHead(500).then(
				({ status }) => status === 101,
				() => false,
			);
		},
		{ what: "a new connection to be taken" },
	);
	open[1]?.reset();
});
