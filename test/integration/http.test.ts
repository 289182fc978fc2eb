/** Plain HTTP on a route: forwarded, with its bodies and headers, or refused. */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

/** Says what it was asked. */
function report(request: IncomingMessage, response: ServerResponse): void {
	const hash = createHash("sha256");
	let length = 0;
	request.on("data", (chunk: Buffer) => {
		hash.update(chunk);
		length += chunk.length;
	});
	request.on("end", () => {
		response.writeHead(200, { "Content-Type": "application/json", "Set-Cookie": ["a=1", "b=2"], "X-Backend": "yes" });
		const { method, url, headers } = request;
		response.end(
			JSON.stringify({ method, url, headers, rawHeaders: request.rawHeaders, length, sha: hash.digest("hex") }),
		);
	});
}

interface Report {
	method: string;
	url: string;
	headers: Record<string, string>;
	rawHeaders: string[];
	length: number;
	sha: string;
}

async function start(onRequest = report, route = "") {
	const backend = await startWsBackend({ onRequest });
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- name: app
				match: { path_prefix: /app }
				upstream: app
				${route}
	`);
	return { backend, gateway };
}

test("a GET arrives with path, query, Host and headers, and X-Forwarded-* tell where it came from", async () => {
	const { gateway } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(
		"GET /app/a%20b?token=s3cret&x=1 HTTP/1.1\r\nHost: chat.example.com\r\nX-Own: kept\r\nX-Nominated: dropped\r\n" +
			"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: wss\r\nConnection: close, X-Nominated\r\n\r\n",
	);
	const head = await client.readHead();
	expect([head.status, head.header("x-backend")]).toEqual([200, "yes"]);
	expect(head.all("set-cookie")).toEqual(["a=1", "b=2"]);
	const seen = JSON.parse(await client.readBody(head)) as Report;
	await client.ended();
	expect([seen.method, seen.url]).toEqual(["GET", "/app/a%20b?token=s3cret&x=1"]);
	expect(seen.headers).toMatchObject({
		host: "chat.example.com",
		"x-own": "kept",
		"x-forwarded-for": "127.0.0.1",
		"x-forwarded-proto": "http",
		"x-forwarded-host": "chat.example.com",
		"x-forwarded-port": String(gateway.port),
		"x-real-ip": "127.0.0.1",
	});
	expect(seen.headers["x-request-id"]).toMatch(/.+/);
	expect(seen.headers["x-nominated"]).toBeUndefined();
	const logged = await gateway.waitForLog("http.request");
	expect(logged).toMatchObject({
		status: 200,
		route: "app",
		upstream: "app",
		path: "/app/a%20b",
		client_ip: "127.0.0.1",
	});
	expect(JSON.stringify(gateway.logs)).not.toContain("s3cret");
	await gateway.expectQuiet();
});

test("one client connection carries many requests, then becomes a WebSocket", async () => {
	const { gateway } = await start();
	const client = await connectRaw({ port: gateway.port });
	for (let i = 0; i < 5; i++) {
		client.write(`POST /app/${i} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbody${i}`);
		const head = await client.readHead();
		expect([head.status, head.header("connection")?.toLowerCase() === "close"]).toEqual([200, false]);
		const seen = JSON.parse(await client.readBody(head)) as Report;
		expect([seen.method, seen.url, seen.length]).toEqual(["POST", `/app/${i}`, 5]);
	}
	await client.open("/app/ws");
	client.sendFrame(OPCODE.text, "after HTTP");
	expect((await client.readFrame()).text).toBe("after HTTP");
	client.sendClose(1000);
	await client.readFrame();
	client.end();
	await gateway.expectQuiet();
	expect(gateway.lines.of("http.request")).toHaveLength(5);
	expect(gateway.lines.of("ws.open")).toHaveLength(1);
});

test("a body of 5 MiB arrives whole, with a Content-Length and in chunks", async () => {
	const { gateway } = await start();
	const data = randomBytes(5 * 1024 * 1024);
	const sha = createHash("sha256").update(data).digest("hex");
	const known = (await (await fetch(gateway.url("/app", "http"), { method: "POST", body: data })).json()) as Report;
	expect([known.length, known.sha]).toEqual([data.length, sha]);
	const stream = new ReadableStream({
		start(controller) {
			for (let at = 0; at < data.length; at += 65_536) controller.enqueue(data.subarray(at, at + 65_536));
			controller.close();
		},
	});
	const options: RequestInit & { duplex: "half" } = { method: "PUT", body: stream, duplex: "half" };
	const chunked = (await (await fetch(gateway.url("/app", "http"), options)).json()) as Report;
	expect([chunked.method, chunked.length, chunked.sha]).toEqual(["PUT", data.length, sha]);
	await gateway.expectQuiet();
});

test("an answer that is written over time reaches the client as it is written", async () => {
	let more: (() => void) | undefined;
	const { gateway } = await start((_, response) => {
		response.writeHead(200, { "Content-Type": "text/event-stream" });
		response.write("data: 1\n\n");
		more = () => response.end("data: 2\n\n");
	});
	const answer = await fetch(gateway.url("/app", "http"));
	const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
	expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("data: 1\n\n");
	more?.();
	expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("data: 2\n\n");
	expect((await reader.read()).done).toBe(true);
	await gateway.expectQuiet();
});

test("statuses without a body, HEAD and errors of the backend pass unchanged", async () => {
	const { gateway } = await start((request, response) => {
		const status = Number(request.url?.split("/").at(-1));
		response.writeHead(status, { "X-Status": String(status), ETag: '"1"' });
		response.end(status === 204 || status === 304 ? undefined : `status ${status}`);
	});
	for (const status of [200, 201, 204, 304, 404, 500, 503]) {
		const answer = await fetch(gateway.url(`/app/${status}`, "http"));
		expect([answer.status, answer.headers.get("x-status")]).toEqual([status, String(status)]);
		expect(await answer.text()).toBe(status === 204 || status === 304 ? "" : `status ${status}`);
	}
	const head = await fetch(gateway.url("/app/200", "http"), { method: "HEAD" });
	expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, '"1"', ""]);
	await gateway.expectQuiet();
});

test("http: reject answers 426 and says which protocol is spoken; WebSockets go on", async () => {
	const { backend, gateway } = await start(report, "http: reject");
	const client = await connectRaw({ port: gateway.port });
	client.write("GET /app HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	const head = await client.readHead();
	expect(head.header("upgrade")).toBe("websocket");
	expect(head.header("connection")?.toLowerCase()).toContain("upgrade");
	await expectRejection(client, head, 426, "UPGRADE_REQUIRED");
	expect(await gateway.waitForLog("http.request")).toMatchObject({
		status: 426,
		code: "UPGRADE_REQUIRED",
		route: "app",
	});
	const socket = await openWs(gateway.url("/app"));
	socket.socket.send("yes");
	expect(await socket.next()).toBe("yes");
	socket.socket.close();
	await socket.waitClosed();
	expect(backend.requests).toHaveLength(1);
	await gateway.expectQuiet();
});

test("no route: 404; no backend: 502; both in one line that says what to do", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:${await closedPort()}"] } }
		routes: [{ match: { path_prefix: /app }, upstream: app }]
	`);
	const nowhere = await fetch(gateway.url("/elsewhere", "http"));
	expect([nowhere.status, await nowhere.text()]).toEqual([404, expect.stringMatching(/^NO_ROUTE: [^\n]+\n?$/)]);
	const dead = await fetch(gateway.url("/app", "http"));
	expect([dead.status, await dead.text()]).toEqual([502, expect.stringMatching(/^CONNECT_FAILED: [^\n]+\n?$/)]);
	await gateway.expectQuiet();
	expect(gateway.lines.of("http.request").map(({ status, code }) => [status, code])).toEqual([
		[404, "NO_ROUTE"],
		[502, "CONNECT_FAILED"],
	]);
});

test("a client that goes away while its answer is written ends the request at the backend", async () => {
	let ended = false;
	const { gateway } = await start((request, response) => {
		response.write("x");
		response.on("close", () => {
			ended = true;
		});
		request.resume();
	});
	const client = await connectRaw({ port: gateway.port });
	client.write("GET /app HTTP/1.1\r\nHost: x\r\n\r\n");
	await client.readHead();
	client.reset();
	await until(() => ended, { what: "the backend to see the end" });
	await gateway.expectQuiet();
});

test("a sticky cookie is set once and brings HTTP and WebSocket to the same endpoint", async () => {
	const backends = await Promise.all(
		["one", "two", "three"].map((name) => {
			return startWsBackend({
				onRequest: (_, response) => response.setHeader("Set-Cookie", "own=1").end(name),
				onConnection: (socket) => socket.send(name),
			});
		}),
	);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: [${backends.map(({ url }) => JSON.stringify(url)).join(", ")}]
				sticky: { cookie: { name: spot, ttl: 1h } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const url = gateway.url("/", "http");
	const names = new Set<string>();
	for (let i = 0; i < 6; i++) {
		const first = await fetch(url);
		const cookies = first.headers.getSetCookie();
		const name = await first.text();
		names.add(name);
		expect(cookies).toContain("own=1");
		const sticky = cookies.find((cookie) => cookie.startsWith("spot=")) ?? "";
		expect(sticky).toMatch(/; ?HttpOnly/i);
		expect(sticky).toMatch(/; ?SameSite=Lax/i);
		expect(sticky).toMatch(/; ?Max-Age=3600/i);
		expect(sticky).toMatch(/; ?Path=\//i);
		expect(sticky).not.toMatch(/; ?Secure/i);
		expect(sticky).not.toContain("127.0.0.1");
		const Cookie = `other=2; ${sticky.split(";")[0]}`;
		const again = await fetch(url, { headers: { Cookie } });
		expect(await again.text()).toBe(name);
		const socket = await openWs(gateway.url("/ws"), [], { headers: { Cookie } });
		expect(await socket.next()).toBe(name);
		socket.socket.close();
		await socket.waitClosed();
	}
	expect(names).toEqual(new Set(["one", "two", "three"]));
	// A WebSocket without the cookie gets one in its 101.
	const client = await connectRaw({ port: gateway.port });
	const head = await client.open("/ws");
	expect(head.all("set-cookie").filter((cookie) => cookie.startsWith("spot="))).toHaveLength(1);
	client.reset();
	await gateway.expectQuiet();
});

test("a request whose first endpoint cannot be reached goes to the next one", async () => {
	const backend = await startWsBackend({ onRequest: report });
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:${await closedPort()}", "${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	for (let i = 0; i < 4; i++) {
		const answer = await fetch(gateway.url("/", "http"), { method: "POST", body: `body ${i}` });
		expect([answer.status, ((await answer.json()) as Report).length]).toEqual([200, 6]);
	}
	await gateway.expectQuiet();
	expect(gateway.lines.of("http.request").map(({ status, endpoint }) => [status, endpoint])).toEqual(
		Array.from({ length: 4 }, () => [200, backend.id]),
	);
});
