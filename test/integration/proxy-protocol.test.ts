import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ProxyVersion, proxyHeader } from "../../src/protocol/proxy-protocol-header.ts";
import { certificate, temporaryFiles } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import {
	accepting,
	type BackendPeer,
	echoingFrames,
	readRequest,
	startRawBackend,
	switchingProtocols,
} from "../harness/raw-backend.ts";
import { connectRaw, RawClient } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

const CLIENT = { sourceIp: "203.0.113.7", sourcePort: 4711, destinationIp: "198.51.100.1", destinationPort: 8443 };

interface Options {
	listener?: string;
	upstream?: string;
	top?: string;
}

function startGateway(url: string, { listener = "", upstream = "", top = "" }: Options = {}): Promise<TestGateway> {
	return startTestGateway(`
		listeners: [{ name: in, address: "127.0.0.1:0"${listener} }]
		${top}
		upstreams: { b: { endpoints: ["${url}"]${upstream} } }
		routes: [{ match: { path_prefix: / }, upstream: b, timeouts: { close: 1s } }]
	`);
}

const TRUSTED = ", proxy_protocol: { trusted: [127.0.0.1] }";

/** Connects, sends a PROXY header, then speaks TLS. */
async function connectTlsBehind(port: number, header: Buffer): Promise<RawClient> {
	const tcp = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
	tcp.on("error", () => {});
	onTestFinished(() => void tcp.destroy());
	await once(tcp, "connect");
	tcp.write(header);
	const socket = connectTls({ socket: tcp, rejectUnauthorized: false });
	const client = new RawClient(socket, tcp);
	await within(once(socket, "secureConnect"), { what: "the TLS handshake" });
	return client;
}

describe("a PROXY header from a trusted peer", () => {
	it.each<ProxyVersion>(["v1", "v2"])("says who the client is (%s)", async (version) => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const client = await connectRaw({ port: gateway.port });
		client.write(proxyHeader(version, CLIENT));
		await client.open("/x");
		client.sendFrame(OPCODE.text, "hello");
		expect((await client.readFrame()).text).toBe("hello");
		const { request } = await backend.connection();
		expect(request?.header("x-forwarded-for")).toBe("203.0.113.7");
		expect(request?.header("x-real-ip")).toBe("203.0.113.7");
		expect(request?.header("x-forwarded-port")).toBe("8443");
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ client_ip: "203.0.113.7", peer_ip: "127.0.0.1" });
		client.sendClose(1000);
		await gateway.waitForLog("ws.close");
		client.end();
		await gateway.expectQuiet();
	});

	it("may come in one segment with the request and early frames, or byte by byte", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const once = await connectRaw({ port: gateway.port });
		once.write(Buffer.concat([proxyHeader("v2", CLIENT), Buffer.from(once.handshakeHead("/once"))]));
		expect((await once.readHead()).status).toBe(101);
		const slow = await connectRaw({ port: gateway.port });
		await slow.writeSlowly(proxyHeader("v2", { ...CLIENT, sourceIp: "2001:db8::7", destinationIp: "2001:db8::1" }));
		await slow.open("/slow");
		expect(gateway.lines.of("ws.open").map(({ path, client_ip }) => [path, client_ip])).toEqual([
			["/once", "203.0.113.7"],
			["/slow", "2001:db8::7"],
		]);
	});

	it("stands before TLS", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: `${TRUSTED}, tls: { self_signed: [localhost] }` });
		const client = await connectTlsBehind(gateway.port, proxyHeader("v2", CLIENT));
		await client.open("/x");
		client.sendFrame(OPCODE.text, "hello");
		expect((await client.readFrame()).text).toBe("hello");
		expect(await gateway.waitForLog("ws.open")).toMatchObject({
			client_ip: "203.0.113.7",
			peer_ip: "127.0.0.1",
			tls_version: "TLSv1.3",
		});
		expect((await backend.connection()).request?.header("x-forwarded-proto")).toBe("https");
		client.reset();
	});

	it("stands before plain HTTP and holds for every request of the connection", async () => {
		const backend = await startRawBackend(async (peer) => {
			for (;;) {
				const request = await readRequest(peer);
				const body = request.header("x-forwarded-for") ?? "";
				peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
			}
		});
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const client = await connectRaw({ port: gateway.port });
		client.write(proxyHeader("v1", CLIENT));
		for (let i = 0; i < 3; i++) {
			client.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
			expect(await client.readBody(await client.readHead())).toBe("203.0.113.7");
		}
		expect(gateway.lines.of("http.request").map(({ client_ip }) => client_ip)).toEqual(Array(3).fill("203.0.113.7"));
	});

	it("names the peer that trusted_proxies is about", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED, top: "trusted_proxies: [203.0.113.0/24]" });
		const headers = { "X-Forwarded-For": "192.0.2.99" };
		const behind = await connectRaw({ port: gateway.port });
		behind.write(proxyHeader("v2", CLIENT));
		await behind.open("/behind", { headers });
		const stranger = await connectRaw({ port: gateway.port });
		stranger.write(proxyHeader("v2", { ...CLIENT, sourceIp: "198.51.100.66" }));
		await stranger.open("/stranger", { headers });
		expect(gateway.lines.of("ws.open").map(({ client_ip }) => client_ip)).toEqual(["192.0.2.99", "198.51.100.66"]);
		expect((await backend.connection(0)).request?.header("x-forwarded-for")).toBe("192.0.2.99, 203.0.113.7");
	});

	it.each([
		["LOCAL", Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex")],
		["UNKNOWN", Buffer.from("PROXY UNKNOWN\r\n")],
	])("that says %s leaves the connection's own address", async (_, header) => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const client = await connectRaw({ port: gateway.port });
		client.write(header);
		await client.open();
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ client_ip: "127.0.0.1", peer_ip: "127.0.0.1" });
	});
});

describe("a trusted peer", () => {
	it("without a header gets 400, and one line says why", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const client = await connectRaw({ port: gateway.port });
		await expectRejection(client, await client.handshake(), 400, "PROXY_HEADER_INVALID");
		expect(await gateway.waitForLog("ws.reject")).toMatchObject({
			code: "PROXY_HEADER_INVALID",
			message: "PROXY protocol header: there is none",
			peer_ip: "127.0.0.1",
		});
		expect(backend.connections).toHaveLength(0);
		client.end();
		await gateway.expectQuiet();
	});

	it("that speaks TLS at once is cut off", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: `${TRUSTED}, tls: { self_signed: [localhost] }` });
		await expect(connectRaw({ port: gateway.port, tls: true })).rejects.toThrow();
		expect(await gateway.waitForLog("ws.reject")).toMatchObject({ code: "PROXY_HEADER_INVALID" });
		await gateway.expectQuiet();
	});

	it("has request_headers of time for it and then gets 408; a silent connection is closed without a word or a line", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: `${TRUSTED}, timeouts: { request_headers: 300ms }` });
		const silent = await connectRaw({ port: gateway.port });
		const slow = await connectRaw({ port: gateway.port });
		const dripping = slow.writeSlowly("PROXY UNKNOWN ".padEnd(100, "x"), 20);
		const started = performance.now();
		await silent.ended();
		expect(performance.now() - started).toBeGreaterThan(200);
		expect(silent.unread.length).toBe(0);
		await expectRejection(slow, await slow.readHead(), 408, "HEADERS_TIMEOUT");
		await dripping;
		silent.end();
		slow.end();
		expect(gateway.lines.of("ws.reject")).toHaveLength(1);
		expect(gateway.lines.of("ws.reject")[0]?.message).toMatch(/no PROXY protocol header came within 300 ms/);
		await gateway.expectQuiet();
	});

	it("that only connects and leaves, as load balancers check ports, leaves no line", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const polite = await connectRaw({ port: gateway.port });
		polite.end();
		await polite.ended();
		const rude = await connectRaw({ port: gateway.port });
		rude.reset();
		const half = await connectRaw({ port: gateway.port });
		half.write("PROXY TCP4 1");
		half.end();
		await half.ended();
		expect(gateway.lines.of("ws.reject")).toHaveLength(1);
		await gateway.expectQuiet();
	});

	it("keeps nobody waiting at the end: connections without a header are closed", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const client = await connectRaw({ port: gateway.port });
		await new Promise((resolve) => setTimeout(resolve, 50));
		await gateway.stop();
		expect(await client.ended()).not.toBe("open");
	});
});

describe("anybody else", () => {
	it("is served without a header, and refused with one, in plain words", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: TRUSTED });
		const plain = await connectRaw({ port: gateway.port, localAddress: "127.0.0.2" });
		await plain.open();
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ client_ip: "127.0.0.2", peer_ip: "127.0.0.2" });
		for (const version of ["v1", "v2"] as const) {
			const forger = await connectRaw({ port: gateway.port, localAddress: "127.0.0.3" });
			forger.write(Buffer.concat([proxyHeader(version, CLIENT), Buffer.from(forger.handshakeHead())]));
			await expectRejection(forger, await forger.readHead(), 400, "BAD_REQUEST");
			forger.end();
		}
		expect(gateway.lines.of("ws.reject")).toHaveLength(2);
		for (const line of gateway.lines.of("ws.reject")) {
			expect(line).toMatchObject({ client_ip: "127.0.0.3" });
			expect(line.message).toMatch(/proxy_protocol.trusted/);
		}
		expect(backend.connections).toHaveLength(1);
	});
});

describe("200 damaged headers on real connections", () => {
	it("are all refused or read, and the gateway is as it was", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startGateway(backend.url, { listener: `${TRUSTED}, timeouts: { request_headers: 2s }` });
		for (let round = 0; round < 10; round++) {
			await Promise.all(
				Array.from({ length: 20 }, async (_, i) => {
					const header = proxyHeader(i % 2 ? "v1" : "v2", CLIENT);
					header[(round * 20 + i) % header.length] = (round * 7 + i * 13) % 256;
					const client = await connectRaw({ port: gateway.port });
					client.write(header);
					client.write(client.handshakeHead());
					client.end();
					await until(() => client.ending !== "open" || client.unread.length > 0, { what: "an answer" });
					client.reset();
				}),
			);
		}
		await until(() => gateway.handle.connectionCount() === 0, { what: "no connection left" });
		const client = await connectRaw({ port: gateway.port });
		client.write(proxyHeader("v2", CLIENT));
		await client.open();
		client.reset();
		await gateway.expectQuiet();
	});
});

/** A backend that reads one PROXY header, then answers the handshake. */
async function startProxied(read: number): Promise<{ url: string; headers: Buffer[]; peers: BackendPeer[] }> {
	const headers: Buffer[] = [];
	const peers: BackendPeer[] = [];
	const backend = await startRawBackend(async (peer) => {
		headers.push(Buffer.from(await peer.read(read)));
		peers.push(peer);
		peer.write(switchingProtocols(await readRequest(peer)));
	});
	return { url: backend.url, headers, peers };
}

describe("a backend with proxy_protocol", () => {
	it("v2 is told the client's address and port, and where it connected to", async () => {
		const backend = await startProxied(28);
		const gateway = await startGateway(backend.url, { upstream: ", proxy_protocol: v2" });
		const client = await connectRaw({ port: gateway.port });
		const { port } = client.socket.address() as AddressInfo;
		await client.open();
		expect(backend.headers[0]).toEqual(
			proxyHeader("v2", {
				sourceIp: "127.0.0.1",
				sourcePort: port,
				destinationIp: "127.0.0.1",
				destinationPort: gateway.port,
			}),
		);
	});

	it("v1 is told what an incoming header said, also when that was about IPv6", async () => {
		const told = { ...CLIENT, sourceIp: "2001:db8::7", destinationIp: "2001:db8::1" };
		const expected = "PROXY TCP6 2001:db8::7 2001:db8::1 4711 8443\r\n";
		const backend = await startProxied(expected.length);
		const gateway = await startGateway(backend.url, { listener: TRUSTED, upstream: ", proxy_protocol: v1" });
		const client = await connectRaw({ port: gateway.port });
		client.write(proxyHeader("v2", told));
		await client.open();
		expect(backend.headers[0]?.toString()).toBe(expected);
	});

	it("is told the client that a trusted proxy names, without a port", async () => {
		const line = (port: number) => `PROXY TCP4 192.0.2.99 127.0.0.1 0 ${port}\r\n`;
		const backend = await startProxied(line(10_000).length);
		const gateway = await startGateway(backend.url, {
			upstream: ", proxy_protocol: v1",
			top: "trusted_proxies: [127.0.0.1]",
		});
		const client = await connectRaw({ port: gateway.port });
		await client.open("/", { headers: { "X-Forwarded-For": "192.0.2.99" } });
		expect(backend.headers[0]?.toString()).toBe(line(gateway.port));
	});

	it("gets the header before TLS", async () => {
		const { cert, key } = await certificate(["localhost"]);
		const received: string[] = [];
		const inner = await startRawBackend(accepting(), { tls: { cert, key } });
		const outer = createServer((socket) => {
			socket.once("data", (first: Buffer) => {
				const end = first.indexOf("\r\n") + 2;
				received.push(first.toString("latin1", 0, end));
				const pipe = connect(inner.port, "127.0.0.1");
				pipe.write(first.subarray(end));
				socket.pipe(pipe).pipe(socket);
				pipe.on("error", () => socket.destroy());
				socket.on("error", () => pipe.destroy());
			});
		});
		outer.listen(0, "127.0.0.1");
		await once(outer, "listening");
		onTestFinished(() => void outer.close());
		const gateway = await startGateway(`wss://127.0.0.1:${(outer.address() as AddressInfo).port}`, {
			upstream: ", proxy_protocol: v1, tls: { verify: false }",
		});
		const client = await connectRaw({ port: gateway.port });
		await client.open();
		expect(received[0]).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/);
		client.reset();
		await gateway.waitForLog("ws.close");
	});

	it("gets one for each plain HTTP request, which has a connection of its own", async () => {
		const lines: string[] = [];
		const backend = await startRawBackend(async (peer) => {
			await until(() => peer.unread.indexOf("\r\n") > 0, { what: "the header" });
			lines.push((await peer.read(peer.unread.indexOf("\r\n") + 2)).toString());
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		});
		const gateway = await startGateway(backend.url, { upstream: ", proxy_protocol: v1" });
		for (let i = 0; i < 2; i++) expect(await (await fetch(gateway.url("/a", "http"))).text()).toBe("ok");
		expect(lines).toHaveLength(2);
		for (const line of lines) expect(line).toMatch(/^PROXY TCP4 127\.0\.0\.1 /);
	});

	it.each([
		["v1", "PROXY UNKNOWN\r\n"],
		["v2", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"],
	])("is asked for its health with a header of its own (%s)", async (version, expected) => {
		const first: string[] = [];
		const backend = await startRawBackend(async (peer) => {
			first.push((await peer.read(expected.length)).toString("latin1"));
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
			peer.end();
		});
		await startGateway(backend.url, {
			upstream: `, proxy_protocol: ${version}, health_check: { type: http, interval: 1s, timeout: 500ms }`,
		});
		await until(() => first.length > 0, { what: "a probe" });
		expect(first[0]).toBe(expected);
	});
});

describe("clawgate check", () => {
	it("has words for PROXY headers and TLS on one unix socket", async () => {
		const { dir } = await temporaryFiles({});
		await expect(
			startTestGateway(`
				listeners: [{ address: "unix:${dir}/s", tls: { self_signed: [a] }, proxy_protocol: { trusted: [10.0.0.0/8] } }]
				upstreams: { b: { endpoints: ["ws://127.0.0.1:1"] } }
				routes: [{ upstream: b }]
			`),
		).rejects.toThrow(/need a TCP address/);
	});
});
