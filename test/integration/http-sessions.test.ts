/** Plain HTTP that takes its time is among the open connections: listed, drained, closed, stopped, each with its line. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { type BackendPeer, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

const EVENTS =
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";

async function start(drain = "{ timeout: 600ms, spread: 0s }") {
	const asked = new Map<string, BackendPeer>();
	const backend = await startRawBackend(async (peer) => {
		const request = await peer.readHead(60_000);
		asked.set(request.target, peer);
		if (request.target === "/events") peer.write(EVENTS);
		if (request.target === "/sized-events")
			peer.write(EVENTS.replace(/Transfer.*\r\n\r\n9\r\n/, "Content-Length: 90\r\n\r\n"));
		if (request.target === "/download") peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ");
	});
	const tunnels = await startWsBackend();
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		upstreams: { app: { endpoints: ["${backend.url}"] }, ws: { endpoints: ["${tunnels.url}"] } }
		routes:
			- { name: ws, match: { path_prefix: /ws }, upstream: ws }
			- { name: app, match: { path_prefix: / }, upstream: app }
		shutdown: { drain: ${drain} }
	`);
	const ask = async (path: string, head = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`) => {
		const client = await connectRaw({ port: gateway.port });
		client.write(head);
		const peer = await until(() => asked.get(path), { what: "the request" });
		return { client, peer };
	};
	const admin = async (method: string, path: string, body?: object) => {
		const answer = await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/api/v1/${path}`, {
			method,
			...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
		});
		return (await answer.json()) as Record<string, unknown>;
	};
	const lineOf = (path: string) =>
		gateway.waitForLog((record) => record.event === "http.request" && record.path === path);
	return { gateway, backend, ask, admin, lineOf };
}

test("event streams, long polls and uploads are listed beside tunnels, with their bytes, and found by the same filters", async () => {
	const { gateway, backend, ask, admin } = await start();
	const events = await ask("/events");
	await until(() => events.client.unread.includes("data: 1"), { what: "the event" });
	await ask("/poll");
	await ask("/upload", "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789");
	const tunnel = await openRaw(gateway.port, "/ws");
	const page = async (query: string) =>
		(await admin("GET", `connections?order=asc&${query}`)).connections as Record<string, unknown>[];
	await until(async () => (await page("")).some((row) => row.bytes_in === 10), { what: "the upload's bytes" });
	expect(await page("")).toMatchObject([
		{ kind: "http", path: "/events", route: "app", endpoint: backend.id, bytes_out: 9, closing: false },
		{ kind: "http", path: "/poll", bytes_in: 0, bytes_out: 0 },
		{ kind: "http", path: "/upload", bytes_in: 10 },
		{ kind: "websocket", path: "/ws", route: "ws" },
	]);
	expect(await page(`endpoint=${backend.id}`)).toHaveLength(3);
	expect(await page("route=ws")).toHaveLength(1);
	// Metrics of connections are those of WebSockets.
	const metrics = await (await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
	expect(metrics).toMatch(/clawgate_connections_active\{[^}]*route="ws"[^}]*\} 1/);
	expect(metrics).not.toMatch(/clawgate_connections_active\{[^}]*route="app"/);
	for (const client of [events.client, tunnel]) client.reset();
});

test("a drain of the route ends an event stream properly, waits for other answers, and cuts what is left", async () => {
	const { gateway, backend, ask, admin, lineOf } = await start();
	const events = await ask("/events");
	await until(() => events.client.unread.includes("data: 1"), { what: "the event" });
	const download = await ask("/download");
	const poll = await ask("/poll");
	const stuck = await ask("/stuck");
	const tunnel = await openRaw(gateway.port, "/ws");
	await admin("POST", "drain", { route: "app", spread: "0s", timeout: "700ms" });
	await until(() => events.client.unread.toString().endsWith("0\r\n\r\n"), { what: "the end of the stream" });
	expect(await lineOf("/events")).toMatchObject({ status: 200, termination: "drain", bytes_out: 9 });
	expect(await admin("GET", "drain")).toMatchObject({ drains: [{ total: 4, remaining: 3 }] });
	download.peer.write("whole");
	expect(await download.client.readBody(await download.client.readHead())).toBe("half whole");
	poll.peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	const head = await poll.client.readHead();
	expect([await poll.client.readBody(head), head.header("connection")]).toEqual(["ok", "close"]);
	for (const path of ["/download", "/poll"]) expect((await lineOf(path)).termination).toBeUndefined();
	await stuck.client.ended();
	expect(await lineOf("/stuck")).toMatchObject({ status: 503, termination: "drain" });
	await until(() => backend.openCount() === 0, { what: "nothing left at the backend" });
	expect(gateway.handle.connectionCount()).toBe(1);
	tunnel.reset();
	await gateway.expectQuiet();
});

test("a drain ends an event stream of a known length with its connection: nothing else may be taken for its rest", async () => {
	const { ask, admin, lineOf } = await start();
	const { client } = await ask("/sized-events");
	await until(() => client.unread.includes("data: 1"), { what: "the event" });
	await admin("POST", "drain", { route: "app", spread: "0s" });
	client.write("GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
	await client.ended();
	expect(client.unread.toString().split("HTTP/1.1")).toHaveLength(2);
	expect(await lineOf("/sized-events")).toMatchObject({ status: 200, termination: "drain" });
});

test("the operator's close ends an exchange at once", async () => {
	const { gateway, backend, ask, admin, lineOf } = await start();
	const { client } = await ask("/download");
	await until(() => client.unread.toString().endsWith("half "), { what: "a part" });
	expect(await admin("DELETE", "connections?route=app", {})).toMatchObject({ closed: 1 });
	await client.ended();
	expect(await lineOf("/download")).toMatchObject({ status: 200, termination: "killed", bytes_out: 5 });
	await until(() => backend.openCount() === 0, { what: "nothing left at the backend" });
	await gateway.expectQuiet();
});

test("a stop ends event streams, waits for answers, and cuts the others at its deadline", async () => {
	const { gateway, ask, lineOf } = await start();
	const events = await ask("/events");
	await until(() => events.client.unread.includes("data: 1"), { what: "the event" });
	const stuck = await ask("/stuck");
	const startedAt = performance.now();
	await gateway.stop();
	expect(performance.now() - startedAt).toBeGreaterThan(500);
	expect(performance.now() - startedAt).toBeLessThan(2_500);
	await Promise.all([events.client.ended(), stuck.client.ended()]);
	expect(await lineOf("/events")).toMatchObject({ status: 200, termination: "shutdown" });
	expect(await lineOf("/stuck")).toMatchObject({ status: 503, termination: "shutdown" });
});
