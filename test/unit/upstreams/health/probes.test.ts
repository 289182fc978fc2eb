import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { PROBES, type ProbeKind } from "../../../../src/upstreams/health/index.ts";
import { compileUpstreamTls } from "../../../../src/upstreams/tls.ts";
import { certificate, temporaryFiles } from "../../../harness/certs.ts";
import { frame, OPCODE } from "../../../harness/frames.ts";
import { until, within } from "../../../harness/poll.ts";
import { closedPort } from "../../../harness/ports.ts";
import {
	accepting,
	answering,
	endAfterHead,
	readRequest,
	refusing,
	resetAfterHead,
	silent,
	startRawBackend,
	switchingProtocols,
	wrongAccept,
} from "../../../harness/raw-backend.ts";
import { listen, startWsBackend } from "../../../harness/ws-backend.ts";
import { probeSignal, target } from "./health.fixtures.ts";

const KINDS = Object.keys(PROBES) as ProbeKind[];

/** Lets a TCP server listen on a free port until the end of the test. */
async function listenRaw(server: Server): Promise<AddressInfo> {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => void server.close());
	return server.address() as AddressInfo;
}

describe.each(KINDS)("every probe: %s", (kind) => {
	const probe = PROBES[kind];

	it("fails when nobody listens", async () => {
		const url = `ws://127.0.0.1:${await closedPort()}`;
		await expect(probe(target(url), probeSignal().signal)).rejects.toThrow(/connection refused/);
	});

	it("fails at once when it is given up before the connection is there, and leaves nothing open", async () => {
		const backend = await startRawBackend(silent);
		const controller = probeSignal();
		const result = probe(target(backend.url), controller.signal);
		controller.abort();
		await expect(result).rejects.toThrow();
		await until(() => backend.openCount() === 0, { what: "no connection left at the backend" });
	});

	it("begins with the preamble, when there is one", async () => {
		let received = Buffer.alloc(0);
		const server = createTcpServer((socket) => {
			socket.on("error", () => undefined);
			socket.on("data", (chunk: Buffer) => {
				received = Buffer.concat([received, chunk]);
			});
		});
		const { port } = await listenRaw(server);
		const preamble = Buffer.from("PROXY UNKNOWN\r\n");
		void probe(target(`ws://127.0.0.1:${port}`, { preamble }), probeSignal().signal).catch(() => undefined);
		await until(() => received.length >= preamble.length, { what: "the preamble" });
		expect(received.subarray(0, preamble.length)).toEqual(preamble);
		if (kind === "tcp") return;
		await until(() => received.includes("\r\n\r\n"), { what: "the request" });
		expect(received.subarray(preamble.length).toString()).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
	});

	it("reaches a unix socket", async () => {
		const { dir } = await temporaryFiles({});
		const path = join(dir, "backend.sock");
		const server = createServer((_, response) => response.end("ok"));
		const webSockets = new WebSocketServer({ server });
		server.listen(path);
		await once(server, "listening");
		onTestFinished(() => {
			for (const socket of webSockets.clients) socket.terminate();
			server.closeAllConnections();
			server.close();
		});
		await expect(probe(target(`ws+unix:${path}`), probeSignal().signal)).resolves.toBeTypeOf("string");
		await expect(probe(target(`ws+unix:${path}x`), probeSignal().signal)).rejects.toThrow(/no such socket file/);
	});

	it("speaks TLS with the upstream's options and does not trust everybody", async () => {
		const { cert, key } = await certificate(["localhost"]);
		const files = await temporaryFiles({ "ca.pem": cert });
		const server = createTlsServer({ cert, key }, (_, response) => response.end("ok"));
		const webSockets = new WebSocketServer({ server });
		const { port } = await listen(server, () => {
			for (const socket of webSockets.clients) socket.terminate();
		});
		const tls = compileUpstreamTls({ ca: files["ca.pem"], server_name: "localhost", verify: true }, () =>
			Buffer.from(cert),
		);
		const url = `wss://127.0.0.1:${port}`;
		await expect(probe(target(url, { tls }), probeSignal().signal)).resolves.toBeTypeOf("string");
		await expect(probe(target(url), probeSignal().signal)).rejects.toThrow(/^[^:]+:\d+: TLS: .*self-signed/);
	});
});

describe.each(["http", "websocket"] as const)("%s", (kind) => {
	const probe = PROBES[kind];

	it.each([
		["resets the connection", resetAfterHead, /reset/],
		["closes the connection", endAfterHead, /closed/],
		["speaks another protocol", answering("SSH-2.0-OpenSSH_9.2\r\n\r\n"), /not an HTTP\/1\.1 answer/],
		["answers 500", refusing(500), /^status 500$/],
	])("fails when the backend %s", async (_, script, reason) => {
		const backend = await startRawBackend(script);
		await expect(probe(target(backend.url), probeSignal().signal)).rejects.toThrow(reason);
		await until(() => backend.openCount() === 0, { what: "no connection left at the backend" });
	});

	it("asks with the host and headers of the options", async () => {
		const backend = await startRawBackend(kind === "http" ? refusing(200) : accepting());
		const headers = { Authorization: "Bearer probe", "User-Agent": "mine" };
		await probe(target(backend.url, { host: "app.example", headers, path: "/up" }), probeSignal().signal);
		const { request } = await backend.connection();
		expect([request?.raw.split("\r\n")[0], request?.all("host"), request?.all("user-agent")]).toEqual([
			"GET /up HTTP/1.1",
			["app.example"],
			["mine"],
		]);
		expect(request?.header("authorization")).toBe("Bearer probe");
	});

	it("waits for a silent backend until it is given up", async () => {
		const backend = await startRawBackend(silent);
		const controller = probeSignal();
		const result = probe(target(backend.url), controller.signal);
		const connection = await backend.connection();
		await until(() => connection.request, { what: "the request" });
		controller.abort();
		await expect(result).rejects.toThrow();
		await until(() => backend.openCount() === 0, { what: "no connection left at the backend" });
	});

	it("asks for its path, with the endpoint's authority as Host and a name of its own", async () => {
		const backend = await startRawBackend(refusing(404));
		await expect(probe(target(backend.url, { path: "/health?deep=1" }), probeSignal().signal)).rejects.toThrow();
		const { request } = await backend.connection(0);
		expect(request?.startLine).toBe("GET /health?deep=1 HTTP/1.1");
		expect(request?.all("host")).toEqual([backend.id]);
		expect(request?.header("user-agent")).toBe("clawgate-health-check");
	});
});

describe("tcp", () => {
	it("is content with a server that never says anything, and hangs up with FIN", async () => {
		const endings: string[] = [];
		const server = createTcpServer((socket) => {
			socket.on("error", ({ message }) => endings.push(message));
			socket.on("end", () => endings.push("FIN")).resume();
		});
		const { port } = await listenRaw(server);
		const url = `ws://127.0.0.1:${port}`;
		expect(await PROBES.tcp(target(url), probeSignal().signal)).toBe("connected");
		await until(() => endings.length > 0, { what: "the end of the connection" });
		expect(endings).toEqual(["FIN"]);
	});

	it("does not wait for a server that keeps its side open, but lets go of it in the end", async () => {
		const backend = await startRawBackend(() => {});
		const controller = probeSignal();
		await PROBES.tcp(target(backend.url), controller.signal);
		const connection = await backend.connection();
		await until(() => connection.ending === "fin", { what: "FIN at the backend" });
		controller.abort();
		// Bytes for a connection that nobody has any more are answered with a reset.
		connection.write("x");
		await until(
			() => {
				connection.write("x");
				return connection.ending === "reset" || connection.closed;
			},
			{ what: "a reset" },
		);
	});
});

describe("http", () => {
	const ask = (url: string, expectedStatuses = [200]) =>
		PROBES.http(target(url, { expectedStatuses }), probeSignal().signal);

	it("takes the expected statuses only, and does not follow a redirect", async () => {
		const backend = await startWsBackend({
			onRequest: (request, response) => response.writeHead(302, { Location: `${request.url}x` }).end(),
		});
		await expect(ask(backend.url)).rejects.toThrow(/^status 302$/);
		expect(await ask(backend.url, [200, 302])).toBe("status 302");
	});

	it("sends a plain GET and reads the answer to its end", async () => {
		const seen: IncomingMessage[] = [];
		const finished: Promise<unknown>[] = [];
		const backend = await startWsBackend({
			onRequest: (request, response) => {
				seen.push(request);
				finished.push(once(response, "finish"));
				response.write("a".repeat(20_000));
				setImmediate(() => response.end("b".repeat(20_000)));
			},
		});
		expect(await ask(backend.url)).toBe("status 200");
		await within(Promise.all(finished), { what: "the whole answer to be taken" });
		expect(seen.map(({ method, url, httpVersion }) => [method, url, httpVersion])).toEqual([["GET", "/", "1.1"]]);
		expect(seen[0]?.headers.connection).toBe("close");
	});

	it("does not read a body without end", async () => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\n\r\n");
			while (!peer.closed) {
				peer.write(Buffer.alloc(10_000));
				await new Promise(setImmediate);
			}
		});
		expect(await ask(backend.url)).toBe("status 200");
		const connection = await backend.connection();
		await until(() => connection.closed, { what: "the connection to be cut" });
	});

	it("goes by the head when the body breaks off", async () => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
			peer.end();
		});
		expect(await ask(backend.url)).toBe("status 200");
	});
});

describe("websocket", () => {
	const shake = (url: string, controller = probeSignal()) => PROBES.websocket(target(url), controller.signal);

	it("makes a real handshake and closes it with 1000, so that the backend sees nothing unusual", async () => {
		const ends: { code: number; error?: string }[] = [];
		const backend = await startWsBackend({
			onConnection: (socket) => {
				let error: string | undefined;
				socket.on("error", ({ message }) => {
					error = message;
				});
				socket.on("close", (code) => ends.push({ code, ...(error === undefined ? {} : { error }) }));
				socket.send("welcome");
				socket.ping();
			},
		});
		expect(await shake(backend.url)).toBe("the handshake was accepted");
		await until(() => ends.length > 0, { what: "the connection to be closed" });
		expect(ends).toEqual([{ code: 1000 }]);
	});

	it("has a fresh key every time", async () => {
		const backend = await startWsBackend();
		for (let i = 0; i < 3; i++) await shake(backend.url);
		await until(() => backend.requests.length === 3, { what: "three handshakes" });
		const keys = backend.requests.map(({ headers }) => String(headers["sec-websocket-key"]));
		expect(new Set(keys).size).toBe(3);
		for (const key of keys) expect(Buffer.from(key, "base64")).toHaveLength(16);
	});

	it("sends a masked Close, waits for the answer behind other frames, then ends with FIN", async () => {
		let answered = false;
		// Payloads full of what a Close frame begins with; the first one comes half with the 101.
		const welcome = frame(OPCODE.binary, Buffer.alloc(200, 0x88));
		const backend = await startRawBackend(
			accepting({ early: welcome.subarray(0, 50) }, async (peer) => {
				expect(await peer.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1000, masked: true });
				peer.write(welcome.subarray(50));
				peer.sendFrame(OPCODE.binary, Buffer.alloc(70_000, 0x88));
				await new Promise((resolve) => setTimeout(resolve, 50));
				expect(peer.ending).toBe("open");
				answered = true;
				peer.sendClose(1000);
			}),
		);
		await shake(backend.url);
		const connection = await backend.connection();
		await until(() => connection.ending !== "open" || connection.closed, { what: "the end" });
		expect([answered, connection.ending]).toEqual([true, "fin"]);
	});

	it("offers the subprotocol of the options, and does not mind which one is chosen", async () => {
		const backend = await startRawBackend(accepting({ subprotocol: "other" }));
		const signal = probeSignal().signal;
		await PROBES.websocket(target(backend.url, { subprotocol: "chat.v2" }), signal);
		expect((await backend.connection()).request?.header("sec-websocket-protocol")).toBe("chat.v2");
	});

	it("ends with a backend that ends without answering the Close", async () => {
		const backend = await startRawBackend(
			accepting({}, async (peer) => {
				await peer.readFrame();
				peer.end();
			}),
		);
		await shake(backend.url);
		const connection = await backend.connection();
		await until(() => connection.ending === "fin", { what: "FIN at the backend" });
	});

	it("lets go of a backend that never answers the Close", async () => {
		const backend = await startRawBackend(accepting());
		const controller = probeSignal();
		await shake(backend.url, controller);
		const connection = await backend.connection();
		await until(() => connection.after.length > 0, { what: "the Close" });
		expect(backend.openCount()).toBe(1);
		controller.abort();
		await until(() => backend.openCount() === 0, { what: "the connection to be given up" });
	});

	it.each([
		["a wrong Accept", wrongAccept, /Sec-WebSocket-Accept/],
		[
			"an extension",
			answering((request) => switchingProtocols(request, { headers: { "Sec-WebSocket-Extensions": "x-mux" } })),
			/extension/,
		],
		["200", answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), /^status 200$/],
	])("is not content with %s", async (_, script, reason) => {
		const backend = await startRawBackend(script);
		await expect(shake(backend.url)).rejects.toThrow(reason);
		await until(() => backend.openCount() === 0, { what: "no connection left at the backend" });
	});
});
