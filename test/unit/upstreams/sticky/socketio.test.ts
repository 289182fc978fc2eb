import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { Server } from "socket.io";
import { describe, expect, it } from "vitest";
import { UpstreamStates } from "../../../../src/upstreams/states.ts";
import { extractSid, SID_PREFIX_BYTES } from "../../../../src/upstreams/sticky/socketio.ts";
import { byId, first, request, upstream, weighted } from "../upstream.fixtures.ts";

const OPEN = '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}';
const SID = "lv_VI97HAXpY6yYWAAAC";

describe("extractSid", () => {
	it.each([
		["Engine.IO 4", OPEN],
		["Engine.IO 3 as text", `${OPEN.length}:${OPEN}2:40`],
		["Engine.IO 3 as binary", `\x00\x09\x07\xff${OPEN}\x00\x02\xff40`],
		["Engine.IO 4 in JSONP", `___eio[0](${JSON.stringify(OPEN)});`],
		["Engine.IO 3 in JSONP", `___eio[12](${JSON.stringify(`97:${OPEN}`)});`],
		["a server that writes sid last", `0{"pingInterval":25000,"upgrades":["websocket"], "sid": "${SID}"}`],
	])("reads the sid of %s", (_name, body) => {
		expect(extractSid(Buffer.from(body, "latin1"))).toBe(SID);
	});

	it.each([
		["a message", '42["chat",{"sid":"x"}]'],
		["a message that only contains an open packet", `4${OPEN}`],
		["a page", `<html>${OPEN}</html>`],
		["an error", '{"code":1,"message":"Session ID unknown"}'],
		["an open packet without sid", '0{"pingInterval":25000}'],
		["an open packet that is cut off inside the sid", OPEN.slice(0, 15)],
		["an empty sid", '0{"sid":""}'],
		["a sid of 129 characters", `0{"sid":"${"x".repeat(129)}"}`],
		["a sid that starts too late", `0{"pad":"${"x".repeat(SID_PREFIX_BYTES)}","sid":"${SID}"}`],
		["nothing", ""],
	])("finds none in %s", (_name, body) => {
		expect(extractSid(Buffer.from(body, "latin1"))).toBe(undefined);
	});

	it("survives any bytes", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
				extractSid(Buffer.from(bytes));
				extractSid(Buffer.concat([Buffer.from('0{"sid":"'), bytes]));
			}),
		);
	});

	it.each([
		"EIO=4&transport=polling",
		"EIO=4&transport=polling&j=0",
		"EIO=3&transport=polling",
		"EIO=3&transport=polling&b64=1",
		"EIO=3&transport=polling&j=0",
	])("reads what a real Socket.IO server answers to %s", async (query) => {
		const http = createServer();
		const io = new Server(http, { allowEIO3: true });
		const opened: string[] = [];
		io.engine.on("connection", (socket: { id: string }) => opened.push(socket.id));
		await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
		try {
			const { port } = http.address() as AddressInfo;
			const answer = await fetch(`http://127.0.0.1:${port}/socket.io/?${query}`, { headers: { connection: "close" } });
			const sid = extractSid(Buffer.from(await answer.arrayBuffer()));
			expect(sid).toBeDefined();
			expect(opened).toEqual([sid]);
		} finally {
			await io.close();
		}
	});
});

const poll = (query = "EIO=4&transport=polling") => request({ websocket: false, query });
const withSid = (sid: string, facts: object = {}) =>
	request({ query: `EIO=4&transport=websocket&sid=${sid}`, ...facts });

describe("sticky: socketio", () => {
	const compile = (states?: UpstreamStates, extra: object = {}) =>
		upstream({
			endpoints: weighted(1, 1, 1),
			sticky: "socketio",
			states: states ?? new UpstreamStates(() => 1),
			...extra,
		});

	it("sends polling and upgrade of one sid to the endpoint that opened it, wherever the client moves", () => {
		const pool = compile();
		const home = byId(pool, "c:1");
		pool.watchAnswer(poll(), home)?.(Buffer.from(OPEN));
		for (let i = 0; i < 100; i++) {
			expect(first(pool, withSid(SID, { clientIp: `192.0.2.${i}` }))).toBe(home);
			expect(first(pool, withSid(SID, { websocket: false }))).toBe(home);
		}
	});

	it("learns the sid however the body is cut into chunks, and lets go of the rest", () => {
		const states = new UpstreamStates(() => 1);
		const pool = compile(states);
		const table = states.stickyTable("chat");
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
				const before = table.size;
				const sid = `lv_VI97HAXpY6yYWA${String(before).padStart(4, "0")}`;
				const watch = pool.watchAnswer(poll(), byId(pool, "b:1"));
				const body = Buffer.from(`${OPEN.replace(SID, sid)}${"y".repeat(5000)}`);
				for (let start = 0, i = 0; start < body.length; i++) {
					const end = start + (sizes[i % sizes.length] ?? 1);
					watch?.(body.subarray(start, end));
					start = end;
				}
				expect(table.get(sid)).toBe("b:1");
				expect(table.size).toBe(before + 1);
			}),
		);
	});

	it("has nothing to learn from an upgrade, a POST, a request with a sid, or one that is not polling", () => {
		const pool = compile();
		const endpoint = byId(pool, "a:1");
		const watched = (facts: object) => pool.watchAnswer(request({ ...poll(), ...facts }), endpoint) !== undefined;
		expect(watched({})).toBe(true);
		expect(watched({ websocket: true })).toBe(false);
		expect(watched({ method: "POST" })).toBe(false);
		expect(watched({ query: `EIO=4&transport=polling&sid=${SID}` })).toBe(false);
		expect(watched({ query: undefined })).toBe(false);
		expect(upstream({ endpoints: weighted(1) }).watchAnswer(poll(), endpoint)).toBe(undefined);
	});

	it("balances a first request, and a client that starts with WebSocket, by the policy", () => {
		const pool = compile();
		expect([1, 2, 3].map(() => first(pool, poll()).id)).toEqual(["a:1", "b:1", "c:1"]);
		expect([1, 2, 3].map(() => first(pool, request({ query: "EIO=4&transport=websocket" })).id)).toEqual([
			"a:1",
			"b:1",
			"c:1",
		]);
	});

	it("sends an unknown sid by the client's address, the same way every time", () => {
		const pool = compile();
		const homes = new Set<string>();
		for (let i = 0; i < 60; i++) {
			const facts = { clientIp: `192.0.2.${i}` };
			const home = first(pool, withSid("unknown", facts));
			expect(first(pool, withSid("other", facts))).toBe(home);
			homes.add(home.id);
		}
		expect(homes.size).toBe(3);
	});

	it("with consistent_hash, sends an unknown sid where the session's first request went: workers agree without a table", () => {
		const load_balancing = { policy: "consistent_hash", hash_on: { header: "x-device" } };
		const here = compile(undefined, { load_balancing });
		const elsewhere = compile(undefined, { load_balancing });
		for (let i = 0; i < 60; i++) {
			const headers = { "x-device": `device-${i}` };
			const opened = first(here, request({ ...poll(), headers }));
			expect(first(elsewhere, withSid("unknown", { headers, clientIp: `192.0.2.${i}` })).id).toBe(opened.id);
		}
	});

	it("knows its sessions after a reload", () => {
		const states = new UpstreamStates(() => 1);
		const before = compile(states);
		before.watchAnswer(poll(), byId(before, "b:1"))?.(Buffer.from(OPEN));
		const after = upstream({ endpoints: weighted(9, 1, 9, 9), sticky: "socketio", states });
		for (let i = 0; i < 20; i++) expect(first(after, withSid(SID, { clientIp: `192.0.2.${i}` })).id).toBe("b:1");
	});

	it("keeps a session on an endpoint in drain, and leaves one in maint", () => {
		const states = new UpstreamStates(() => 1);
		const compiled = (state: string) =>
			upstream({ endpoints: ["ws://a:1", { url: "ws://b:1", state }], sticky: "socketio", states });
		states.stickyTable("chat").learn(SID, "b:1");
		expect(first(compiled("drain"), withSid(SID)).id).toBe("b:1");
		expect(first(compiled("maint"), withSid(SID)).id).toBe("a:1");
	});
});
