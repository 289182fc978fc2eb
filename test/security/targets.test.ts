/** Request targets: what is not a plain path is refused, and no spelling slips past a path match. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { anyBackend, type Expected, expectHandled, handshakeHead, plainHead, startTarget } from "./bad-input.ts";

const kinds = [
	["upgrade", handshakeHead, "ws.reject"],
	["plain HTTP", plainHead, "http.request"],
] as const;

/** Node's parser refuses the first kind before there is a request: those are `ws.reject` lines whatever was meant. */
const unreadable: [string, string][] = [
	["a space", "/a b"],
	["CR", "/a\rb"],
	["LF", "/a\nb"],
	["NUL", "/a\0b"],
	["a tab", "/a\tb"],
	["DEL", "/a\x7f"],
	["nothing", ""],
	["no slash", "evil.test"],
];
const refused: [string, string][] = [
	["absolute-form of another scheme", "ftp://gateway.test/x"],
	["absolute-form and dot segments", "http://gateway.test/../x"],
	["absolute-form and a fragment", "http://gateway.test/x#y"],
	["asterisk-form", "*"],
	["a backslash", "/a\\b"],
	["a backslash first", "/\\evil.test/x"],
	["a fragment", "/a#b"],
	["a fragment in the query", "/a?b=1#c"],
	["an encoded NUL", "/a%00b"],
	["half a percent-encoding", "/a%2"],
	["malformed percent-encoding", "/a%zz"],
	["..", "/public/../admin"],
	[".. at the end", "/public/.."],
	["/./", "/public/./x"],
	["%2e%2e", "/public/%2e%2e/admin"],
	["%2E%2e", "/public/%2E%2e/admin"],
	[".%2e", "/public/.%2e/admin"],
	["an encoded slash before ..", "/public%2f../admin"],
	["an encoded slash after ..", "/public/..%2fadmin"],
	["an encoded backslash", "/public%5c..%5cadmin"],
	["..; as Java servers read it", "/public/..;/admin"],
	["..%3b", "/public/..%3b/admin"],
];

describe.each(kinds)("%s", (_kind, head, event) => {
	test.each(refused)("a target with %s is answered 400", async (_, text) => {
		const target = await startTarget();
		await expectHandled(target, head({ start: `GET ${text} HTTP/1.1` }), { status: 400, code: "BAD_TARGET", event });
		await target.gateway.expectQuiet();
	});

	test.each(unreadable)("a target with %s is answered 400", async (_, text) => {
		const target = await startTarget();
		const expected: Expected = { status: 400, code: "BAD_REQUEST" };
		await expectHandled(target, head({ start: `GET ${text} HTTP/1.1` }), expected);
		await target.gateway.expectQuiet();
	});
});

test("a target with CR LF ends the request line: what is left has no version and is refused", async () => {
	const target = await startTarget();
	const start = "GET /a\r\nX-Injected: 1 HTTP/1.1";
	await expectHandled(target, handshakeHead({ start }), { status: 400, code: "BAD_HANDSHAKE" });
	await expectHandled(target, plainHead({ start }), { status: 400, code: "BAD_REQUEST", event: "http.request" });
	await target.gateway.expectQuiet();
});

test.each(kinds)(
	"%s: raw bytes above 0x7f in a target are passed on as they were sent, and matched as if they were encoded",
	async (_, head) => {
		for (const tls of [false, true]) {
			const backend = await startRawBackend(anyBackend);
			const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0"${tls ? ", tls: { self_signed: [localhost] }" : ""} }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes:
				- { match: { path_prefix: /caf%C3%A9 }, upstream: app }
		`);
			for (const [index, target] of ["/caf\xc3\xa9/\xff?q=\xe9", "/caf%c3\xa9", "/caf%C3%A9"].entries()) {
				const client = await connectRaw({ port: gateway.port, tls });
				client.write(head({ start: `GET ${target} HTTP/1.1` }));
				expect([101, 200]).toContain((await client.readHead()).status);
				const request = await until(async () => (await backend.connection(index)).request, { what: "the request" });
				expect(request.target).toBe(target);
				client.reset();
			}
			const client = await connectRaw({ port: gateway.port, tls });
			client.write(head({ start: "GET /caf\xe9 HTTP/1.1" }));
			expect((await client.readHead()).status).toBe(404);
			client.reset();
			await gateway.expectQuiet();
		}
	},
);

test("raw bytes in a later request of a connection, in a head that comes in pieces, and in one that never ends", async () => {
	const { gateway, backend } = await startTarget();
	const client = await connectRaw({ port: gateway.port });
	for (const target of ["/a", "/\xe9", "/b", "/\xc3\xa9?x"]) {
		client.write(Buffer.from(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok`, "latin1"));
		const head = await client.readHead();
		expect([target, head.status, await client.readBody(head)]).toEqual([
			target,
			200,
			Buffer.from(`saw POST ${target} HTTP/1.1`, "latin1").toString(),
		]);
	}
	client.reset();
	const pieces = await connectRaw({ port: gateway.port });
	pieces.write(Buffer.from("GET /\xe9 HTTP/1.1\r\nHo", "latin1"));
	await until(() => true, { what: "nothing" });
	pieces.write("st: a\r\n\r\n");
	expect((await pieces.readHead()).status).toBe(200);
	// Not all of the request line is there: it is refused, as by Node.
	const cut = await connectRaw({ port: gateway.port });
	cut.write(Buffer.from("GET /\xe9", "latin1"));
	expect((await cut.readHead()).status).toBe(400);
	const slow = await connectRaw({ port: gateway.port });
	slow.write(Buffer.from("GET /\xe9 HTTP/1.1\r\nHost: a\r\n", "latin1"));
	expect((await slow.readHead()).status).toBe(408);
	for (const each of [pieces, cut, slow]) each.reset();
	expect(backend.connections.length).toBeGreaterThan(0);
	await gateway.expectQuiet();
});

test("the host of a target in absolute-form counts, in routing, in the log and for the backend, and Host does not", async () => {
	const backend = await startRawBackend(anyBackend);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- { match: { host: chat.test, path_prefix: /ws }, upstream: app }
	`);
	for (const [target, sent] of [
		["http://chat.test/ws?a=1", "/ws?a=1"],
		["WSS://CHAT.test:443/ws", "/ws"],
	] as const) {
		for (const head of [handshakeHead, plainHead]) {
			const client = await connectRaw({ port: gateway.port });
			client.write(head({ start: `GET ${target} HTTP/1.1`, change: { Host: "other.test" } }));
			expect([101, 200]).toContain((await client.readHead()).status);
			const request = await until(async () => (await backend.connection()).request, { what: "the request" });
			expect([request.target, request.header("host")?.toLowerCase().replace(":443", "")]).toEqual([sent, "chat.test"]);
			client.reset();
		}
	}
	for (const [target, status] of [
		["http://other.test/ws", 404],
		["http://user@chat.test/ws", 400],
		["http://chat.test", 404],
	] as const) {
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({ start: `GET ${target} HTTP/1.1`, change: { Host: "chat.test" } }));
		expect([target, (await client.readHead()).status]).toEqual([target, status]);
		client.reset();
	}
	await until(() => gateway.lines.of("http.request").length === 2, { what: "the lines" });
	for (const line of [...gateway.lines.of("http.request"), ...gateway.lines.of("ws.open")])
		expect(line.path).toBe("/ws");
	expect(gateway.lines.of("http.request").map(({ host }) => host)).toEqual(["chat.test", "CHAT.test:443"]);
	await gateway.expectQuiet();
});

/** A private route before a public one for everything else. */
async function startPrivate() {
	const secret = await startRawBackend(anyBackend);
	const open = await startRawBackend(anyBackend);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		trusted_proxies: [127.0.0.1]
		upstreams:
			secret: { endpoints: ["${secret.url}"] }
			open: { endpoints: ["${open.url}"] }
		routes:
			- { name: admin, match: { path_prefix: /admin, client_ip: [10.0.0.0/8] }, upstream: secret }
			- { name: no-admin, match: { path_prefix: /admin }, upstream: open, rewrite: { path: /denied } }
			- { name: open, match: { path_prefix: / }, upstream: open }
	`);
	return { gateway, secret, open };
}

describe.each(kinds)("%s", (_kind, head) => {
	test.each([
		"/admin",
		"//admin",
		"///admin//users",
		"/%61dmin",
		"/%61%64%6D%69%6e",
		"//%61dmin/x?y=1",
		"/admin/",
		"/admin//",
	])("%s does not slip past a match for /admin", async (text) => {
		const { gateway, open, secret } = await startPrivate();
		const client = await connectRaw({ port: gateway.port });
		client.write(head({ start: `GET ${text} HTTP/1.1` }));
		const answer = await client.readHead();
		client.reset();
		expect([101, 200]).toContain(answer.status);
		const request = await until(async () => (await open.connection()).request, { what: "the request" });
		expect(request.target.split("?")[0]).toBe("/denied");
		expect(secret.connections).toHaveLength(0);
		await gateway.expectQuiet();
	});

	test("a target that begins with // is a path, not another host, and is forwarded to the byte", async () => {
		const { gateway, open } = await startPrivate();
		const client = await connectRaw({ port: gateway.port });
		client.write(head({ start: "GET //evil.test/x?u=http://y/ HTTP/1.1" }));
		expect([101, 200]).toContain((await client.readHead()).status);
		const request = await until(async () => (await open.connection()).request, { what: "the request" });
		expect([request.target, request.header("host")]).toEqual(["//evil.test/x?u=http://y/", "gateway.test"]);
		client.reset();
		await gateway.expectQuiet();
	});

	test("what was matched in decoded form is forwarded as it was sent", async () => {
		const { gateway, open } = await startPrivate();
		const client = await connectRaw({ port: gateway.port });
		client.write(head({ start: "GET /%70ublic//a%2Fb/%7e?q=%2e%2e/ HTTP/1.1" }));
		expect([101, 200]).toContain((await client.readHead()).status);
		const request = await until(async () => (await open.connection()).request, { what: "the request" });
		expect(request.target).toBe("/%70ublic//a%2Fb/%7e?q=%2e%2e/");
		client.reset();
		await gateway.expectQuiet();
	});
});
