/** Requests that ask for another protocol than WebSocket are answered as if they had not (Java's client asks every time). */
import { describe, expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { readRequest } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectHandled, handshakeHead, plainHead, startTarget } from "./bad-input.ts";

const H2C = [
	"Connection: Upgrade, HTTP2-Settings",
	"Upgrade: h2c",
	"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
];

/** Says what it read, with the connection kept open. */
const keepAlive = async (peer: Parameters<typeof readRequest>[0]): Promise<void> => {
	for (;;) {
		const request = await readRequest(peer);
		const hasBody = request.header("content-length") ?? request.header("transfer-encoding");
		const content = hasBody === undefined ? "" : await peer.readBody(request);
		const body = [request.startLine, request.all("upgrade"), request.all("http2-settings"), content].join("|");
		peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
	}
};

describe.each([
	["plain", false],
	["TLS", true],
] as const)("Upgrade: h2c over %s", (_, tls) => {
	test("is answered as plain HTTP, and the connection is kept for the next request", async () => {
		const { gateway } = await startTarget({ tls, script: keepAlive });
		const client = await connectRaw({ port: gateway.port, tls });
		for (const path of ["/one", "/two", "/three"]) {
			client.write(plainHead({ start: `GET ${path} HTTP/1.1`, extra: [...H2C, "Content-Length: 0"] }));
			const head = await client.readHead();
			expect(head.status).toBe(200);
			expect(head.header("connection")?.toLowerCase()).not.toBe("close");
			expect(await client.readBody(head)).toBe(`GET ${path} HTTP/1.1|||`);
		}
		client.reset();
		await until(() => gateway.lines.of("http.request").length === 3, { what: "three lines" });
		await gateway.expectQuiet();
	});

	test("is answered with a body too, known length and chunked", async () => {
		const { gateway } = await startTarget({ tls, script: keepAlive });
		const client = await connectRaw({ port: gateway.port, tls });
		client.write(plainHead({ start: "POST /a HTTP/1.1", extra: [...H2C, "Content-Length: 5"], body: "hello" }));
		expect(await client.readBody(await client.readHead())).toBe("POST /a HTTP/1.1|||hello");
		client.write(
			plainHead({ start: "POST /b HTTP/1.1", extra: [...H2C, "Transfer-Encoding: chunked"], body: "5\r\nhel" }),
		);
		client.write("lo\r\n0\r\n\r\n");
		expect(await client.readBody(await client.readHead())).toBe("POST /b HTTP/1.1|||hello");
		client.reset();
		await gateway.expectQuiet();
	});

	test("does not stand in the way of a WebSocket on the same connection", async () => {
		const { gateway } = await startTarget({ tls });
		const client = await connectRaw({ port: gateway.port, tls });
		client.write(plainHead({ extra: [...H2C, "Content-Length: 0"] }));
		await client.readBody(await client.readHead());
		client.write(handshakeHead({}));
		expect((await client.readHead()).status).toBe(101);
		client.reset();
		await gateway.expectQuiet();
	});
});

test("a hundred of them on one connection leave no listeners behind", async () => {
	const warnings: Error[] = [];
	const note = (warning: Error): void => void warnings.push(warning);
	process.on("warning", note);
	const { gateway } = await startTarget({ script: keepAlive });
	const client = await connectRaw({ port: gateway.port });
	for (let i = 0; i < 100; i++) {
		client.write(plainHead({ start: `GET /${i} HTTP/1.1`, extra: [...H2C, "Content-Length: 0"] }));
		expect(await client.readBody(await client.readHead())).toContain(`GET /${i} `);
	}
	client.reset();
	await gateway.expectQuiet();
	process.off("warning", note);
	expect(warnings).toEqual([]);
});

test("its framing is checked like any other's: Content-Length and chunked is refused", async () => {
	const target = await startTarget();
	const bytes = plainHead({
		start: "POST / HTTP/1.1",
		extra: [...H2C, "Content-Length: 5", "Transfer-Encoding: chunked"],
		body: "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
	});
	await expectHandled(target, bytes, { status: 400, code: "BAD_REQUEST" });
	await target.gateway.expectQuiet();
});
