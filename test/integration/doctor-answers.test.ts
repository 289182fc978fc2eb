/** `clawgate doctor` against servers and proxies that do not answer an opening handshake with a right 101. */
import { createServer } from "node:http";
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import {
	answering,
	echoingFrames,
	endAfterHead,
	missingUpgrade,
	readRequest,
	refusing,
	resetAfterHead,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
	unaskedSubprotocol,
	wrongAccept,
} from "../harness/raw-backend.ts";
import { acceptFor } from "../harness/raw-peer.ts";
import { listen, startWsBackend } from "../harness/ws-backend.ts";
import { diagnose, expectHealthy, expectProblem, startHaproxy, startNginx } from "./doctor.fixtures.ts";

/** What a script's answer is diagnosed as. */
async function expectCause(script: Script, cause: string, args: readonly string[] = [], path = "/") {
	const backend = await startRawBackend(script);
	const diagnosis = await expectProblem(`ws://127.0.0.1:${backend.port}${path}`, cause, args);
	return { ...diagnosis, backend };
}

const html = (title: string): string => `<html><head><title>${title}</title></head><body>${title}</body></html>`;

describe("no answer", () => {
	test("a server that accepts and stays silent", async () => {
		const { step } = await expectCause(silent, "silent", ["--timeout", "300ms"]);
		expect(step("answer").seen).toContain("within 300 ms");
	});

	test("a server that resets, or closes, after the request head", async () => {
		await expectCause(resetAfterHead, "reset-without-answer");
		await expectCause(endAfterHead, "closed-without-answer");
	});

	test("a server that breaks off in the middle of its head", async () => {
		const half = answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso");
		await expectCause(half, "silent", ["--timeout", "300ms"]);
	});

	test("something that is not HTTP, and HTTP that is broken", async () => {
		const { step } = await expectCause((peer) => peer.write("SSH-2.0-OpenSSH_9.2\r\n"), "not-http");
		expect(step("answer").seen).toContain("SSH-2.0-OpenSSH_9.2");
		await expectCause((peer) => peer.write("+PONG"), "not-http");
		await expectCause(answering("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n"), "answer-malformed");
	});

	test("what a server says cannot steer the terminal", async () => {
		const { text, step } = await expectCause(answering("\u001b]0;owned\u0007\u001b[31mhello\r\n"), "not-http");
		expect(step("answer").seen).toContain("hello");
		expect(
			JSON.parse(text)
				.steps.map((each: { seen: string }) => each.seen)
				.join(""),
		).not.toContain("\u001b");
	});
});

describe("plain HTTP instead of a WebSocket", () => {
	test("a server that speaks HTTP only", async () => {
		const server = createServer((_, response) => response.end(html("Welcome")));
		const { port } = await listen(server);
		await expectProblem(`ws://127.0.0.1:${port}/`, "http-only");
	});

	test("a server that says 426 or that it saw no Upgrade", async () => {
		await expectCause(refusing(426), "upgrade-stripped");
		const words = [
			"Missing or invalid Upgrade header",
			"websocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header",
			'Can "Upgrade" only to "WebSocket".',
			"Failed to open a WebSocket connection: missing Connection header.",
		];
		for (const body of words) await expectCause(refusing(400, { body }), "upgrade-stripped");
	});

	test("a real nginx that strips Upgrade", async () => {
		const { port } = await startWsBackend({
			onRequest: (_, response) => response.writeHead(426, { "Content-Type": "text/plain" }).end("Upgrade Required"),
		});
		const nginx = await startNginx(`location / { proxy_pass http://127.0.0.1:${port}; }`);
		const stripped = await expectProblem(`ws://127.0.0.1:${nginx}/`, "upgrade-stripped");
		expect(stripped.step("answer").advice[0]).toContain("proxy_set_header Upgrade $http_upgrade");
		await expectHealthy(`ws://127.0.0.1:${port}/`);
	});

	test("a real nginx that strips Upgrade before a server with pages", async () => {
		const { port } = await startWsBackend({ onRequest: (_, response) => response.end(html("The app")) });
		const nginx = await startNginx(`location / { proxy_pass http://127.0.0.1:${port}; }`);
		await expectProblem(`ws://127.0.0.1:${nginx}/`, "upgrade-stripped");
		const good = await startNginx(
			`location / {
				proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1;
				proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
			}`,
			`map $http_upgrade $connection_upgrade { default upgrade; '' close; }`,
		);
		await expectHealthy(`ws://127.0.0.1:${good}/`);
	});

	test("Socket.IO and SockJS asked at the wrong place", async () => {
		await expectCause(refusing(200, { body: '0{"sid":"abc","upgrades":["websocket"]}' }), "socketio-polling");
		await expectCause(refusing(400, { body: '{"code":0,"message":"Transport unknown"}' }), "socketio-polling");
		await expectCause(refusing(200, { body: "Welcome to SockJS!\n" }), "sockjs-info");
	});

	test("redirects: to TLS, to the path with a slash, to a login, elsewhere", async () => {
		const to = (status: number, Location: string): Script => refusing(status, { headers: { Location } });
		const tls = await expectCause(to(301, "https://127.0.0.1/ws?token=abcdef123456"), "redirect-to-tls", [], "/ws");
		expect(tls.step("answer").advice[0]).toBe("Connect to wss://127.0.0.1/ws at once.");
		expect(tls.text).not.toContain("abcdef123456");
		await expectCause(to(308, "/ws/"), "redirect-slash", [], "/ws");
		await expectCause(to(302, "https://id.example.com/login?next=%2Fws"), "redirect-login", [], "/ws");
		await expectCause(to(307, "https://other.example.com/ws"), "redirect", [], "/ws");
	});
});

describe("refusals", () => {
	test("401 without and with credentials", async () => {
		const headers = { "WWW-Authenticate": 'Bearer realm="chat"' };
		const { step } = await expectCause(refusing(401, { headers }), "credentials-missing");
		expect(step("answer").seen).toContain('Bearer realm="chat"');
		const sent = ["-H", "Authorization: Bearer geheim-4711"];
		const body = "token geheim-4711 is unknown";
		const { text } = await expectCause(refusing(401, { headers, body }), "credentials-refused", sent);
		expect(text).not.toContain("geheim-4711");
		expect(text).toContain("token *** is unknown");
		await expectCause(refusing(401), "credentials-refused", [], "/?access_token=abcdefg");
	});

	/** Accepts handshakes whose Origin the test likes, and refuses others with 403. */
	const choosy =
		(likes: (origin: string | undefined) => boolean): Script =>
		async (peer) => {
			const request = await readRequest(peer);
			if (likes(request.header("origin"))) peer.write(switchingProtocols(request));
			else peer.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
		};

	test("403 because of the Origin, found out by asking without it", async () => {
		const { step } = await expectCause(
			choosy((origin) => origin === undefined),
			"origin-denied",
			["--origin", "https://evil.example"],
		);
		expect(step("answer").seen).toContain("without Origin: 101");
	});

	test("403 because of the Origin at a server that wants its own", async () => {
		const likes = (origin: string | undefined): boolean => origin?.startsWith("http://127.0.0.1:") === true;
		await expectCause(choosy(likes), "origin-denied", ["-H", "Origin: https://evil.example"]);
		await expectCause(choosy(likes), "origin-required");
	});

	test("403 whatever the Origin", async () => {
		const { backend } = await expectCause(refusing(403), "forbidden", ["--origin", "https://app.example"]);
		expect(backend.connections.map((peer) => peer.request?.header("origin"))).toEqual([
			"https://app.example",
			undefined,
			`http://127.0.0.1:${backend.port}`,
		]);
	});

	test("403 of a bot protection, and of Envoy", async () => {
		await expectCause(refusing(403, { headers: { "cf-mitigated": "challenge" } }), "bot-challenge");
		const { step } = await expectCause(refusing(403, { headers: { server: "envoy" } }), "envoy-upgrade-off");
		expect(step("answer").advice.join()).toContain("upgrade_type: websocket");
	});

	const statuses: [number, string, Record<string, string>?][] = [
		[400, "bad-request"],
		[404, "not-found"],
		[405, "method-not-allowed"],
		[418, "unexpected-status"],
		[421, "misdirected"],
		[426, "version-unsupported", { "Sec-WebSocket-Version": "8, 7" }],
		[429, "rate-limited", { "Retry-After": "30" }],
		[431, "headers-too-large"],
		[500, "server-error"],
		[502, "bad-gateway"],
		[503, "unavailable"],
		[504, "gateway-timeout"],
		[521, "cloudflare-origin", { server: "cloudflare" }],
	];
	test.each(statuses)("status %i is %s", async (status, cause, headers = {}) => {
		const { step } = await expectCause(refusing(status, { headers }), cause);
		expect(step("answer").seen).toContain(`${status} Refused`);
		for (const value of Object.values(headers)) if (status === 429) expect(step("answer").seen).toContain(value);
	});

	test("a real nginx whose server behind is down, silent or missing", async () => {
		const quiet = await startRawBackend(silent);
		const nginx = await startNginx(`
			location /down { proxy_pass http://127.0.0.1:1; }
			location /slow { proxy_pass ${quiet.url.replace("ws:", "http:")}; proxy_read_timeout 200ms; }
			location /none { return 404; }
			location /limit { return 429; }
		`);
		const at = `ws://127.0.0.1:${nginx}`;
		const down = await expectProblem(`${at}/down`, "bad-gateway");
		expect(down.step("answer").advice[0]).toMatch(/^nginx: its error log/);
		expect((await expectProblem(`${at}/slow`, "gateway-timeout")).step("answer").advice[0]).toContain(
			"proxy_read_timeout",
		);
		expect((await expectProblem(`${at}/none`, "not-found")).step("answer").advice[0]).toContain("no location");
		await expectProblem(`${at}/limit`, "rate-limited");
	});

	test("plain HTTP to nginx's TLS port, by its words", async () => {
		const { step } = await expectCause(
			refusing(400, {
				headers: { Server: "nginx/1.22.1" },
				body: "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
			}),
			"plain-to-tls",
		);
		expect(step("answer").advice[0]).toContain("wss://");
	});

	test("a real HAProxy without a server, with one that is down, and with a good one", async () => {
		const { port } = await startWsBackend();
		const empty = await expectProblem(`ws://127.0.0.1:${await startHaproxy("")}/`, "unavailable");
		expect(empty.step("answer").seen).toContain("HAProxy");
		await expectProblem(`ws://127.0.0.1:${await startHaproxy("server one 127.0.0.1:1")}/`, "unavailable");
		await expectHealthy(`ws://127.0.0.1:${await startHaproxy(`server one 127.0.0.1:${port}`)}/`);
	});
});

describe("a 101 that is not right", () => {
	const changed = (change: (answer: string) => string): Script =>
		answering((request) => change(switchingProtocols(request)));

	test("wrong, missing and repeated headers", async () => {
		await expectCause(wrongAccept, "accept-wrong");
		await expectCause(missingUpgrade, "upgrade-missing");
		await expectCause(
			changed((text) => text.replace(/Sec-WebSocket-Accept.*\r\n/, "")),
			"accept-missing",
		);
		await expectCause(
			changed((text) => text.replace("Connection: Upgrade", "Connection: keep-alive")),
			"connection-missing",
		);
		await expectCause(
			changed((text) => text.replace("Upgrade: websocket", "Upgrade: h2c")),
			"upgrade-missing",
		);
		await expectCause(
			changed((text) => text.replace("\r\n", "\r\nUpgrade: websocket\r\n")),
			"headers-duplicated",
		);
		await expectCause(
			changed((text) => text.replace("HTTP/1.1", "HTTP/1.0")),
			"http-1-0",
		);
	});

	test("several things at once are all told", async () => {
		const { backend } = { backend: await startRawBackend(answering("HTTP/1.1 101 Hello\r\n\r\n")) };
		await expectProblem(backend.url, ["upgrade-missing", "connection-missing", "accept-missing"]);
	});

	test("a subprotocol that nobody offered, none at all, and one in other letters", async () => {
		await expectCause(unaskedSubprotocol(), "subprotocol-unasked");
		const { step } = await expectCause(unaskedSubprotocol("chat.v1"), "subprotocol-unasked", [
			"--subprotocol",
			"chat.v2",
		]);
		expect(step("handshake").advice[0]).toBe("The server chose chat.v1; offered: chat.v2.");
		await expectCause(unaskedSubprotocol("chat.V2"), "subprotocol-case", ["--subprotocol", "chat.v2"]);
		await expectCause(answering(switchingProtocols), "subprotocol-none", ["--subprotocol", "chat.v2"]);
		await expectHealthy((await startRawBackend(echoingFrames({ subprotocol: "chat.v2" }))).url, [
			...["--subprotocol", "chat.v1", "--subprotocol", "chat.v2"],
		]);
	});

	test("an extension that nobody offered, and one that was", async () => {
		const compressing = answering((request) =>
			switchingProtocols(request, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }),
		);
		await expectCause(compressing, "extension-unasked");
		const { url } = await startWsBackend({
			perMessageDeflate: true,
			onConnection: (socket) => socket.send("hello ".repeat(1000)),
		});
		const offer = ["-H", "Sec-WebSocket-Extensions: permessage-deflate"];
		expect((await expectHealthy(url, offer)).step("handshake").seen).toContain("permessage-deflate");
		await expectHealthy(url);
	});

	test("interim answers before the 101 are fine", async () => {
		const { url } = await startRawBackend(async (peer) => {
			const request = await readRequest(peer);
			peer.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${switchingProtocols(request)}`);
			const ping = await peer.readFrameOf(OPCODE.ping);
			peer.sendFrame(OPCODE.pong, ping.payload);
			await peer.readFrameOf(OPCODE.close);
			peer.sendClose(1000);
			peer.end();
		});
		const { step } = await expectHealthy(url);
		expect(step("answer").detail).toContain("< HTTP/1.1 101 Switching Protocols");
	});

	test("the heads are shown, without the values of headers and cookies", async () => {
		const { port } = await startRawBackend(async (peer) => {
			const request = await readRequest(peer);
			const cookie = "Set-Cookie: session=neues-geheimnis; Path=/\r\n";
			const accept = acceptFor(request.header("sec-websocket-key") ?? "");
			const rest = `Upgrade: websocket\r\nConnection: Upgrade\r\n${cookie}Sec-WebSocket-Accept: ${accept}\r\n\r\n`;
			peer.write(`HTTP/1.1 101 Switching Protocols\r\n${rest}`);
		});
		const url = `ws://127.0.0.1:${port}/ws?token=0123456789`;
		const args = ["-H", "X-Api-Key: streng-geheim", "-H", "Cookie: a=altes-geheimnis", "--timeout", "200ms"];
		const { text, step, url: shown } = await diagnose(url, args);
		expect(shown).toBe(`ws://127.0.0.1:${port}/ws?…`);
		expect(step("answer").detail).toEqual(
			expect.arrayContaining([
				"> GET /ws?… HTTP/1.1",
				"> X-Api-Key: ***",
				"> Cookie: ***",
				"< Set-Cookie: session=***",
			]),
		);
		for (const secret of ["streng-geheim", "altes-geheimnis", "neues-geheimnis", "0123456789"]) {
			expect(text).not.toContain(secret);
		}
	});
});
