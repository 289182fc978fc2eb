import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { GatewayError } from "../../../src/errors.ts";
import { createForwarder, type Forwarder, type ForwardOptions, type Progress } from "../../../src/gateway/forward.ts";
import { OFF } from "../../../src/options.ts";
import { compileHeaderRules } from "../../../src/protocol/headers.ts";
import { type EndpointAddress, parseEndpointUrl } from "../../../src/upstreams/endpoint.ts";
import { compileUpstreamTls, upstreamTlsOptions } from "../../../src/upstreams/tls.ts";
import { certificate, temporaryFiles } from "../../harness/certs.ts";
import { until } from "../../harness/poll.ts";
import { closedPort } from "../../harness/ports.ts";
import {
	answering,
	type BackendPeer,
	readRequest,
	resetAfterHead,
	type Script,
	silent,
	startRawBackend,
} from "../../harness/raw-backend.ts";
import { connectRaw, type RawClient } from "../../harness/raw-client.ts";
import type { Head } from "../../harness/raw-peer.ts";

type Changes = Partial<ForwardOptions> & { passErrors?: boolean };

interface Gateway {
	readonly port: number;
	readonly results: (number | GatewayError)[];
	readonly forwarder: Forwarder;
	/** Of each request. */
	readonly progress: Progress[];
	/** The only result so far, once it is there. */
	result(): Promise<number | GatewayError>;
	/** Sends a request on a new connection and reads the answer's head. */
	send(request: string | Buffer): Promise<RawClient & { head: Head }>;
}

/** An HTTP server that forwards everything to one endpoint; an error before the answer becomes its status and code. */
async function startGateway(
	url: string | readonly string[],
	changes: Changes | ((req: IncomingMessage) => Changes) = {},
): Promise<Gateway> {
	const forwarder = createForwarder();
	const results: (number | GatewayError)[] = [];
	const progress: Progress[] = [];
	const urls = typeof url === "string" ? [url] : url;
	const server = createServer(async (req, res) => {
		const counted = { bytesIn: 0, bytesOut: 0, contentType: undefined };
		progress.push(counted);
		const change = typeof changes === "function" ? changes(req) : changes;
		for (const [i, each] of urls.entries()) {
			try {
				results.push(await forwarder.forward({ ...optionsFor(req, res, each), progress: counted, ...change }));
				return;
			} catch (error) {
				const failure = error as GatewayError;
				if (!res.headersSent && failure.retry !== undefined && i + 1 < urls.length) continue;
				results.push(failure);
				if (!res.headersSent) res.writeHead(failure.status ?? 500).end(`${failure.code}\n`);
				return;
			}
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => {
		forwarder.close();
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	return {
		port,
		results,
		progress,
		forwarder,
		result: () => until(() => results.at(-1), { what: "the exchange to end" }),
		send: async (request) => {
			const client = await connectRaw({ port });
			client.write(request);
			return Object.assign(client, { head: await client.readHead() });
		},
	};
}

function optionsFor(req: IncomingMessage, res: ServerResponse, url: string): Omit<ForwardOptions, "progress"> {
	return {
		req,
		res,
		address: parseEndpointUrl(url) as EndpointAddress,
		target: req.url as string,
		host: req.headers.host ?? "",
		connectionId: "id-1",
		timeouts: { connect: 1_000, handshake: 10_000, idle: OFF },
		request: {
			method: req.method as string,
			httpVersion: req.httpVersion,
			path: "/",
			matchPath: "/",
			query: undefined,
			rawHeaders: req.rawHeaders,
			headers: req.headers,
			authority: req.headers.host ?? "",
			host: "a.test",
			subprotocols: [],
			clientIp: "127.0.0.1",
			peerIp: "127.0.0.1",
			secure: false,
			port: 80,
			trustedPeer: false,
			listener: "l",
			websocket: false,
		},
	};
}

/** What a backend of Node's own does with a request. */
async function startHttpBackend(handler: RequestListener, server: Server & { on: unknown } = createServer(handler)) {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => {
		(server as ReturnType<typeof createServer>).closeAllConnections();
		server.close();
	});
	return (server.address() as AddressInfo).port;
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Answers each request of a connection, reading Content-Length or chunked bodies as their bytes. */
function answeringAll(answer = OK): Script {
	return async (peer: BackendPeer) => {
		for (;;) {
			const head = await peer.readHead(60_000);
			peer.request ??= head;
			const length = Number(head.header("content-length") ?? 0);
			if (length > 0) await peer.read(length);
			peer.write(answer);
		}
	};
}

const GET = (target: string, headers = "") => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${headers}\r\n`;

describe("the request", () => {
	it("arrives with Host as told, the client's headers in order and case, and the gateway's own", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url, { host: "backend.internal" });
		await gateway.send(GET("/poll?x=1", "X-b: 1\r\naCCEPT: */*\r\nX-A: 2\r\nx-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\n"));
		expect((await backend.connection()).request?.raw).toBe(
			"GET /poll?x=1 HTTP/1.1\r\nHost: backend.internal\r\nX-b: 1\r\naCCEPT: */*\r\nX-A: 2\r\nx-B: 3\r\nCookie: a=1\r\nCookie: b=2\r\n" +
				"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\nX-Forwarded-Port: 80\r\n" +
				"X-Real-IP: 127.0.0.1\r\nX-Request-Id: id-1\r\nConnection: keep-alive\r\n\r\n",
		);
	});

	it.each(["//evil.example/x", "/a/../b", "/%2e%2e/x", "/a?b#c", "/a//b?//c"])(
		"goes to the configured endpoint with the same target bytes: %s",
		async (target) => {
			const backend = await startRawBackend(answeringAll());
			const gateway = await startGateway(backend.url);
			const client = await gateway.send(Buffer.from(GET(target), "latin1"));
			expect(client.head.status).toBe(200);
			expect((await backend.connection()).request?.target).toBe(target);
		},
	);

	it("loses hop-by-hop headers and nominated ones, and none of the gateway's", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		await gateway.send(
			GET(
				"/",
				"Connection: close, X-Secret, X-Forwarded-For, Host\r\nX-Secret: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Forwarded-For: 1.1.1.1\r\n",
			),
		);
		const request = (await backend.connection()).request as Head;
		expect(request.header("x-secret")).toBeUndefined();
		expect(request.header("te")).toBeUndefined();
		expect(request.header("upgrade")).toBeUndefined();
		expect(request.header("connection")).toBe("keep-alive");
		expect(request.header("host")).toBe("a.test");
		expect(request.all("x-forwarded-for")).toEqual(["127.0.0.1"]);
	});

	it("takes the route's rules, the checks' headers and odd names", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url, {
			rules: compileHeaderRules({ set: { "X-Gateway": "cg" }, remove: ["Cookie"] }),
			checkHeaders: ["X-User", "ann"],
			keepUnderscores: true,
		});
		await gateway.send(GET("/", "Cookie: a=1\r\nX-User: root\r\n__proto__: x\r\nconstructor: y\r\n"));
		const request = (await backend.connection()).request as Head;
		expect(request.header("cookie")).toBeUndefined();
		expect(request.all("x-user")).toEqual(["ann"]);
		expect(request.header("x-gateway")).toBe("cg");
		expect(request.header("__proto__")).toBe("x");
		expect(request.header("constructor")).toBe("y");
	});

	it("is refused when rewriting broke its target", async () => {
		const gateway = await startGateway("http://127.0.0.1:1", { target: "/a b" });
		expect((await gateway.send(GET("/"))).head.status).toBe(400);
	});
});

describe("the framing of a request", () => {
	const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
	const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

	it.each(["DELETE", "OPTIONS", "GET", "POST", "PATCH"])(
		"stays chunked for a chunked %s, so that nothing is smuggled",
		async (method) => {
			const backend = await startRawBackend(async (peer) => {
				await readRequest(peer);
				await until(() => peer.after.includes("\r\n0\r\n\r\n"), { what: "the last chunk" });
				peer.write(OK);
			});
			const gateway = await startGateway(backend.url);
			const client = await gateway.send(
				`${method} /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(SMUGGLED)}`,
			);
			expect(client.head.status).toBe(200);
			const peer = await backend.connection();
			expect(peer.request?.all("transfer-encoding")).toEqual(["chunked"]);
			expect(peer.request?.all("content-length")).toEqual([]);
			expect(peer.after.toString()).toBe(chunked(SMUGGLED));
			expect(backend.connections).toHaveLength(1);
		},
	);

	it.each(["DELETE", "OPTIONS", "GET", "POST"])("keeps the length of a %s that has one", async (method) => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		const body = SMUGGLED;
		await gateway.send(`${method} /x HTTP/1.1\r\nHost: a.test\r\nCONTENT-length: ${body.length}\r\n\r\n${body}`);
		const peer = await backend.connection();
		expect(peer.request?.all("content-length")).toEqual([String(body.length)]);
		expect(peer.request?.all("transfer-encoding")).toEqual([]);
		expect(peer.after.toString()).toBe(body);
	});

	it.each([
		["Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello", "content-length", "5", "hello"],
		[
			"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"transfer-encoding",
			"chunked",
			"5\r\nhello\r\n0\r\n\r\n",
		],
	])("cannot be nominated away: %j", async (rest, name, value, wire) => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			await peer.read(wire.length);
			peer.write(OK);
		});
		const gateway = await startGateway(backend.url);
		await gateway.send(`DELETE /x HTTP/1.1\r\nHost: a.test\r\n${rest}`);
		const peer = await backend.connection();
		expect(peer.request?.all(name)).toEqual([value]);
		expect(peer.after.toString()).toBe(wire);
	});

	it.each(["POST", "PUT", "DELETE"])("says that a %s without body has none", async (method) => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		const client = await gateway.send(`${method} /x HTTP/1.1\r\nHost: a.test\r\n\r\n`);
		expect(client.head.status).toBe(200);
		const peer = await backend.connection();
		expect(peer.request?.all("content-length")).toEqual(["0"]);
		expect(peer.after).toHaveLength(0);
	});

	it("is refused with a coding below the chunks, which would get lost", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		const client = await gateway.send(
			"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		);
		expect(client.head.status).toBe(400);
		expect(backend.connections).toHaveLength(0);
	});

	it("answers Expect: 100-continue and carries the body that follows", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		const client = await connectRaw({ port: gateway.port });
		client.write("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
		expect((await client.readHead()).status).toBe(100);
		client.write("hello");
		expect((await client.readHead()).status).toBe(200);
		const peer = await backend.connection();
		expect(peer.after.toString()).toBe("hello");
		expect(peer.request?.header("expect")).toBeUndefined();
	});
});

describe("the answer", () => {
	it("passes with status, reason, order, case, cookies and Location as they were, without hop-by-hop headers", async () => {
		const backend = await startRawBackend(
			answering(
				"HTTP/1.1 302 Over There\r\nX-b: 1\r\nLocation: http://elsewhere.test/x\r\nSet-Cookie: a=1; Domain=b.test; Path=/\r\n" +
					"SET-cookie: b=2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nDate: today\r\nContent-Length: 2\r\n\r\nhi",
			),
		);
		const gateway = await startGateway(backend.url, {
			responseRules: compileHeaderRules({ set: { "X-Via": "cg" }, remove: ["X-b"] }),
			extraResponseHeaders: ["Set-Cookie", "clawgate=e1; Path=/"],
		});
		const client = await gateway.send(GET("/", "Connection: close\r\n"));
		expect(client.head.startLine).toBe("HTTP/1.1 302 Over There");
		expect(client.head.list).toEqual([
			["Location", "http://elsewhere.test/x"],
			["Set-Cookie", "a=1; Domain=b.test; Path=/"],
			["SET-cookie", "b=2"],
			["Date", "today"],
			["Content-Length", "2"],
			["X-Via", "cg"],
			["Set-Cookie", "clawgate=e1; Path=/"],
			["Connection", "close"],
		]);
		expect(await client.readBody(client.head)).toBe("hi");
		expect(await gateway.result()).toBe(302);
		expect(gateway.progress).toMatchObject([{ bytesOut: 2 }]);
		expect(backend.connections).toHaveLength(1);
	});

	it("keeps its framing: chunks stay chunks, HEAD and 304 have no body", async () => {
		const port = await startHttpBackend((req, res) => {
			if (req.url === "/304") res.writeHead(304, { ETag: '"x"' }).end();
			else if (req.method === "HEAD") res.writeHead(200, { "Content-Length": "100" }).end();
			else res.write("a") && setTimeout(() => res.end("b"), 20);
		});
		const gateway = await startGateway(`http://127.0.0.1:${port}`);
		const chunks = await gateway.send(GET("/", "Connection: close\r\n"));
		expect(chunks.head.header("transfer-encoding")).toBe("chunked");
		await chunks.ended();
		expect(chunks.unread.toString()).toBe("1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
		const head = await gateway.send("HEAD / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
		expect(head.head.header("content-length")).toBe("100");
		await head.ended();
		expect(head.unread).toHaveLength(0);
		const notModified = await gateway.send(GET("/304", "Connection: close\r\n"));
		await notModified.ended();
		expect(notModified.head.status).toBe(304);
		expect(notModified.unread).toHaveLength(0);
	});

	it("reaches an HTTP/1.0 client without chunks", async () => {
		const port = await startHttpBackend((_, res) => {
			res.write("a");
			res.end("b");
		});
		const gateway = await startGateway(`http://127.0.0.1:${port}`);
		const client = await gateway.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
		expect(client.head.header("transfer-encoding")).toBeUndefined();
		await client.ended();
		expect(client.unread.toString()).toBe("ab");
	});

	it("starts before its body does", async () => {
		const backend = await startRawBackend(answering("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"));
		const gateway = await startGateway(backend.url);
		const client = await gateway.send(GET("/events"));
		expect(client.head.header("content-type")).toBe("text/event-stream");
		(await backend.connection()).write("data: 1\n\n");
		await until(() => client.unread.includes("data: 1\n\n"), { what: "the event" });
	});

	it("shows its body to the watcher, unless it is compressed", async () => {
		const seen: string[] = [];
		const port = await startHttpBackend((req, res) => {
			if (req.url === "/gzip") res.setHeader("Content-Encoding", "gzip");
			res.end('0{"sid":"abc"}');
		});
		const gateway = await startGateway(`http://127.0.0.1:${port}`, {
			watchAnswer: (chunk) => seen.push(Buffer.from(chunk).toString()),
		});
		const client = await gateway.send(GET("/"));
		expect(await client.readBody(client.head)).toBe('0{"sid":"abc"}');
		await gateway.send(GET("/gzip"));
		await until(() => gateway.results.length === 2, { what: "both exchanges" });
		expect(seen).toEqual(['0{"sid":"abc"}']);
	});
});

describe("streaming", () => {
	it("carries a large body both ways", async () => {
		const body = randomBytes(5_000_000);
		const port = await startHttpBackend((req, res) => void req.pipe(res));
		const gateway = await startGateway(`http://127.0.0.1:${port}`);
		const client = await gateway.send(
			Buffer.concat([
				Buffer.from(`POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`),
				body,
			]),
		);
		await client.ended(15_000);
		expect(client.unread.length).toBeGreaterThan(body.length);
		expect(await gateway.result()).toBe(200);
		expect(gateway.progress).toMatchObject([{ bytesIn: body.length, bytesOut: body.length }]);
	});

	it("stops reading the backend while the client does not read", async () => {
		let written = 0;
		const port = await startHttpBackend((_, res) => {
			const chunk = Buffer.alloc(65_536);
			const more = () => {
				while (!res.destroyed && written < 200_000_000) {
					written += chunk.length;
					if (!res.write(chunk)) return void res.once("drain", more);
				}
			};
			more();
		});
		const gateway = await startGateway(`http://127.0.0.1:${port}`);
		const client = await connectRaw({ port: gateway.port });
		client.socket.pause();
		client.write(GET("/"));
		let before = -1;
		await until(
			async () => {
				if (written > 0 && written === before) return true;
				before = written;
				await new Promise((resolve) => setTimeout(resolve, 100));
				return false;
			},
			{ what: "the backend to be held back" },
		);
		expect(written).toBeLessThan(50_000_000);
	});

	it("passes an early answer on and does not wait for the rest of the upload", async () => {
		const backend = await startRawBackend(
			answering("HTTP/1.1 413 Too Big\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		);
		const gateway = await startGateway(backend.url);
		const client = await gateway.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\npart");
		expect(client.head.status).toBe(413);
		expect(await gateway.result()).toBe(413);
	});
});

describe("connections", () => {
	it("are kept alive between requests and closed by close()", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		await gateway.send(GET("/1"));
		await until(() => gateway.results.length === 1, { what: "the first exchange" });
		await gateway.send(GET("/2"));
		await until(() => gateway.results.length === 2, { what: "the second exchange" });
		expect(backend.connections).toHaveLength(1);
		gateway.forwarder.close();
		await until(() => backend.openCount() === 0, { what: "the idle connection to close" });
	});

	it("that are in use at close() finish their request first", async () => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			await until(() => gateway.results.length === -1 || closed, { what: "close()" });
			peer.write(OK);
		});
		const gateway = await startGateway(backend.url);
		let closed = false;
		const client = await connectRaw({ port: gateway.port });
		client.write(GET("/"));
		await until(() => backend.connections[0]?.request, { what: "the request" });
		gateway.forwarder.close();
		closed = true;
		expect((await client.readHead()).status).toBe(200);
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("that the backend closes while idle are not used again", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url);
		for (const target of ["/1", "/2", "/3"]) {
			expect((await gateway.send(`POST ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`)).head.status).toBe(200);
			const done = gateway.results.length;
			await until(() => gateway.results.length > done - 1, { what: "the exchange to end" });
			(await backend.connection()).end();
			await until(() => backend.openCount() === 0, { what: "the connection to close" });
		}
		expect(backend.connections).toHaveLength(3);
	});

	it("that die just as they are used again cost a GET nothing, but never send a POST twice", async () => {
		const backend = await startRawBackend(async (peer, index) => {
			await readRequest(peer);
			peer.write(OK);
			if (index !== 0 && index !== 2) return;
			await peer.readHead();
			peer.reset();
		});
		const gateway = await startGateway(backend.url);
		await gateway.send(GET("/1"));
		await until(() => gateway.results.length === 1, { what: "the first exchange" });
		expect((await gateway.send(GET("/2"))).head.status).toBe(200);
		expect(backend.connections).toHaveLength(2);
		await gateway.send(GET("/3"));
		await until(() => gateway.results.length === 3, { what: "the third exchange" });
		const post = await gateway.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
		expect(post.head.status).toBe(502);
		expect(gateway.results.at(-1)).toMatchObject({ code: "BAD_BACKEND_ANSWER", retry: undefined });
		expect(backend.connections).toHaveLength(3);
	});

	it("with a preamble belong to one request", async () => {
		const backend = await startRawBackend(async (peer) => {
			await peer.read(5);
			await answeringAll()(peer, 0);
		});
		const gateway = await startGateway(backend.url, { preamble: Buffer.from("PROXY") });
		for (const target of ["/1", "/2"]) expect((await gateway.send(GET(target))).head.status).toBe(200);
		expect(backend.connections.map((peer) => peer.all.toString().slice(0, 10))).toEqual(["PROXYGET /", "PROXYGET /"]);
		await until(() => backend.openCount() === 0, { what: "both connections to close" });
	});

	it("go to unix sockets", async () => {
		const { dir } = await temporaryFiles({});
		const path = join(dir, "backend.sock");
		const server = createServer((req, res) => void res.end(`${req.headers.host}${req.url}`));
		server.listen(path);
		await once(server, "listening");
		onTestFinished(() => {
			server.closeAllConnections();
			server.close();
		});
		const gateway = await startGateway(`ws+unix:${path}`);
		const client = await gateway.send(GET("/x"));
		expect(await client.readBody(client.head)).toBe("a.test/x");
	});

	it("go to https endpoints, verified", async () => {
		const own = await certificate(["127.0.0.1"]);
		const port = await startHttpBackend(
			() => {},
			createTlsServer({ cert: own.cert, key: own.key }, (req, res) => void res.end(`tls${req.url}`)),
		);
		const tls = compileUpstreamTls(upstreamTlsOptions.parse({ ca: "ca" }), () => Buffer.from(own.cert));
		const gateway = await startGateway(`https://127.0.0.1:${port}`, (req) => (req.url === "/bad" ? {} : { tls }));
		const refused = await gateway.send(GET("/bad"));
		expect(refused.head.status).toBe(502);
		expect(gateway.results.at(-1)).toMatchObject({ code: "CONNECT_FAILED", message: expect.stringMatching(/TLS: /) });
		const client = await gateway.send(GET("/x"));
		expect(await client.readBody(client.head)).toBe("tls/x");
	});
});

describe("a backend that fails", () => {
	it("that cannot be reached leaves the body unread for the next endpoint", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway([`http://127.0.0.1:${await closedPort()}`, backend.url]);
		const client = await gateway.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
		expect(client.head.status).toBe(200);
		expect((await backend.connection()).after.toString()).toBe("hello");
	});

	it.each([
		["closes", "fin" as const],
		["resets", "reset" as const],
	])("that %s before its answer is a 502", async (_, how) => {
		const backend = await startRawBackend(
			how === "reset"
				? resetAfterHead
				: async (peer) => {
						await readRequest(peer);
						peer.end();
					},
		);
		const gateway = await startGateway(backend.url);
		expect((await gateway.send(GET("/"))).head.status).toBe(502);
		expect(await gateway.result()).toMatchObject({ code: "BAD_BACKEND_ANSWER", retry: "bad_handshake" });
	});

	it.each([
		["no HTTP", "SSH-2.0-x\r\n\r\n"],
		["both framings", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"],
		["an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"],
	])("that answers with %s is a 502", async (_, answer) => {
		const backend = await startRawBackend(answering(answer));
		const gateway = await startGateway(backend.url);
		expect((await gateway.send(GET("/"))).head.status).toBe(502);
		expect(await gateway.result()).toMatchObject({ code: "BAD_BACKEND_ANSWER" });
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("that is silent for the idle time is a 504", async () => {
		const backend = await startRawBackend(silent);
		const gateway = await startGateway(backend.url, { timeouts: { connect: 1_000, handshake: 10_000, idle: 100 } });
		expect((await gateway.send(GET("/"))).head.status).toBe(504);
		expect(await gateway.result()).toMatchObject({ code: "HANDSHAKE_TIMEOUT", retry: undefined });
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("that breaks off in the middle of its answer breaks the client's connection off too", async () => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
			await until(() => client?.unread.includes("part"), { what: "the first part at the client" });
			peer.end();
		});
		const gateway = await startGateway(backend.url);
		const client: RawClient = await connectRaw({ port: gateway.port });
		client.write(GET("/"));
		await client.ended();
		expect(client.unread.toString()).toMatch(/part$/);
		expect(await gateway.result()).toMatchObject({ code: "BAD_BACKEND_ANSWER" });
	});
});

describe("a client that leaves", () => {
	it.each(["reset", "end"] as const)("during the dial (%s) is answered by nobody and hurts nothing", async (how) => {
		// Takes the connection, but never speaks TLS.
		const backend = await startRawBackend(() => {});
		const gateway = await startGateway(backend.url.replace("ws:", "wss:"), {
			timeouts: { connect: 60_000, handshake: 10_000, idle: OFF },
		});
		const client = await connectRaw({ port: gateway.port, allowHalfOpen: false });
		client.write("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50\r\n\r\npart");
		await backend.connection(0);
		if (how === "reset") client.reset();
		else client.socket.destroy();
		expect(await gateway.result()).toMatchObject({ code: "CLIENT_GONE", retry: undefined });
		await until(() => backend.openCount() === 0, { what: "the dial to be given up" });
	});

	it("while the backend thinks ends the backend's request", async () => {
		const backend = await startRawBackend(silent);
		const gateway = await startGateway(backend.url);
		const client = await connectRaw({ port: gateway.port });
		client.write(GET("/"));
		await until(() => backend.connections[0]?.request, { what: "the request" });
		client.reset();
		expect(await gateway.result()).toMatchObject({ code: "CLIENT_GONE" });
		await until(() => backend.openCount() === 0, { what: "the connection to close" });
	});

	it("in the middle of the answer, or of its own body, does too", async () => {
		const backend = await startRawBackend(async (peer) => {
			await readRequest(peer);
			if (peer.request?.target === "/answer") peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
		});
		const gateway = await startGateway(backend.url);
		const reader = await gateway.send(GET("/answer"));
		reader.reset();
		await until(() => gateway.results.length === 1, { what: "the first exchange" });
		const writer = await connectRaw({ port: gateway.port });
		writer.write("POST /body HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50\r\n\r\npart");
		await until(() => backend.connections[1]?.request, { what: "the request" });
		writer.reset();
		await until(() => gateway.results.length === 2, { what: "the second exchange" });
		expect(gateway.results).toMatchObject([{ code: "CLIENT_GONE" }, { code: "CLIENT_GONE" }]);
		await until(() => backend.openCount() === 0, { what: "both connections to close" });
	});

	it("before it is forwarded reaches no backend", async () => {
		const backend = await startRawBackend(answeringAll());
		const gateway = await startGateway(backend.url, (req) => {
			req.socket.destroy();
			return {};
		});
		const client = await connectRaw({ port: gateway.port });
		client.write(GET("/"));
		expect(await gateway.result()).toMatchObject({ code: "CLIENT_GONE" });
		expect(backend.connections).toHaveLength(0);
	});
});
