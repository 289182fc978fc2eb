import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";

async function chatGateway(more = "") {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(adminYaml({ chat: [backend.url] }, more));
	return { backend, gateway, open: (path = "/chat", ...protocols: string[]) => openWs(gateway.url(path), protocols) };
}

describe("GET connections", () => {
	test("tells of each open connection what the log tells, and what went through it", async () => {
		const { backend, gateway } = await chatGateway("");
		const client = await openWs(gateway.url("/chat/room?token=secret"), ["chat.v2"], {
			origin: gateway.url("", "http"),
		});
		client.socket.send("hello");
		await client.next();
		const { status, json } = await api(gateway.handle, "connections");
		expect(status).toBe(200);
		expect(json).toMatchObject({ total: 1, limit: 100, offset: 0, next_cursor: null });
		expect(json.connections).toHaveLength(1);
		const [connection] = json.connections;
		const opened = await gateway.waitForLog("ws.open");
		expect(connection).toMatchObject({
			connection_id: opened.connection_id,
			client_ip: "127.0.0.1",
			peer_ip: "127.0.0.1",
			listener: "main",
			route: "chat",
			upstream: "chat",
			endpoint: backend.id,
			host: `127.0.0.1:${gateway.port}`,
			path: "/chat/room",
			subprotocol: "chat.v2",
			http_version: "1.1",
			messages_in: 1,
			messages_out: 1,
			bytes_in: 11,
			bytes_out: 7,
			draining: false,
			closing: false,
		});
		expect(connection.age_ms).toBeGreaterThanOrEqual(0);
		expect(JSON.stringify(json)).not.toContain("secret");
		expect((await api(gateway.handle, `connections/${connection.connection_id}`)).json).toMatchObject({
			connection_id: connection.connection_id,
			bytes_in: 11,
		});
		expect(await api(gateway.handle, "connections/none")).toMatchObject({
			status: 404,
			json: { error: { code: "NOT_FOUND" } },
		});
	});

	test("filters by route, upstream, endpoint, address, range, user and subprotocol, and all have to fit", async () => {
		const [one, two] = [await startWsBackend(), await startWsBackend()];
		const gateway = await startTestGateway(adminYaml({ one: [one.url], two: [two.url] }));
		await openWs(gateway.url("/one"), ["a"]);
		await openWs(gateway.url("/two"), ["b"]);
		await openRaw(gateway.port, "/two", { localAddress: "127.0.0.9" });
		const count = async (query: string) => (await api(gateway.handle, `connections?${query}`)).json.total;
		expect(await count("")).toBe(3);
		expect(await count("route=one")).toBe(1);
		expect(await count("upstream=two")).toBe(2);
		expect(await count(`endpoint=${encodeURIComponent(one.id)}`)).toBe(1);
		expect(await count("client_ip=127.0.0.9")).toBe(1);
		expect(await count("client_ip=127.0.0.0%2F29")).toBe(2);
		expect(await count("subprotocol=b")).toBe(1);
		expect(await count("route=two&subprotocol=a")).toBe(0);
		expect(await count("user=alice")).toBe(0);
	});

	test("pages from the newest to the oldest; a cursor does not notice what opens and closes meanwhile", async () => {
		const { gateway, open } = await chatGateway();
		const ids: string[] = [];
		const clients = [];
		for (let i = 0; i < 7; i++) {
			clients.push(await open());
			ids.unshift((await api(gateway.handle, "connections?limit=1")).json.connections[0].connection_id);
		}
		const idsOf = (json: { connections: { connection_id: string }[] }) =>
			json.connections.map((each) => each.connection_id);
		const first = (await api(gateway.handle, "connections?limit=3")).json;
		expect(idsOf(first)).toEqual(ids.slice(0, 3));
		expect(first.total).toBe(7);
		// The one whose number is the cursor goes, and a new one comes.
		clients[4]?.socket.close();
		await until(() => gateway.handle.connectionCount() === 6, { what: "one connection closed" });
		await open();
		const second = (await api(gateway.handle, `connections?limit=3&cursor=${first.next_cursor}`)).json;
		expect(idsOf(second)).toEqual(ids.slice(3, 6));
		const third = (await api(gateway.handle, `connections?limit=3&cursor=${second.next_cursor}`)).json;
		expect(idsOf(third)).toEqual(ids.slice(6));
		expect(third.next_cursor).toBeNull();
		const oldest = (await api(gateway.handle, "connections?limit=2&order=asc")).json;
		expect(idsOf(oldest)).toEqual([ids[6], ids[5]]);
		expect(idsOf((await api(gateway.handle, `connections?order=asc&cursor=${oldest.next_cursor}`)).json)[0]).toBe(
			ids[4],
		);
		expect(idsOf((await api(gateway.handle, "connections?offset=6")).json)).toEqual([ids[6]]);
	});

	test("sorts by what went through", async () => {
		const { gateway, open } = await chatGateway();
		for (const size of [10, 1000, 100]) {
			const client = await open();
			client.socket.send("x".repeat(size));
			await client.next();
		}
		const sizes = async (query: string) =>
			(await api(gateway.handle, `connections?${query}`)).json.connections.map(
				(each: { bytes_out: number }) => each.bytes_out,
			);
		expect(await sizes("sort=bytes_out")).toEqual([1004, 102, 12]);
		expect(await sizes("sort=bytes_out&order=asc&limit=2")).toEqual([12, 102]);
		expect(await sizes("sort=bytes_out&offset=2")).toEqual([12]);
	});

	test("tells the answer time of the gateway's pings to each side", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml(
			{ chat: [backend.url] },
			"defaults: { ping: { interval: 100ms, timeout: 5s, sides: [client, backend] } }",
		);
		const gateway = await startTestGateway(yaml);
		await openWs(gateway.url("/chat"));
		const rtt = await until(
			async () => {
				const [connection] = (await api(gateway.handle, "connections")).json.connections;
				return connection.rtt_ms.client > 0 && connection.rtt_ms.backend > 0 && connection.rtt_ms;
			},
			{ what: "a Pong from both sides" },
		);
		expect(rtt.client).toBeLessThan(5000);
	});

	test.each([
		["limit=0", "limit: expected a whole number from 1 to 1000"],
		["limit=1001", "limit: expected a whole number from 1 to 1000"],
		["rout=chat", 'rout: unknown key "rout", did you mean "route"?'],
		["route=a&route=b", "route: is there twice"],
		["client_ip=chat", "client_ip: expected an address or a range such as 10.0.0.0/8 or ::1"],
		["cursor=5&offset=2", "cursor: cannot stand next to offset, or to a sort other than opened"],
		["cursor=5&sort=rtt", "cursor: cannot stand next to offset, or to a sort other than opened"],
		["__proto__=x", "unknown key"],
	])("refuses ?%s and says why", async (query, message) => {
		const { gateway } = await chatGateway();
		const { status, json } = await api(gateway.handle, `connections?${query}`);
		expect(status).toBe(400);
		expect(json.error.code).toBe("INVALID");
		expect(json.error.message).toContain(message);
	});
});

describe("DELETE connections", () => {
	test("closes one with the code and reason that are given; its log line says killed", async () => {
		const { gateway, open } = await chatGateway();
		const [victim, other] = [await open(), await open()];
		const { connection_id } = await gateway.waitForLog("ws.open");
		const { status, json } = await api(gateway.handle, `connections/${connection_id}`, {
			method: "DELETE",
			body: { close_code: 4000, reason: "go away" },
		});
		expect([status, json]).toEqual([200, { closed: 1, already_closing: 0 }]);
		expect(await victim.waitClosed()).toEqual({ code: 4000, reason: "go away" });
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			connection_id,
			close_code: 4000,
			close_initiator: "gateway",
			termination: "killed",
		});
		other.socket.send("still here");
		expect(await other.next()).toBe("still here");
		expect((await api(gateway.handle, `connections/${connection_id}`, { method: "DELETE" })).status).toBe(404);
	});

	test("closes those that fit a filter, with 1008 unless told otherwise, and says how many", async () => {
		const { gateway, open } = await chatGateway();
		const victims = [await open("/chat", "a"), await open("/chat", "a")];
		const other = await open("/chat", "b");
		const { json } = await api(gateway.handle, "connections?subprotocol=a", { method: "DELETE" });
		expect(json).toEqual({ closed: 2, already_closing: 0 });
		for (const victim of victims) {
			expect(await victim.waitClosed()).toEqual({ code: 1008, reason: "closed by the operator" });
		}
		expect(other.closed).toBeUndefined();
	});

	test("closes none without a filter, unless all of them are meant", async () => {
		const { gateway, open } = await chatGateway();
		const client = await open();
		const refused = await api(gateway.handle, "connections", { method: "DELETE" });
		expect(refused.status).toBe(400);
		expect(refused.json.error.message).toMatch(/^all: a filter is needed \(route, upstream,/);
		expect((await api(gateway.handle, "connections?al=true", { method: "DELETE" })).status).toBe(400);
		expect((await api(gateway.handle, "connections?all=yes", { method: "DELETE" })).status).toBe(400);
		expect(client.closed).toBeUndefined();
		expect((await api(gateway.handle, "connections?all=true", { method: "DELETE" })).json.closed).toBe(1);
		await client.waitClosed();
	});

	test("refuses a code that cannot be sent, a reason that is too long, and names the field", async () => {
		const { gateway, open } = await chatGateway();
		const client = await open();
		const ask = async (body: unknown) =>
			(await api(gateway.handle, "connections?all=true", { method: "DELETE", body })).json.error.message;
		expect(await ask({ close_code: 1006 })).toMatch(/^close_code: expected a close code that may be sent/);
		expect(await ask({ reason: "ü".repeat(62) })).toMatch(/^reason: a close reason has at most 123 bytes/);
		expect(await ask({ code: 1000 })).toMatch(/^code: unknown key "code"/);
		expect(await ask([])).toMatch(/^the body: /);
		expect(client.closed).toBeUndefined();
	});
});

describe("GET routes, upstreams and config", () => {
	test("count what is open, what was opened, closed and refused, for each route", async () => {
		const { gateway, open } = await chatGateway("");
		await open();
		const second = await open();
		second.socket.close();
		await second.waitClosed();
		await gateway.waitForLog("ws.close");
		await expect(openWs(gateway.url("/chat"), [], { origin: "https://evil.example" })).rejects.toThrow();
		const { json } = await api(gateway.handle, "routes");
		expect(json.routes).toEqual([
			{
				name: "chat",
				match: { path_prefix: ["/chat"] },
				upstreams: [{ name: "chat", weight: 1 }],
				hub: null,
				http: "forward",
				active: 1,
				draining: 0,
				opened: 2,
				closed: 1,
				rejected: 1,
			},
		]);
	});

	test("show every endpoint with its state, weight, health and load", async () => {
		const backend = await startWsBackend();
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			admin: { address: "127.0.0.1:0" }
			upstreams:
			  chat:
			    endpoints: [{ url: "${backend.url}", weight: 3 }, { url: "ws://127.0.0.1:1", state: maint }, { url: "ws://127.0.0.1:2", backup: true }]
			    load_balancing: { policy: least_connections }
			    sticky: { cookie: {} }
			    circuit_breaker: {}
			routes: [{ upstream: chat }]
		`);
		await openWs(gateway.url());
		const [upstream] = (await api(gateway.handle, "upstreams")).json.upstreams;
		expect(upstream).toMatchObject({
			name: "chat",
			policy: "least_connections",
			sticky: "cookie",
			discovery: null,
			health_check: null,
		});
		expect(upstream.endpoints).toMatchObject([
			{
				id: backend.id,
				url: backend.url,
				state: "ready",
				weight: 3,
				effective_weight: 3,
				available: true,
				breaker: "closed",
				active: 1,
				pending: 0,
			},
			{ id: "127.0.0.1:1", state: "maint", available: false, unavailable_reason: "maint", active: 0 },
			{ id: "127.0.0.1:2", backup: true, available: true },
		]);
	});

	test("show the configuration with its defaults and without its secrets", async () => {
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			admin: { address: "127.0.0.1:0", token: top-secret-1 }
			upstreams:
			  chat: { endpoints: ["ws://127.0.0.1:1"], sticky: { cookie: { secret: top-secret-2-top-secret-2-top-secret } } }
			routes:
			  - upstream: chat
			    match: { headers: { Authorization: top-secret-3 } }
			    request_headers: { set: { X-Api-Key: top-secret-4 } }
		`);
		const headers = { authorization: "Bearer top-secret-1" };
		for (const path of ["config", "routes", "upstreams"]) {
			const { status, text } = await api(gateway.handle, path, { headers });
			expect(status).toBe(200);
			expect(text).not.toContain("top-secret");
		}
		const { config } = (await api(gateway.handle, "config", { headers })).json;
		expect(config.admin.token).toBe("***");
		expect(config.routes[0]).toMatchObject({ name: "route-1", timeouts: { idle: 3_600_000, lifetime: "off" } });
		expect((await api(gateway.handle, "config")).status).toBe(401);
	});
});

test("connections that are closed by the API end on both sides and leave nothing", async () => {
	const { backend, gateway, open } = await chatGateway();
	const raw = await openRaw(gateway.port, "/chat");
	await open();
	await api(gateway.handle, "connections?all=true", { method: "DELETE", body: { close_code: 1012 } });
	const close = await raw.readFrame();
	expect([close.opcode, close.payload.readUInt16BE(0)]).toEqual([OPCODE.close, 1012]);
	raw.sendClose(1012);
	raw.end();
	await until(() => backend.sockets.every((socket) => socket.readyState === WebSocket.CLOSED), {
		what: "both backends' ends",
	});
	await gateway.expectQuiet();
});
