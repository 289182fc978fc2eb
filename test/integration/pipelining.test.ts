/** One plain request at a time on a connection, and clients that close their side or leave. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { type BackendPeer, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const ok = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

/** The backend answers with the path, or, below /held, when it is told to. */
async function start(listener = "") {
	const asked: string[] = [];
	const held: BackendPeer[] = [];
	const backend = await startRawBackend(async (peer) => {
		for (;;) {
			const { target, header } = await peer.readHead(60_000);
			if (target === "/early") {
				peer.write(ok("early"));
				continue;
			}
			const body = await peer.read(Number(header("content-length") ?? 0));
			asked.push(target);
			if (target.startsWith("/held")) held.push(peer);
			else if (target === "/part") peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
			else peer.write(ok(target + body.toString()));
		}
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${listener} }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 500ms, spread: 0s } }
	`);
	return { backend, gateway, asked, held };
}

describe.each([
	["plain", false],
	["TLS", true],
] as const)("over %s", (_, tls) => {
	const listener = tls ? ", tls: { self_signed: [localhost] }" : "";

	test("pipelined requests are asked one by one, answered in order, and each has its line", async () => {
		const { gateway, asked, held, backend } = await start(listener);
		const client = await connectRaw({ port: gateway.port, tls });
		client.write(
			`${GET("/held")}POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc${GET("/2")}` +
				`POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${GET("/3")}`,
		);
		const peer = await until(() => held[0], { what: "the first request" });
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect([asked, backend.connections.length]).toEqual([["/held"], 1]);
		peer.write(ok("first"));
		for (const text of ["first", "/bodyabc", "/2", "/chunks", "/3"]) {
			expect(await client.readBody(await client.readHead())).toBe(text);
		}
		expect(gateway.lines.of("http.request").map(({ path }) => path)).toEqual(["/held", "/body", "/2", "/chunks", "/3"]);
		client.reset();
		await gateway.expectQuiet();
	});

	test.each(["end", "reset"] as const)(
		"a client that leaves (%s) with requests under way frees all, and nothing is asked",
		async (how) => {
			const { gateway, backend, asked } = await start(listener);
			const client = await connectRaw({ port: gateway.port, tls, allowHalfOpen: false });
			client.write(GET("/held") + GET("/secret").repeat(50));
			await until(() => asked.length === 1, { what: "the first request" });
			if (how === "reset") client.reset();
			else client.socket.destroy();
			await until(() => backend.openCount() === 0, { what: "the backend's connection to close" });
			expect(asked).toEqual(["/held"]);
			await gateway.waitForLog("http.request");
			expect(gateway.lines.of("http.request")).toMatchObject([{ status: 499, code: "CLIENT_GONE", path: "/held" }]);
			await gateway.expectQuiet();
		},
	);
});

test("an answer that comes before the request's body has ended costs the requests behind it nothing", async () => {
	const { gateway, held } = await start();
	const client = await connectRaw({ port: gateway.port });
	const body = "x".repeat(300_000);
	client.write(`POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(5)}`);
	expect(await client.readBody(await client.readHead())).toBe("early");
	client.write(`${body.slice(0, 5)}${GET("/held")}`);
	const peer = await until(() => held[0], { what: "the next request" });
	// Longer than a client may take for the rest of a body.
	await new Promise((resolve) => setTimeout(resolve, 2_200));
	peer.write(ok("second"));
	expect(await client.readBody(await client.readHead())).toBe("second");
	client.reset();
	await gateway.expectQuiet();
});

test("a body that turns out to be malformed after its answer gets no second answer", async () => {
	const { gateway } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write("POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	expect(await client.readBody(await client.readHead())).toBe("early");
	client.write("nonsense\r\n");
	await client.ended();
	expect(client.unread.toString()).toBe("");
	await gateway.expectQuiet();
});

test("pipelined requests of a client that then closes its side are answered", async () => {
	const { gateway } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET("/1") + GET("/2") + GET("/3"));
	client.end();
	for (const text of ["/1", "/2", "/3"]) expect(await client.readBody(await client.readHead())).toBe(text);
	expect(await client.ended()).toBe("fin");
	await gateway.expectQuiet();
});

test("180 KB of pipelined requests open one backend connection, and are cut when the answer takes long", async () => {
	const { gateway, backend } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET("/held").repeat(5_000));
	await client.ended();
	expect(backend.connections).toHaveLength(1);
	await until(() => backend.openCount() === 0, { what: "the backend's connection to close" });
	expect(await gateway.waitForLog("http.request")).toMatchObject({ code: "BAD_REQUEST" });
	await gateway.expectQuiet();
});

test("180 KB of pipelined requests are answered when the backend is quick", { timeout: 20_000 }, async () => {
	const { gateway, backend } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET(`/${"x".repeat(850)}`).repeat(200));
	for (let i = 0; i < 200; i++) expect((await client.readBody(await client.readHead())).length).toBe(851);
	expect(backend.connections).toHaveLength(1);
	client.reset();
	await gateway.expectQuiet();
	expect(gateway.lines.of("http.request")).toHaveLength(200);
});

test("a stop with pipelined requests under way ends at its deadline", async () => {
	const { gateway, asked } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET("/held").repeat(20));
	await until(() => asked.length === 1, { what: "the first request" });
	const startedAt = performance.now();
	await gateway.stop();
	expect(performance.now() - startedAt).toBeLessThan(2_000);
	await client.ended();
	expect(gateway.lines.of("http.request")).toMatchObject([{ path: "/held", termination: "shutdown" }]);
});

test("a client that closes its side after its request gets its answer, however late", async () => {
	const { gateway, held } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET("/held"));
	client.end();
	const peer = await until(() => held[0], { what: "the request" });
	// Longer than the pause before the gateway asks whether the client is there.
	await new Promise((resolve) => setTimeout(resolve, 1_300));
	peer.write(ok("late"));
	let head = await client.readHead();
	while (head.status === 100) head = await client.readHead();
	expect(await client.readBody(head)).toBe("late");
	expect(await client.ended()).toBe("fin");
	await gateway.expectQuiet();
});

test("a client that closes its side in the middle of a silent answer is gone", async () => {
	const { gateway, backend } = await start();
	const client = await connectRaw({ port: gateway.port });
	client.write(GET("/part"));
	await until(() => client.unread.toString().endsWith("part"), { what: "a part of the answer" });
	client.end();
	expect(await gateway.waitForLog("http.request")).toMatchObject({ status: 499, code: "CLIENT_GONE", bytes_out: 4 });
	await until(() => backend.openCount() === 0, { what: "the backend's connection to close" });
	await gateway.expectQuiet();
});

test("a client that leaves in the middle of its upload is gone, and what it had sent is counted", async () => {
	const { gateway } = await start();
	for (const how of ["end", "reset"] as const) {
		const client = await connectRaw({ port: gateway.port });
		client.write(`POST /${how} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${"x".repeat(100)}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
		client[how]();
		const line = await gateway.waitForLog(({ path }) => path === `/${how}`);
		expect(line).toMatchObject({ status: 499, code: "CLIENT_GONE", bytes_in: 100, bytes_out: 0 });
	}
	await gateway.expectQuiet();
});
