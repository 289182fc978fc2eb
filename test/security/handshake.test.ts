/** Opening handshakes that RFC 6455 §4.2.1 does not allow, over plain TCP and over TLS. */
import { describe, expect, test } from "vitest";
import { connectRaw } from "../harness/raw-client.ts";
import { type Expected, expectHandled, type HeadOptions, handshakeHead, startTarget } from "./bad-input.ts";

const bad = (status: number, code: string): Expected => ({ status, code });
const BAD = bad(400, "BAD_HANDSHAKE");
const VERSION = bad(426, "BAD_VERSION");

const cases: [string, HeadOptions, Expected][] = [
	["POST", { start: "POST / HTTP/1.1" }, bad(405, "METHOD_NOT_ALLOWED")],
	["HEAD", { start: "HEAD / HTTP/1.1" }, bad(405, "METHOD_NOT_ALLOWED")],
	["OPTIONS", { start: "OPTIONS / HTTP/1.1" }, bad(405, "METHOD_NOT_ALLOWED")],
	["HTTP/1.0", { start: "GET / HTTP/1.0" }, BAD],
	["no Host", { change: { Host: undefined } }, BAD],
	["an empty Host and a second one", { change: { Host: "" }, extra: ["Host: evil.test"] }, BAD],
	["two Host headers", { extra: ["Host: evil.test"] }, BAD],
	["two Host headers in different case", { extra: ["hOST: gateway.test"] }, BAD],
	["a Host that is no host name", { change: { Host: "a b" } }, bad(400, "BAD_REQUEST")],
	["a Host with a path", { change: { Host: "gateway.test/admin" } }, bad(400, "BAD_REQUEST")],
	["a Host with credentials", { change: { Host: "user@gateway.test" } }, bad(400, "BAD_REQUEST")],
	["no Sec-WebSocket-Key", { change: { "Sec-WebSocket-Key": undefined } }, BAD],
	["an empty key", { change: { "Sec-WebSocket-Key": "" } }, BAD],
	["a key of 15 bytes", { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" } }, BAD],
	["a key of 17 bytes", { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZXM=" } }, BAD],
	["a key that is not base64", { change: { "Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!==" } }, BAD],
	["two keys", { extra: ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="] }, BAD],
	["two keys in one header", { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==, AA==" } }, BAD],
	["version 8", { change: { "Sec-WebSocket-Version": "8" } }, VERSION],
	["version 13.0", { change: { "Sec-WebSocket-Version": "13.0" } }, VERSION],
	["version 013", { change: { "Sec-WebSocket-Version": "013" } }, VERSION],
	["no version", { change: { "Sec-WebSocket-Version": undefined } }, VERSION],
	["two versions", { extra: ["Sec-WebSocket-Version: 8"] }, VERSION],
	["Content-Length: 5", { extra: ["Content-Length: 5"], body: "hello" }, BAD],
	["Transfer-Encoding: chunked", { extra: ["Transfer-Encoding: chunked"], body: "0\r\n\r\n" }, BAD],
	["Transfer-Encoding: identity", { extra: ["Transfer-Encoding: identity"] }, BAD],
	[
		"Content-Length and Transfer-Encoding",
		{ extra: ["Content-Length: 5", "Transfer-Encoding: chunked"] },
		bad(400, "BAD_REQUEST"),
	],
	["a subprotocol that is no token", { extra: ["Sec-WebSocket-Protocol: chat v2"] }, BAD],
];

describe.each([["plain", false] as const, ["TLS", true] as const])("%s", (_, tls) => {
	test.each(cases)("an upgrade with %s is refused", async (_name, head, expected) => {
		const target = await startTarget({ tls });
		await expectHandled(target, handshakeHead(head), expected);
		await target.gateway.expectQuiet();
	});
});

test.each([
	["version", { change: { "Sec-WebSocket-Version": "25" } }, "Sec-WebSocket-Version: 13"],
	["version", { change: { "Sec-WebSocket-Version": "25" } }, "Upgrade: websocket"],
	["method", { start: "POST / HTTP/1.1" }, "Allow: GET"],
] satisfies [string, HeadOptions, string][])("a wrong %s is told the right one", async (_, head, header) => {
	const { gateway } = await startTarget();
	const client = await connectRaw({ port: gateway.port });
	client.write(handshakeHead(head));
	expect((await client.readHead()).raw).toContain(`\r\n${header}\r\n`);
	client.end();
	await gateway.expectQuiet();
});

/** Handshakes that lack what makes them upgrades arrive as plain HTTP; the backend could only misunderstand them. */
const incomplete: [string, HeadOptions, Expected][] = [
	["no Upgrade", { change: { Upgrade: undefined, Connection: undefined } }, bad(426, "UPGRADE_REQUIRED")],
	["no Connection", { change: { Connection: undefined } }, BAD],
	["Connection: keep-alive", { change: { Connection: "keep-alive" } }, BAD],
	["Connection: close, without Upgrade", { change: { Connection: "close" } }, BAD],
];

test.each(incomplete)(
	"a handshake with %s is refused and says what a proxy in front may have removed",
	async (_, head, expected) => {
		const target = await startTarget();
		await expectHandled(target, handshakeHead(head), { ...expected, event: "http.request" });
		await target.gateway.expectQuiet();
	},
);

test.each([
	["Connection: keep-alive, Upgrade", { change: { Connection: "keep-alive, Upgrade" } }],
	["Upgrade: WebSocket", { change: { Upgrade: "WebSocket" } }],
	["a list of protocols", { change: { Upgrade: "h2c, websocket" } }],
	["Content-Length: 0", { extra: ["Content-Length: 0"] }],
	["an empty subprotocol", { extra: ["Sec-WebSocket-Protocol:"] }],
	["empty subprotocols in the list", { extra: ["Sec-WebSocket-Protocol: ,a,, b,"] }],
	["lower-case header names", { change: { Host: undefined }, extra: ["host: gateway.test"] }],
] satisfies [string, HeadOptions][])("a correct handshake with %s is taken", async (_, head) => {
	const { gateway } = await startTarget();
	const client = await connectRaw({ port: gateway.port });
	client.write(handshakeHead(head));
	expect((await client.readHead()).status).toBe(101);
	client.reset();
	await gateway.expectQuiet();
});

test("a version that is sent twice is taken, and the backend gets it once", async () => {
	const { gateway, backend } = await startTarget();
	const client = await connectRaw({ port: gateway.port });
	client.write(handshakeHead({ extra: ["sec-websocket-version: 13", "X-After: 1"] }));
	expect((await client.readHead()).status).toBe(101);
	const { request } = await backend.connection();
	expect([request?.all("sec-websocket-version"), request?.all("x-after")]).toEqual([["13"], ["1"]]);
	client.reset();
	await gateway.expectQuiet();
});
