/** Requests whose framing is ambiguous, cut, doubled or too large: nothing of them becomes a second request. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, readRequest, silent, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { anyBackend, expectHandled, handshakeHead, plainHead, startTarget } from "./bad-input.ts";

const BAD_REQUEST = { status: 400, code: "BAD_REQUEST" } as const;
const BAD_PLAIN = { ...BAD_REQUEST, event: "http.request" } as const;

describe("bytes that are no HTTP/1.1", () => {
	test.each<[string, string | Buffer]>([
		["noise", Buffer.from([0xff, 0x00, 0x80, 0x7f, 0x0d, 0x0a, 0x0d, 0x0a])],
		["an unknown method", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n"],
		["a lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n"],
		["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
		["no version", "GET / FOO\r\nHost: x\r\n\r\n"],
		["an unknown version", "GET / HTTP/1.7\r\nHost: x\r\n\r\n"],
		["a header without a colon", plainHead({ extra: ["nonsense"] })],
		["a blank before the colon", plainHead({ extra: ["X-Name : value"] })],
		["a header without a name", plainHead({ extra: [": value"] })],
		["a folded header", plainHead({ extra: ["X-Name: a", " b"] })],
		["NUL in a header value", plainHead({ extra: ["X-Name: a\0b"] })],
		["CR in a header value", plainHead({ extra: ["X-Name: a\rb"] })],
		["a control character in a header name", plainHead({ extra: ["X\x01Name: a"] })],
		["lines that end in LF alone", "GET / HTTP/1.1\nHost: x\n\n"],
	])("%s is answered 400", async (_, bytes) => {
		const target = await startTarget();
		await expectHandled(target, bytes, BAD_REQUEST);
		await target.gateway.expectQuiet();
	});

	test("a head that ends in FIN is answered 400", async () => {
		const target = await startTarget();
		await expectHandled(
			target,
			(client) => {
				client.write("GET / HTTP/1.1\r\nHost: x\r\n");
				client.end();
			},
			BAD_REQUEST,
		);
		await target.gateway.expectQuiet();
	});

	test("an error that goes on for many packets is answered and logged once", async () => {
		const target = await startTarget();
		await expectHandled(
			target,
			async (client) => {
				client.write("FROB / HTTP/1.1\r\n");
				for (let i = 0; i < 20; i++) {
					client.write(`X-More: ${i}\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`);
					await new Promise((resolve) => setTimeout(resolve, 5));
				}
			},
			BAD_REQUEST,
		);
		await target.gateway.expectQuiet();
	});
});

describe("Host", () => {
	test.each([
		["none", plainHead({ change: { Host: undefined } })],
		["two", plainHead({ extra: ["Host: evil.test"] })],
		["two equal ones", plainHead({ extra: ["host: gateway.test"] })],
		["one that is no host name", plainHead({ change: { Host: "gateway.test/../x" } })],
	])("%s: 400", async (_, bytes) => {
		const target = await startTarget();
		await expectHandled(target, bytes, BAD_PLAIN);
		await target.gateway.expectQuiet();
	});

	test("none is allowed in HTTP/1.0", async () => {
		const { gateway } = await startTarget();
		const client = await connectRaw({ port: gateway.port });
		client.write("GET / HTTP/1.0\r\n\r\n");
		expect((await client.readHead()).status).toBe(200);
		await client.ended();
		client.end();
		await gateway.expectQuiet();
	});

	test.each(["0.9", "2.0"])("HTTP/%s is not spoken here", async (version) => {
		const target = await startTarget();
		await expectHandled(target, plainHead({ start: `GET / HTTP/${version}` }), BAD_PLAIN);
		await target.gateway.expectQuiet();
	});
});

describe("message framing", () => {
	test.each([
		["Content-Length and Transfer-Encoding", ["Content-Length: 5", "Transfer-Encoding: chunked"]],
		["Transfer-Encoding and Content-Length", ["Transfer-Encoding: chunked", "Content-Length: 5"]],
		["two different Content-Lengths", ["Content-Length: 5", "Content-Length: 6"]],
		["two equal Content-Lengths", ["Content-Length: 5", "Content-Length: 5"]],
		["a list of Content-Lengths", ["Content-Length: 5, 5"]],
		["a negative Content-Length", ["Content-Length: -5"]],
		["a Content-Length with a plus", ["Content-Length: +5"]],
		["a hexadecimal Content-Length", ["Content-Length: 0x5"]],
		["a Content-Length beyond 2^64", ["Content-Length: 99999999999999999999999"]],
		["a transfer coding after chunked", ["Transfer-Encoding: chunked, identity"]],
		["chunked twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]],
	])("%s: 400, and nothing behind it is read as a request", async (_, extra) => {
		const target = await startTarget();
		const bytes = plainHead({
			start: "POST / HTTP/1.1",
			extra,
			body: "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
		});
		await expectHandled(target, bytes, BAD_REQUEST);
		await target.gateway.expectQuiet();
	});

	test.each<[string, string[], 400 | "cut"]>([
		["a transfer coding before chunked", ["Transfer-Encoding: gzip, chunked"], 400],
		["chunked in quotes", ['Transfer-Encoding: "chunked"'], "cut"],
	])("%s does not reach a backend", async (_, extra, status) => {
		const target = await startTarget();
		const bytes = plainHead({ start: "POST / HTTP/1.1", extra, body: "0\r\n\r\n" });
		await expectHandled(target, bytes, { ...BAD_PLAIN, status, logged: 400 });
		await target.gateway.expectQuiet();
	});

	test.each([
		["DELETE", "chunked"],
		["OPTIONS", "chunked"],
		["GET", "chunked"],
		["HEAD", "chunked"],
		["DELETE", "length"],
		["OPTIONS", "length"],
		["GET", "length"],
	])("the body of a %s (%s) is one body at the backend, whatever it looks like", async (method, how) => {
		const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			await until(() => peer.after.includes("\r\n\r\n"), { what: "the body" });
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		});
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`);
		const client = await connectRaw({ port: gateway.port });
		const chunked = how === "chunked";
		client.write(
			plainHead({
				start: `${method} /victim HTTP/1.1`,
				extra: [chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`],
				body: chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body,
			}),
		);
		expect((await client.readHead()).status).toBe(200);
		client.reset();
		const peer = await backend.connection(0);
		const framing = peer.request?.header("transfer-encoding") ?? peer.request?.header("content-length");
		if (framing === "chunked") {
			expect(peer.after.toString()).toBe(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
		} else {
			expect(Number(framing)).toBe(body.length);
			expect(peer.after.toString()).toBe(body);
		}
		const lengths = [...(peer.request?.all("content-length") ?? []), ...(peer.request?.all("transfer-encoding") ?? [])];
		expect(lengths).toHaveLength(1);
		expect(backend.connections).toHaveLength(1);
		await gateway.expectQuiet();
	});

	test("a body that stops being chunked is cut off, at the client and at the backend, and leaves one line", async () => {
		const target = await startTarget({ script: silent });
		const client = await connectRaw({ port: target.gateway.port });
		client.write(
			plainHead({ start: "POST / HTTP/1.1", extra: ["Transfer-Encoding: chunked"], body: "5\r\nhello\r\n" }),
		);
		const peer = await target.backend.connection();
		await until(() => peer.after.includes("hello"), { what: "the first chunk" });
		client.write("zz\r\nnonsense\r\n");
		await client.ended();
		await peer.ended();
		expect(peer.after.toString()).not.toContain("nonsense");
		expect(await target.gateway.waitForLog("http.request")).toMatchObject({ status: 400, code: "BAD_REQUEST" });
		await target.gateway.expectQuiet();
		expect(target.gateway.lines.of("ws.reject")).toEqual([]);
	});
});

describe("pipelining", () => {
	test("an upgrade behind a request waits for its answer, and is taken then", async () => {
		let answer = (): void => undefined;
		const target = await startTarget({
			script: async (peer, index) => {
				if (index > 0) return accepting()(peer, index);
				await readRequest(peer);
				await new Promise<void>((resolve) => {
					answer = resolve;
				});
				peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nfirst");
			},
		});
		const client = await connectRaw({ port: target.gateway.port });
		client.write(Buffer.concat([plainHead({}), handshakeHead({ start: "GET /ws HTTP/1.1" })]));
		await until(() => target.backend.connections[0]?.request, { what: "the first request" });
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect([target.backend.connections.length, client.unread.length]).toEqual([1, 0]);
		answer();
		expect(await client.readBody(await client.readHead())).toBe("first");
		expect((await client.readHead()).status).toBe(101);
		client.reset();
		await target.gateway.expectQuiet();
	});

	test("noise behind a request never stands inside its answer: it is refused after it", async () => {
		let answer = (): void => undefined;
		const target = await startTarget({
			script: async (peer) => {
				await readRequest(peer);
				peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ");
				answer = () => peer.write("whole");
			},
		});
		const client = await connectRaw({ port: target.gateway.port });
		client.write(plainHead({}));
		await until(() => client.unread.toString().endsWith("half "), { what: "half of the answer" });
		client.write("nonsense\r\n\r\n");
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(client.unread.toString()).toMatch(/half $/);
		answer();
		expect(await client.readBody(await client.readHead())).toBe("half whole");
		await expectRejection(client, await client.readHead(), 400, "BAD_REQUEST");
		client.end();
		expect(await target.gateway.waitForLog("http.request")).toMatchObject({ status: 200, bytes_out: 10 });
		expect(await target.gateway.waitForLog("ws.reject")).toMatchObject({ code: "BAD_REQUEST" });
		await target.gateway.expectQuiet();
	});

	test("an upgrade behind an answered request is taken", async () => {
		const { gateway } = await startTarget();
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({}));
		await client.readBody(await client.readHead());
		client.write(handshakeHead({}));
		expect((await client.readHead()).status).toBe(101);
		client.reset();
		await gateway.expectQuiet();
	});

	test("two upgrades in one write: the second is the first one's early data, not a second handshake", async () => {
		const { gateway, backend } = await startTarget();
		const client = await connectRaw({ port: gateway.port });
		const second = handshakeHead({ start: "GET /second HTTP/1.1" });
		client.write(Buffer.concat([handshakeHead({ start: "GET /first HTTP/1.1" }), second]));
		expect((await client.readHead()).status).toBe(101);
		const peer = await backend.connection(0);
		await until(() => peer.after.length >= second.length, { what: "the early bytes" });
		expect(peer.after.equals(second)).toBe(true);
		expect(backend.connections).toHaveLength(1);
		client.reset();
		await gateway.expectQuiet();
	});
});

describe("sizes", () => {
	test.each(["upgrade", "plain"])("a head beyond max_header_size is answered 431 (%s)", async (kind) => {
		const target = await startTarget({ listener: "max_header_size: 4KiB" });
		const head = kind === "upgrade" ? handshakeHead : plainHead;
		const expected = { status: 431, code: "HEADERS_TOO_LARGE" };
		await expectHandled(target, head({ extra: [`X-Long: ${"x".repeat(8_000)}`] }), expected);
		await expectHandled(target, head({ start: `GET /${"x".repeat(8_000)} HTTP/1.1` }), expected);
		await expectHandled(target, head({ extra: Array.from({ length: 500 }, (_, i) => `X-${i}: 12345`) }), expected);
		await target.gateway.expectQuiet();
	});

	test("a head just below max_header_size is taken, with every one of its headers", async () => {
		const { gateway, backend } = await startTarget({ listener: "max_header_size: 64KiB" });
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({ extra: Array.from({ length: 4_000 }, (_, i) => `X-${i}: ${i}`) }));
		expect((await client.readHead()).status).toBe(101);
		const { request } = await backend.connection();
		expect(request?.list.filter(([name]) => /^X-\d+$/.test(name))).toHaveLength(4_000);
		client.reset();
		await gateway.expectQuiet();
	});
});

describe("methods and expectations", () => {
	test("CONNECT is answered 405: this is no forward proxy", async () => {
		const target = await startTarget();
		await expectHandled(target, "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n", {
			status: 405,
			code: "METHOD_NOT_ALLOWED",
		});
		await target.gateway.expectQuiet();
	});

	test("an expectation that nobody knows is ignored, and the request leaves its line", async () => {
		const { gateway } = await startTarget();
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({ extra: ["Expect: the-unexpected"] }));
		expect((await client.readHead()).status).toBe(200);
		client.reset();
		expect(await gateway.waitForLog("http.request")).toMatchObject({ status: 200 });
		await gateway.expectQuiet();
	});

	test("Expect: 100-continue is answered by the gateway and does not reach the backend", async () => {
		const { gateway, backend } = await startTarget({ script: anyBackend });
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({ start: "POST / HTTP/1.1", extra: ["Expect: 100-continue", "Content-Length: 2"] }));
		expect((await client.readHead()).status).toBe(100);
		client.write("ok");
		expect((await client.readHead()).status).toBe(200);
		expect((await backend.connection()).request?.header("expect")).toBeUndefined();
		client.reset();
		await gateway.expectQuiet();
	});
});
