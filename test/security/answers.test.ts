/** Backends that answer wrongly, endlessly or not at all: the client gets a whole answer, never a bare FIN or a hang. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import {
	answering,
	endAfterHead,
	missingUpgrade,
	readRequest,
	resetAfterHead,
	resetOnAccept,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
	wrongAccept,
} from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { handshakeHead, plainHead } from "./bad-input.ts";

const changed = (from: string | RegExp, to: string): Script =>
	answering((request) => switchingProtocols(request).replace(from, to));

/** An endless head, a line at a time. */
const endlessHead: Script = async (peer) => {
	await readRequest(peer);
	peer.write("HTTP/1.1 101 Switching Protocols\r\n");
	for (let i = 0; !peer.closed && i < 100_000; i++) {
		peer.write(`X-${i}: ${"x".repeat(1_000)}\r\n`);
		if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
	}
};
const endlessLine: Script = async (peer) => {
	await readRequest(peer);
	peer.write("HTTP/1.1 101 ");
	for (let i = 0; !peer.closed && i < 100_000; i++) {
		peer.write("x".repeat(1_000));
		if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
	}
};
const endlessInterim: Script = async (peer) => {
	await readRequest(peer);
	for (let i = 0; !peer.closed && i < 100_000; i++) {
		peer.write("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
		if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
	}
};

const BAD: [number, string] = [502, "BAD_BACKEND_HANDSHAKE"];
const BAD_ANSWER: [number, string] = [502, "BAD_BACKEND_ANSWER"];
const LATE: [number, string] = [504, "HANDSHAKE_TIMEOUT"];

const upgrades: [string, Script, [number, string]][] = [
	["101 with the Accept of another key", wrongAccept, BAD],
	["101 without Accept", changed(/Sec-WebSocket-Accept: .*\r\n/, ""), BAD],
	["101 with two Accepts", changed(/(Sec-WebSocket-Accept: .*\r\n)/, "$1$1"), BAD],
	["101 without Upgrade", missingUpgrade, BAD],
	["101 that upgrades to h2c", changed("Upgrade: websocket", "Upgrade: h2c"), BAD],
	["101 without Connection", changed("Connection: Upgrade\r\n", ""), BAD],
	["101 with an extension that nobody offered", changed(/\r\n$/, "Sec-WebSocket-Extensions: x-evil\r\n\r\n"), BAD],
	["garbage", answering("\x16\x03\x01 this is no HTTP\r\n\r\n"), BAD],
	["an answer in HTTP/0.9", answering("<html>hello</html>"), LATE],
	["an answer in HTTP/2.0", answering("HTTP/2.0 101 OK\r\n\r\n"), BAD],
	[
		"NUL in a header",
		answering((request) => switchingProtocols(request).replace("\r\n\r\n", "\r\nX: a\0b\r\n\r\n")),
		BAD,
	],
	[
		"a folded header",
		answering((request) => switchingProtocols(request).replace("\r\n\r\n", "\r\nX: a\r\n b\r\n\r\n")),
		BAD,
	],
	["a head without end", endlessHead, BAD],
	["a status line without end", endlessLine, BAD],
	["interim answers without end", endlessInterim, BAD],
	["nothing", silent, LATE],
	["half a head", answering("HTTP/1.1 101 Switching"), LATE],
	["FIN", endAfterHead, BAD],
	[
		"half a head and FIN",
		async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: web");
			peer.end();
		},
		BAD,
	],
	["RST after the request", resetAfterHead, BAD],
];

/** @param late whether the test waits for the time that the backend has */
async function start(script: Script, late = false) {
	const backend = await startRawBackend(script);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: 10s, handshake: ${late ? "700ms" : "10s"}, idle: ${late ? "1s" : "10s"}, close: 300ms }
				retries: { attempts: 1 }
	`);
	return { backend, gateway };
}

describe("an opening handshake answered with", () => {
	test.each(upgrades)("%s: the client is told in one line", async (_, script, [status, code]) => {
		const { backend, gateway } = await start(script, code === "HANDSHAKE_TIMEOUT");
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({}));
		await expectRejection(client, await client.readHead(), status, code);
		expect(await client.ended()).toBe("fin");
		client.end();
		// The backend's connection is not left behind either.
		await (await backend.connection()).ended();
		expect(await gateway.waitForLog("ws.reject")).toMatchObject({ status, code });
		await gateway.expectQuiet();
		expect(gateway.lines.of("ws.reject")).toHaveLength(1);
		expect(gateway.lines.of("internal.error")).toEqual([]);
	});

	test("a reset before the request was read: 502, never a bare FIN", async () => {
		const { gateway } = await start(resetOnAccept);
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({}));
		const head = await client.readHead();
		expect(head.status).toBe(502);
		expect(await client.readBody(head)).toMatch(/^(CONNECT_FAILED|BAD_BACKEND_HANDSHAKE): /);
		client.end();
		await gateway.expectQuiet();
		expect(gateway.lines.of("ws.reject")).toHaveLength(1);
	});

	test("a refusal whose body never ends: status and what came of it, in time", async () => {
		const { gateway } = await start(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n");
			while (!peer.closed) {
				peer.write("no ".repeat(100));
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		}, true);
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({}));
		const head = await client.readHead();
		expect(head.status).toBe(403);
		expect((await client.readBody(head)).length).toBeLessThanOrEqual(64 * 1024);
		expect(await client.ended()).toBe("fin");
		client.end();
		await gateway.expectQuiet();
	});

	test("a refusal with headers that would split the answer is not passed on as two", async () => {
		const { gateway } = await start(
			answering("HTTP/1.1 403 Forbidden\r\nX-A: b\rHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		);
		const client = await connectRaw({ port: gateway.port });
		client.write(handshakeHead({}));
		await expectRejection(client, await client.readHead(), ...BAD);
		client.end();
		await gateway.expectQuiet();
	});
});

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

describe("a plain HTTP request answered with", () => {
	const plain: [string, Script, [number, string]][] = [
		["garbage", answering("\x16\x03\x01 this is no HTTP\r\n\r\n"), BAD_ANSWER],
		["a head without end", endlessHead, BAD_ANSWER],
		["nothing", silent, LATE],
		["FIN", endAfterHead, BAD_ANSWER],
		["RST", resetAfterHead, BAD_ANSWER],
		[
			"two Content-Lengths",
			answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
			BAD_ANSWER,
		],
		[
			"Content-Length and chunks",
			answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
			BAD_ANSWER,
		],
		["a 101", answering(switchingProtocols), BAD_ANSWER],
		["a 101 that names no protocol", answering("HTTP/1.1 101 Switching Protocols\r\n\r\n"), BAD_ANSWER],
		["status 000", answering("HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nok"), BAD_ANSWER],
		["status 099", answering("HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok"), BAD_ANSWER],
		["a status of four digits", answering("HTTP/1.1 1000 High\r\nContent-Length: 2\r\n\r\nok"), BAD_ANSWER],
		["a malformed chunk", answering(`${CHUNKED}\r\n5\r\nhello\r\nzz\r\nnonsense\r\n`), BAD_ANSWER],
		["an unknown transfer coding", answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz"), BAD_ANSWER],
		[
			"two transfer codings",
			answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
			BAD_ANSWER,
		],
	];
	test.each(plain)("%s: the client is told in one line", async (_, script, [status, code]) => {
		const { gateway } = await start(script, code === "HANDSHAKE_TIMEOUT");
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({}));
		await expectRejection(client, await client.readHead(), status, code);
		expect(await client.ended()).toBe("fin");
		client.end();
		await gateway.expectQuiet();
		expect(gateway.lines.of("http.request")).toHaveLength(1);
		expect(gateway.lines.of("http.request")[0]).toMatchObject({
			status,
			code,
			message: expect.stringMatching(/.{20}/),
		});
		expect(gateway.lines.of("internal.error")).toEqual([]);
	});

	test("half a body: the client sees that it is not whole", async () => {
		const { gateway } = await start(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ");
			setTimeout(() => peer.reset(), 50);
		});
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({}));
		expect((await client.readHead()).status).toBe(200);
		await client.ended();
		expect(client.unread.length).toBeLessThan(10);
		client.end();
		expect(await gateway.waitForLog("http.request")).toMatchObject({ code: "BAD_BACKEND_ANSWER" });
		await gateway.expectQuiet();
	});

	test("chunks that never end properly: the client sees that the body is not whole", async () => {
		const { gateway } = await start(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
			setTimeout(() => peer.end(), 50);
		});
		const client = await connectRaw({ port: gateway.port });
		client.write(plainHead({}));
		expect((await client.readHead()).status).toBe(200);
		await client.ended();
		expect(client.unread.toString()).not.toContain("\r\n0\r\n");
		client.end();
		await gateway.expectQuiet();
	});
});
