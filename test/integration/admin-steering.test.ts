import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { readRequest, startRawBackend, switchingProtocols } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";

async function chatGateway(more = "") {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(adminYaml({ chat: [backend.url] }, more));
	return { backend, gateway, open: (path = "/chat", ...protocols: string[]) => openWs(gateway.url(path), protocols) };
}

describe("PATCH an endpoint", () => {
	const two = async () => {
		const [one, other] = [await startWsBackend(), await startWsBackend()];
		const yaml = (state = "ready", weight = 1) => `
			listeners: [{ name: main, address: "127.0.0.1:0" }]
			admin: { address: "127.0.0.1:0" }
			upstreams:
			  chat: { endpoints: [{ url: "${one.url}", state: ${state}, weight: ${weight} }, "${other.url}"] }
			routes: [{ name: chat, upstream: chat }]
		`;
		return { one, other, yaml };
	};

	test("drain and maint keep new clients away, and open connections stay", async () => {
		const { one, other, yaml } = await two();
		const gateway = await startTestGateway(yaml());
		const early = [await openWs(gateway.url()), await openWs(gateway.url())];
		expect([one.sockets.length, other.sockets.length]).toEqual([1, 1]);
		for (const state of ["drain", "maint"]) {
			const path = `upstreams/chat/endpoints/${encodeURIComponent(one.id)}`;
			const { status, json } = await api(gateway.handle, path, { method: "PATCH", body: { state } });
			expect(status).toBe(200);
			expect(json).toMatchObject({
				id: one.id,
				state,
				configured: { state: "ready", weight: 1 },
				available: false,
				active: 1,
			});
			await openWs(gateway.url());
			await openWs(gateway.url());
			expect(one.sockets).toHaveLength(1);
		}
		for (const client of early) {
			client.socket.send("here");
			expect(await client.next()).toBe("here");
		}
		expect(await gateway.waitForLog("endpoint.changed")).toMatchObject({
			upstream: "chat",
			endpoint: one.id,
			state: "drain",
			by: "api",
		});
	});

	test("a weight counts at once, and null goes back to the file's", async () => {
		const { one, other, yaml } = await two();
		const gateway = await startTestGateway(yaml());
		const patch = (body: unknown) =>
			api(gateway.handle, `upstreams/chat/endpoints/${one.id}`, { method: "PATCH", body });
		expect((await patch({ weight: 0 })).json).toMatchObject({
			weight: 0,
			effective_weight: 0,
			unavailable_reason: "weight 0",
		});
		for (let i = 0; i < 4; i++) await openWs(gateway.url());
		expect([one.sockets.length, other.sockets.length]).toEqual([0, 4]);
		expect((await patch({ weight: null })).json).toMatchObject({ weight: 1, available: true });
		for (let i = 0; i < 4; i++) await openWs(gateway.url());
		expect(one.sockets).toHaveLength(2);
	});

	test("back in service it starts slowly, where the upstream says so", async () => {
		const backend = await startWsBackend();
		const gateway = await startTestGateway(`
			listeners: [{ name: main, address: "127.0.0.1:0" }]
			admin: { address: "127.0.0.1:0" }
			upstreams: { chat: { endpoints: ["${backend.url}"], load_balancing: { slow_start: 1h } } }
			routes: [{ name: chat, upstream: chat }]
		`);
		const patch = (state: string) =>
			api(gateway.handle, `upstreams/chat/endpoints/${backend.id}`, { method: "PATCH", body: { state } });
		expect((await api(gateway.handle, "upstreams")).json.upstreams[0].endpoints[0].effective_weight).toBe(1);
		await patch("maint");
		expect((await patch("ready")).json).toMatchObject({ weight: 1, available: true, effective_weight: 0.1 });
	});

	test("survives reloads until the file says something else about that value", async () => {
		const { one, yaml } = await two();
		const gateway = await startReloadable(yaml());
		const shown = async () => (await api(gateway.handle, "upstreams")).json.upstreams[0].endpoints[0];
		await api(gateway.handle, `upstreams/chat/endpoints/${one.id}`, {
			method: "PATCH",
			body: { state: "maint", weight: 7 },
		});
		await gateway.change(yaml("ready", 1).replace("name: chat,", "name: renamed,"));
		expect(await shown()).toMatchObject({ state: "maint", weight: 7 });
		await gateway.change(yaml("ready", 3));
		expect(await shown()).toMatchObject({ state: "maint", weight: 3, configured: { state: "ready", weight: 3 } });
		await gateway.change(yaml("drain", 3));
		expect(await shown()).toMatchObject({ state: "drain", weight: 3 });
		// What the file overruled does not come back with the file's old value.
		await gateway.change(yaml("ready", 1));
		expect(await shown()).toMatchObject({ state: "ready", weight: 1 });
	});

	test("refuses what is no endpoint, no state, and a body without a change", async () => {
		const { one, yaml } = await two();
		const gateway = await startTestGateway(yaml());
		const patch = async (path: string, body: unknown) => {
			const { status, json } = await api(gateway.handle, `upstreams/${path}`, { method: "PATCH", body });
			return [status, json.error.message];
		};
		expect(await patch(`other/endpoints/${one.id}`, { state: "drain" })).toEqual([
			404,
			'name: there is no upstream "other"; there are chat',
		]);
		expect(await patch("chat/endpoints/10.0.0.1:1", { state: "drain" })).toEqual([
			404,
			expect.stringMatching(/^id: there is no endpoint in chat "10\.0\.0\.1:1"; there are 127\./),
		]);
		expect(await patch(`chat/endpoints/${one.id}`, {})).toEqual([400, "the body: give state or weight, or both"]);
		expect((await patch(`chat/endpoints/${one.id}`, { state: "down" }))[1]).toMatch(
			/^state: expected one of ready, drain, maint/,
		);
		expect((await patch(`chat/endpoints/${one.id}`, { weight: 1001 }))[1]).toMatch(/^weight: has to be at most 1000/);
	});
});

describe("POST drain", () => {
	test("closes the connections of an endpoint, keeps new ones away from it, and its progress can be watched", async () => {
		const [one, two] = [await startWsBackend(), await startWsBackend()];
		const gateway = await startTestGateway(adminYaml({ chat: [one.url, two.url] }));
		const clients = await Promise.all(Array.from({ length: 6 }, () => openWs(gateway.url("/chat"))));
		const body = { endpoint: one.id, spread: "0s", close_code: 4001, reason: "moving" };
		const started = await api(gateway.handle, "drain", { method: "POST", body });
		expect(started.status).toBe(202);
		expect(started.json).toMatchObject({
			id: 1,
			target: `endpoint ${one.id}`,
			total: 3,
			state: "running",
			close_code: 4001,
		});
		const closed = await until(
			() => {
				const gone = clients.filter((client) => client.closed);
				return gone.length === 3 && gone;
			},
			{ what: "three clients closed" },
		);
		expect(closed.map((client) => client.closed)).toEqual(Array(3).fill({ code: 4001, reason: "moving" }));
		await until(async () => (await api(gateway.handle, "drain")).json.drains[0].state === "done", {
			what: "the drain's end",
		});
		expect((await api(gateway.handle, "drain")).json.drains).toMatchObject([{ id: 1, remaining: 0, total: 3 }]);
		await openWs(gateway.url("/chat"));
		await openWs(gateway.url("/chat"));
		expect([one.sockets.length, two.sockets.length]).toEqual([3, 5]);
		const drained = gateway.logs.filter(({ event }) => event === "ws.close");
		expect(drained.every(({ endpoint, termination }) => endpoint === one.id && termination === "drain")).toBe(true);
		const [upstream] = (await api(gateway.handle, "upstreams")).json.upstreams;
		expect(upstream.endpoints[0]).toMatchObject({ state: "drain", available: false, unavailable_reason: "drain" });
	});

	test("of an endpoint also takes a handshake that was under way when it began", async () => {
		let answer = false;
		const slow = await startRawBackend(async (peer) => {
			const head = await readRequest(peer);
			await until(() => answer, { what: "the word to answer" });
			peer.write(switchingProtocols(head));
			peer.socket.on("end", () => peer.end());
		});
		const gateway = await startTestGateway(adminYaml({ chat: [slow.url] }));
		const opening = openRaw(gateway.port, "/chat");
		await until(() => slow.connections[0]?.request, { what: "the handshake at the backend" });
		const body = { endpoint: slow.id, spread: "0s", close_code: 4002 };
		expect((await api(gateway.handle, "drain", { method: "POST", body })).json.total).toBe(0);
		answer = true;
		const client = await opening;
		const close = await client.readFrame();
		expect([close.opcode, close.payload.readUInt16BE(0)]).toEqual([OPCODE.close, 4002]);
		client.sendClose(4002);
		client.end();
		expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "drain", close_code: 4002 });
	});

	test("of a route takes the route's own drain where nothing else is said, and leaves others alone", async () => {
		const [one, two] = [await startWsBackend(), await startWsBackend()];
		const gateway = await startTestGateway(adminYaml({ one: [one.url], two: [two.url] }));
		const [gone, kept] = [await openWs(gateway.url("/one")), await openWs(gateway.url("/two"))];
		const { json } = await api(gateway.handle, "drain", { method: "POST", body: { route: "one" } });
		expect(json).toMatchObject({ target: "route one", total: 1, spread_ms: 0, timeout_ms: 5000, close_code: 1001 });
		expect(await gone.waitClosed()).toEqual({ code: 1001, reason: "service restart" });
		kept.socket.send("kept");
		expect(await kept.next()).toBe("kept");
		await openWs(gateway.url("/one"));
	});

	test("of everything, spread over time, shows how many are left; a later, faster one takes over", async () => {
		const { gateway, open } = await chatGateway();
		const clients = [await open(), await open(), await open(), await open()];
		const slow = await api(gateway.handle, "drain", { method: "POST", body: { spread: "1h" } });
		expect(slow.json).toMatchObject({ target: "gateway", total: 4, spread_ms: 3_600_000 });
		expect(slow.json.timeout_ms).toBeGreaterThan(3_600_000);
		await until(() => clients.filter((client) => client.closed).length === 1, { what: "the first Close" });
		await until(async () => (await api(gateway.handle, "drain")).json.drains[0].remaining === 3, {
			what: "three left",
		});
		expect((await api(gateway.handle, "routes")).json.routes[0]).toMatchObject({ active: 3, draining: 3 });
		const fast = await api(gateway.handle, "drain", { method: "POST", body: { upstream: "chat", spread: "0s" } });
		expect(fast.json).toMatchObject({ id: 2, target: "upstream chat", total: 3 });
		await Promise.all(clients.map((client) => client.waitClosed()));
	});

	test("names what it does not know, and times that cannot be", async () => {
		const { gateway } = await chatGateway();
		const ask = async (body: unknown) => {
			const { status, json } = await api(gateway.handle, "drain", { method: "POST", body });
			return [status, json.error.message];
		};
		expect(await ask({ route: "chta" })).toEqual([404, 'route: there is no route "chta", did you mean "chat"?']);
		expect(await ask({ upstream: "x" })).toEqual([404, 'upstream: there is no upstream "x"; there are chat']);
		expect(await ask({ endpoint: "x:1" })).toEqual([
			404,
			expect.stringMatching(/^endpoint: there is no endpoint "x:1"; there are 127\./),
		]);
		expect(await ask({ spread: "5m", timeout: "1m" })).toEqual([400, "spread: must not be longer than timeout"]);
		expect((await ask({ spread: 5 }))[1]).toBe("spread: a duration needs a unit: write 5s or 5ms");
		expect((await ask({ spread: "off" }))[1]).toMatch(/^spread: off is not possible here/);
		expect((await api(gateway.handle, "drain")).json.drains).toEqual([]);
	});
});
