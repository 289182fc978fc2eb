import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import type { GatewayError } from "../../src/errors.ts";
import { OFF } from "../../src/options.ts";
import { type Accepted, type DialOptions, dial, type Refused } from "../../src/upstreams/dial.ts";
import { type EndpointAddress, parseEndpointUrl } from "../../src/upstreams/endpoint.ts";
import { socketErrorWords } from "../../src/upstreams/failure.ts";
import { ignoreSocketError } from "../../src/upstreams/socket.ts";
import { compileUpstreamTls, upstreamTlsOptions } from "../../src/upstreams/tls.ts";
import { type Certificate, certificate, temporaryFiles } from "../harness/certs.ts";
import { startNode } from "../harness/child.ts";
import { until, within } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import {
	accepting,
	acceptingSlowly,
	answering,
	endAfterHead,
	missingUpgrade,
	readRequest,
	refusing,
	resetAfterHead,
	resetOnAccept,
	type Script,
	silent,
	startRawBackend,
	switchingProtocols,
	wrongAccept,
} from "../harness/raw-backend.ts";

function addressOf(url: string): EndpointAddress {
	return parseEndpointUrl(url) as EndpointAddress;
}

/** Options of a dial whose head asks for `subprotocols`. */
function options(url: string, changes: Partial<DialOptions> = {}): DialOptions {
	const key = randomBytes(16).toString("base64");
	return {
		address: addressOf(url),
		key,
		offered: ["chat"],
		head: `GET /x HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nX: \xe9\r\n\r\n`,
		connectTimeout: 5_000,
		handshakeTimeout: 5_000,
		signal: new AbortController().signal,
		...changes,
	};
}

async function accepted(url: string, changes?: Partial<DialOptions>): Promise<Accepted> {
	const result = await dial(options(url, changes));
	if (result.kind !== "accepted") throw new Error(`refused with ${result.status}`);
	onTestFinished(() => void result.socket.destroy());
	return result;
}

async function refused(url: string, changes?: Partial<DialOptions>): Promise<Refused> {
	const result = await dial(options(url, changes));
	if (result.kind !== "refused") throw new Error("accepted");
	return result;
}

async function failed(url: string, changes?: Partial<DialOptions>): Promise<GatewayError> {
	const outcome = await within(
		dial(options(url, changes)).then(
			(result) => result,
			(error: GatewayError) => error,
		),
		{ what: "the dial to fail" },
	);
	if ("kind" in outcome) throw new Error(`expected a failure, got: ${outcome.kind}`);
	return outcome;
}

/** Listens with TLS; closed at the end of the test. */
async function startTls(tls: TlsOptions, onSocket: (socket: TLSSocket) => void): Promise<Server> {
	const open = new Set<Socket>();
	const server = createTlsServer(tls, onSocket);
	server.on("tlsClientError", () => {});
	server.on("connection", (socket: Socket) => {
		open.add(socket.on("error", () => {}));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => {
		for (const socket of open) socket.destroy();
		server.close();
	});
	return server;
}

describe("a backend that accepts", () => {
	it("gives a paused socket with one listener, its headers and the time to connect", async () => {
		const backend = await startRawBackend(accepting({ subprotocol: "chat", headers: { "X-Backend": "b1" } }));
		const { socket, early, rawHeaders, subprotocol, connectMs } = await accepted(backend.url);
		expect(subprotocol).toBe("chat");
		expect(rawHeaders.slice(-2)).toEqual(["X-Backend", "b1"]);
		expect(early).toHaveLength(0);
		expect(connectMs).toBeGreaterThan(0);
		expect(socket.isPaused()).toBe(true);
		expect(socket.allowHalfOpen).toBe(true);
		expect(socket.listeners("error")).toEqual([ignoreSocketError]);
		for (const event of ["data", "connect", "close", "session", "timeout", "readable"]) {
			expect(socket.listenerCount(event), event).toBe(0);
		}
	});

	it("is sent the head byte for byte", async () => {
		const backend = await startRawBackend(accepting());
		const dialled = options(backend.url);
		const result = await dial(dialled);
		if (result.kind === "accepted") result.socket.destroy();
		const peer = await backend.connection();
		expect(peer.request?.raw).toBe(dialled.head);
	});

	it("loses no byte that comes with its answer or later, before anybody reads", async () => {
		const tail = randomBytes(300_000);
		const backend = await startRawBackend(
			accepting({ early: Buffer.from("early") }, (peer) => {
				peer.write(tail);
				peer.end();
			}),
		);
		const { socket, early } = await accepted(backend.url);
		await until(() => socket.readableLength > 0, { what: "bytes in the socket" });
		const chunks = [early];
		socket.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
		await within(once(socket, "end"), { what: "FIN" });
		expect(Buffer.concat(chunks).equals(Buffer.concat([Buffer.from("early"), tail]))).toBe(true);
	});

	it("can half-close with its answer and still be written to", async () => {
		const backend = await startRawBackend(
			accepting({ early: Buffer.from("bye") }, (peer) => {
				peer.end();
			}),
		);
		const { socket } = await accepted(backend.url);
		socket.resume();
		await within(once(socket, "end"), { what: "FIN" });
		socket.end("late");
		const peer = await backend.connection();
		await until(() => peer.after.toString() === "late", { what: "the late bytes" });
	});

	it("may answer one byte at a time", async () => {
		const backend = await startRawBackend(acceptingSlowly());
		expect((await accepted(backend.url)).kind).toBe("accepted");
	});

	it("may have further tokens in Connection", async () => {
		const backend = await startRawBackend(
			answering((request) =>
				switchingProtocols(request).replace("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
			),
		);
		expect((await accepted(backend.url)).kind).toBe("accepted");
	});

	it("may use an extension that was offered", async () => {
		const backend = await startRawBackend(accepting({ headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }));
		expect((await accepted(backend.url, { extensions: "permessage-deflate; x=1" })).kind).toBe("accepted");
		expect(await failed(backend.url)).toMatchObject({ code: "BAD_BACKEND_HANDSHAKE", retry: "bad_handshake" });
	});

	it("may reset the accepted connection without harm to the process", async () => {
		const backend = await startRawBackend(
			accepting({}, async (peer) => {
				await peer.read(2);
				peer.reset();
			}),
		);
		const { socket } = await accepted(backend.url);
		socket.write("go");
		socket.resume();
		await until(() => socket.destroyed, { what: "the reset" });
	});

	it("can listen on a unix socket", async () => {
		const { dir } = await temporaryFiles({});
		const path = join(dir, "backend.sock");
		const server = createServer((socket) => {
			socket.once("data", (data: Buffer) => {
				const key = /Sec-WebSocket-Key: (.*)\r/.exec(data.toString())?.[1] ?? "";
				socket.write(switchingProtocols({ header: () => key } as never));
			});
		});
		server.listen(path);
		await once(server, "listening");
		onTestFinished(() => void server.close());
		expect((await accepted(`ws+unix:${path}`)).kind).toBe("accepted");
	});

	it("is sent the preamble before anything else", async () => {
		const backend = await startRawBackend(async (peer) => {
			await peer.read(5);
			peer.write(switchingProtocols(await readRequest(peer)));
		});
		await accepted(backend.url, { preamble: Buffer.from("PROXY") });
		expect((await backend.connection()).all.toString("latin1")).toMatch(/^PROXYGET /);
	});
});

describe("a backend that refuses", () => {
	it("is relayed with status, end-to-end headers and body, and its connection is closed", async () => {
		const backend = await startRawBackend(refusing(403, { body: "not you", headers: { "X-Why": "policy" } }));
		const { status, statusText, rawHeaders, body } = await refused(backend.url);
		expect({ status, statusText, body: body.toString() }).toEqual({
			status: 403,
			statusText: "Refused",
			body: "not you",
		});
		expect(rawHeaders).toEqual(["X-Why", "policy", "Content-Length", "7"]);
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("has its connection closed even when it would keep it alive", async () => {
		const backend = await startRawBackend(
			answering("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
		);
		expect((await refused(backend.url)).rawHeaders).toEqual(["Retry-After", "7", "Content-Length", "0"]);
		await (await backend.connection()).ended();
	});

	it.each([
		["stalls", answering("HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\npart")],
		[
			"is reset",
			(async (peer) => {
				await readRequest(peer);
				peer.write("HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\npart");
				await new Promise((resolve) => setTimeout(resolve, 50));
				peer.reset();
			}) satisfies Script,
		],
	])("stays a refusal when its body %s", async (_, script) => {
		const backend = await startRawBackend(script);
		const result = await refused(backend.url, { handshakeTimeout: 300 });
		expect(result).toMatchObject({ status: 401, rawHeaders: ["Content-Length", "4"] });
		expect(result.body.toString()).toBe("part");
	});
});

describe("a backend that cannot be reached", () => {
	it("fails the connect in words, with the endpoint's name", async () => {
		const port = await closedPort();
		const error = await failed(`ws://127.0.0.1:${port}`);
		expect(error).toMatchObject({ code: "CONNECT_FAILED", retry: "connect_failure" });
		expect(error.message).toMatch(new RegExp(`^127\\.0\\.0\\.1:${port}: connection refused`));
	});

	it("fails on a socket file that is not there", async () => {
		const error = await failed("ws+unix:/nonexistent/backend.sock");
		expect(error).toMatchObject({ code: "CONNECT_FAILED", retry: "connect_failure" });
		expect(error.message).toBe("/nonexistent/backend.sock: there is no such socket file");
	});

	it("fails when it takes no connection within the connect timeout", async () => {
		// A process that listens with a short queue and never accepts.
		const child = startNode([
			"-e",
			`const s = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
				require("node:fs").writeSync(1, s.address().port + "\\n");
				Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
			})`,
		]);
		const port = Number(await until(() => child.stdout(), { what: "a port" }));
		const outcomes = await Promise.all(
			Array.from({ length: 6 }, () => failed(`ws://127.0.0.1:${port}`, { connectTimeout: 200, handshakeTimeout: 400 })),
		);
		expect(outcomes.map(({ code }) => code)).toContain("CONNECT_TIMEOUT");
		const late = outcomes.find(({ code }) => code === "CONNECT_TIMEOUT") as GatewayError;
		expect(late.retry).toBe("connect_failure");
		expect(late.message).toBe(`127.0.0.1:${port}: no connection within 200 ms`);
	});

	it("is described without internals", () => {
		const error = (code: string) => Object.assign(new Error("connect X 10.1.2.3:80"), { code });
		expect(socketErrorWords(error("ENOTFOUND"))).toMatch(/host not found/);
		expect(socketErrorWords(new AggregateError([error("ECONNREFUSED"), error("ENETUNREACH")]))).toMatch(/refused/);
		expect(socketErrorWords(error("ESOMETHING"))).toBe("ESOMETHING");
		expect(socketErrorWords(new Error("text"))).toBe("unknown error");
	});
});

describe("a backend that misbehaves", () => {
	it.each([
		["resets after the head", resetAfterHead],
		["closes after the head", endAfterHead],
		["sends a wrong Accept", wrongAccept],
		["forgets Upgrade", missingUpgrade],
		["speaks another protocol", answering("SSH-2.0-OpenSSH_9.2\r\n")],
		["sends half an answer and closes", answering("HTTP/1.1 101 Switching"), "end"],
		["sends both framings", answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")],
	] as [string, Script, string?][])("fails the handshake when it %s", async (_, script, then) => {
		const backend = await startRawBackend(async (peer, index) => {
			await script(peer, index);
			if (then) peer.end();
		});
		const error = await failed(backend.url);
		expect(error).toMatchObject({ code: "BAD_BACKEND_HANDSHAKE", retry: "bad_handshake" });
		expect(error.message).toMatch(new RegExp(`^${backend.id}: `));
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("may be tried elsewhere when it resets on accept, whether or not the connection counted as made by then", async () => {
		const backend = await startRawBackend(resetOnAccept);
		const error = await failed(backend.url);
		expect(["CONNECT_FAILED connect_failure", "BAD_BACKEND_HANDSHAKE bad_handshake"]).toContain(
			`${error.code} ${error.retry}`,
		);
	});

	it.each([
		["is silent", silent],
		["sends its answer too slowly", acceptingSlowly(50)],
	])("runs into the handshake timeout when it %s", async (_, script) => {
		const backend = await startRawBackend(script);
		const started = performance.now();
		const error = await failed(backend.url, { handshakeTimeout: 150 });
		expect(error).toMatchObject({ code: "HANDSHAKE_TIMEOUT", retry: "handshake_timeout" });
		expect(error.message).toBe(`${backend.id}: no answer within 150 ms`);
		expect(performance.now() - started).toBeGreaterThanOrEqual(149);
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("does not wait when it sends more headers than allowed", async () => {
		const backend = await startRawBackend(answering(`HTTP/1.1 101 X\r\n${"A: b\r\n".repeat(20_000)}`));
		expect(await failed(backend.url)).toMatchObject({ code: "BAD_BACKEND_HANDSHAKE" });
	});
});

describe("a client that leaves", () => {
	it("before the dial: nothing is dialled", async () => {
		const backend = await startRawBackend(accepting());
		expect(await failed(backend.url, { signal: AbortSignal.abort() })).toMatchObject({ code: "CLIENT_GONE" });
		expect(backend.connections).toHaveLength(0);
	});

	it("while connecting: the attempt is given up at once", async () => {
		const backend = await startRawBackend(accepting());
		const gone = new AbortController();
		const failure = failed(backend.url, { signal: gone.signal });
		gone.abort();
		expect(await failure).toMatchObject({ code: "CLIENT_GONE", retry: undefined });
		await until(() => backend.openCount() === 0, { what: "no connection at the backend" });
	});

	it("while the backend thinks: its connection is closed", async () => {
		const backend = await startRawBackend(silent);
		const gone = new AbortController();
		const failure = failed(backend.url, { signal: gone.signal, handshakeTimeout: 15_000 });
		const peer = await backend.connection();
		await until(() => peer.request, { what: "the request at the backend" });
		gone.abort();
		expect(await failure).toMatchObject({ code: "CLIENT_GONE" });
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("after the answer: nothing happens to the socket any more", async () => {
		const backend = await startRawBackend(accepting());
		const gone = new AbortController();
		const { socket } = await accepted(backend.url, { signal: gone.signal });
		gone.abort();
		expect(socket.destroyed).toBe(false);
	});
});

it("no timer stays behind, and OFF needs none", async () => {
	const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
	const backend = await startRawBackend(accepting());
	const refusingBackend = await startRawBackend(refusing(403));
	const before = timers();
	await accepted(backend.url, { connectTimeout: 60_000, handshakeTimeout: 60_000 });
	await accepted(backend.url, { connectTimeout: OFF, handshakeTimeout: OFF });
	await accepted(backend.url, { connectTimeout: 2 ** 40, handshakeTimeout: 2 ** 40 });
	await refused(refusingBackend.url, { handshakeTimeout: 60_000 });
	await failed(`ws://127.0.0.1:${await closedPort()}`, { handshakeTimeout: 60_000 });
	await until(() => timers() <= before, { what: "every timer to be cleared" });
});

describe("TLS", () => {
	const compile = (files: Record<string, string>, config: object = {}) =>
		compileUpstreamTls(upstreamTlsOptions.parse(config), (path) => Buffer.from(files[path] ?? ""));
	const authority = () => certificate(["ca.test"], { isCa: true });
	const withPort = (port: number, host = "127.0.0.1") => `wss://${host}:${port}`;
	async function backendWith(own: Certificate) {
		return startRawBackend(accepting({ early: Buffer.from("hi") }), { tls: { cert: own.cert, key: own.key } });
	}

	it("verifies against the given authority and carries the handshake", async () => {
		const ca = await authority();
		const backend = await backendWith(await certificate(["127.0.0.1", "localhost"], { ca }));
		const tls = compile({ "ca.pem": ca.cert }, { ca: "ca.pem" });
		const { socket, early } = await accepted(backend.url, { tls });
		expect((socket as TLSSocket).encrypted).toBe(true);
		expect(socket.allowHalfOpen).toBe(true);
		expect(early.toString()).toBe("hi");
		expect(socket.listeners("error")).toContain(ignoreSocketError);
	});

	it("asks for the host's name by SNI, or for server_name, and for nothing when the host is an address", async () => {
		const ca = await authority();
		const own = await certificate(["localhost", "chat.internal", "127.0.0.1"], { ca });
		const names: (string | false | null)[] = [];
		const server = await startTls({ cert: own.cert, key: own.key, ALPNProtocols: ["http/1.1"] }, (socket) => {
			names.push(socket.servername, socket.alpnProtocol);
			socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
		});
		const { port } = server.address() as { port: number };
		const files = { "ca.pem": ca.cert };
		await refused(withPort(port, "localhost"), { tls: compile(files, { ca: "ca.pem" }) });
		await refused(withPort(port), { tls: compile(files, { ca: "ca.pem", server_name: "chat.internal" }) });
		await refused(withPort(port), { tls: compile(files, { ca: "ca.pem" }) });
		expect(names).toEqual(["localhost", "http/1.1", "chat.internal", "http/1.1", false, "http/1.1"]);
	});

	it("resumes the session of an earlier connection", async () => {
		const ca = await authority();
		const own = await certificate(["127.0.0.1"], { ca });
		const reused: boolean[] = [];
		const server = await startTls({ cert: own.cert, key: own.key }, (socket) => {
			reused.push(socket.isSessionReused());
			socket.once("data", () => socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
		});
		const { port } = server.address() as { port: number };
		const tls = compile({ "ca.pem": ca.cert }, { ca: "ca.pem" });
		await refused(withPort(port), { tls });
		await refused(withPort(port), { tls });
		expect(reused).toEqual([false, true]);
	});

	it.each([
		["has expired", { notBefore: new Date(0), notAfter: new Date(1e9) }, ["127.0.0.1"], /certificate has expired/],
		["is for another name", {}, ["other.test"], /for another name; set tls\.server_name/],
	] as const)("refuses a certificate that %s", async (_, dates, names, message) => {
		const ca = await authority();
		const backend = await backendWith(await certificate([...names] as [string], { ca, ...dates }));
		const error = await failed(backend.url, { tls: compile({ "ca.pem": ca.cert }, { ca: "ca.pem" }) });
		expect(error).toMatchObject({ code: "CONNECT_FAILED", retry: "connect_failure" });
		expect(error.message).toMatch(message);
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("refuses an unknown authority, unless nothing is verified", async () => {
		const backend = await backendWith(await certificate(["127.0.0.1"]));
		expect((await failed(backend.url)).message).toMatch(/TLS: .* set tls\.ca/);
		expect((await accepted(backend.url, { tls: compile({}, { verify: false }) })).kind).toBe("accepted");
	});

	it("says so when the backend does not speak TLS there", async () => {
		const backend = await startRawBackend((peer) => peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
		const error = await failed(backend.url.replace("ws:", "wss:"));
		expect(error).toMatchObject({ code: "CONNECT_FAILED", retry: "connect_failure" });
		expect(error.message).toMatch(/does not speak TLS/);
	});

	it("is part of what the handshake timeout covers", async () => {
		const backend = await startRawBackend(() => {});
		const error = await failed(backend.url.replace("ws:", "wss:"), { connectTimeout: 50, handshakeTimeout: 150 });
		expect(error).toMatchObject({ code: "HANDSHAKE_TIMEOUT", retry: "handshake_timeout" });
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("shows a client certificate, and says so when the backend wants another", async () => {
		const ca = await authority();
		const own = await certificate(["127.0.0.1"], { ca });
		const gateway = await certificate(["gateway.test"], { ca });
		const server = await startTls({ cert: own.cert, key: own.key, ca: ca.cert, requestCert: true }, (socket) => {
			socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
		});
		const { port } = server.address() as { port: number };
		const files = { "ca.pem": ca.cert, "gw.pem": gateway.cert, "gw.key": gateway.key };
		const tls = compile(files, { ca: "ca.pem", cert: "gw.pem", key: "gw.key" });
		expect((await refused(withPort(port), { tls })).status).toBe(403);
		const error = await failed(withPort(port), { tls: compile(files, { ca: "ca.pem" }) });
		expect(error).toMatchObject({ code: "CONNECT_FAILED" });
		expect(error.message).toMatch(/TLS: /);
	});

	it("comes after the preamble on the wire", async () => {
		const ca = await authority();
		const own = await certificate(["127.0.0.1"], { ca });
		const tlsServer = await startTls({ cert: own.cert, key: own.key }, (socket) => {
			socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
		});
		const seen: string[] = [];
		const server = createServer((socket) => {
			socket.on("error", () => {});
			socket.once("readable", () => {
				seen.push(String(socket.read(5)));
				tlsServer.emit("connection", socket);
			});
		});
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		onTestFinished(() => void server.close());
		const { port } = server.address() as { port: number };
		const tls = compile({ "ca.pem": ca.cert }, { ca: "ca.pem" });
		expect((await refused(withPort(port), { tls, preamble: Buffer.from("PROXY") })).status).toBe(403);
		expect(seen).toEqual(["PROXY"]);
	});

	it("names the key whose file cannot be used", async () => {
		const own = await certificate(["a.test"]);
		const other = await certificate(["b.test"]);
		const files = { "a.pem": own.cert, "b.key": other.key, junk: "junk" };
		expect(() => compile(files, { cert: "junk", key: "b.key" })).toThrow(/^tls\.cert: junk cannot be used/);
		expect(() => compile(files, { cert: "a.pem", key: "b.key" })).toThrow(/^tls\.key: b\.key cannot be used/);
		expect(() =>
			compileUpstreamTls(upstreamTlsOptions.parse({ ca: "/nonexistent/ca.pem" }), (path) => readFileSync(path)),
		).toThrow(/^tls\.ca: \/nonexistent\/ca\.pem cannot be used/);
		expect(upstreamTlsOptions.safeParse({ insecure: true }).success).toBe(false);
	});
});
