import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";

async function chatGateway() {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(adminYaml({ chat: [backend.url] }));
	return { backend, gateway, open: (...protocols: string[]) => openWs(gateway.url("/chat"), protocols) };
}

interface Interval {
	readonly start: number;
	readonly opened: number;
	readonly closed: readonly { readonly count: number }[];
	readonly rejected: readonly { readonly code: string; readonly route?: string; readonly count: number }[];
}

describe("GET activity", () => {
	test("tells what is open, what went through, what opened and closed and why, and the last refusals", async () => {
		const { gateway, open } = await chatGateway();
		const stays = await open();
		stays.socket.send("hello");
		await stays.next();
		const leaves = await open();
		leaves.socket.send("bye");
		await leaves.next();
		leaves.socket.close(4321);
		await leaves.waitClosed();
		await gateway.waitForLog("ws.close");
		await expect(openWs(gateway.url("/nowhere?token=secret"))).rejects.toThrow();
		await expect(openWs(gateway.url("/chat"), [], { origin: "https://other.example" })).rejects.toThrow();
		const { status, json, text } = await api(gateway.handle, "activity");
		expect(status).toBe(200);
		expect(text).not.toContain("secret");
		expect(json).toMatchObject({
			stopping: false,
			connections: 1,
			handshakes: 0,
			interval_ms: 5_000,
			last_reload: null,
			workers: { serving: 1, configured: 1 },
		});
		// What ended counts on: 11 bytes for "hello", 9 and 8 for "bye" and the Close; without masks to the client.
		expect(json.traffic).toEqual({ messages_in: 2, messages_out: 2, bytes_in: 28, bytes_out: 16 });
		const intervals = json.intervals as Interval[];
		expect(intervals.reduce((sum, { opened }) => sum + opened, 0)).toBe(2);
		expect(intervals.flatMap(({ closed }) => closed)).toEqual([
			{ close_code: 4321, initiator: "client", termination: "normal", count: 1 },
		]);
		expect(intervals.flatMap(({ rejected }) => rejected)).toEqual([
			{ code: "NO_ROUTE", count: 1 },
			{ code: "ORIGIN_DENIED", route: "chat", count: 1 },
		]);
		expect(json.last_rejections).toMatchObject([
			{ code: "NO_ROUTE", status: 404, client_ip: "127.0.0.1", path: "/nowhere" },
			{ code: "ORIGIN_DENIED", status: 403, route: "chat", origin: "https://other.example" },
		]);
		const later = (await api(gateway.handle, `activity?since=${json.time + 60_000}`)).json;
		expect([later.intervals, later.last_rejections, later.connections]).toEqual([[], [], 1]);
	});

	test("remembers how the last reload ended, also when a changed file asked for it", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml({ chat: [backend.url] });
		const gateway = await startReloadable(yaml);
		gateway.write(yaml.replace("upstream: chat", "upstream: chta"));
		const rejected = await until(async () => (await api(gateway.handle, "activity")).json.last_reload, {
			what: "the file change to be noticed",
		});
		expect(rejected).toMatchObject({ result: "rejected", trigger: "file" });
		expect(rejected.problems[0]).toMatch(/routes\.yaml:\d+:\d+: routes\[0\]\.upstream: .*chta/);
		// Somebody takes the mistake back: nothing to apply, but the file on disk is good again, and both places say so.
		gateway.write(yaml);
		await gateway.lines.waitFor(({ event, level }) => event === "config.unchanged" && level === "info");
		expect((await api(gateway.handle, "activity")).json.last_reload).toMatchObject({ result: "success", problems: [] });
		await gateway.change(yaml.replace("spread: 0s", "spread: 1s"));
		expect((await api(gateway.handle, "activity")).json.last_reload).toMatchObject({
			result: "success",
			trigger: expect.stringMatching(/api|file/),
			problems: [],
		});
	});
});

describe("connections by their ids", () => {
	test("one is found among all, and none when it is closed", async () => {
		const { gateway, open } = await chatGateway();
		const client = await open();
		await open();
		const { connection_id } = await gateway.waitForLog("ws.open");
		const found = async () => (await api(gateway.handle, `connections?connection_id=${connection_id}`)).json;
		expect(await found()).toMatchObject({ total: 1, connections: [{ connection_id }] });
		client.socket.close();
		await until(async () => (await found()).total === 0, { what: "the connection to be gone" });
	});

	test("exactly those that are listed are closed; what is gone, or does not fit the filter, does not matter", async () => {
		const { gateway, open } = await chatGateway();
		const clients = [await open("a"), await open("b"), await open("a"), await open("a")];
		const ids = gateway.lines.of("ws.open").map((line) => line.connection_id as string);
		const close = (path: string, connection_ids: unknown) =>
			api(gateway.handle, path, { method: "DELETE", body: { connection_ids, close_code: 4002, reason: "chosen" } });
		const listed = [ids[0], ids[1], ids[0], "none"];
		expect((await close("connections?subprotocol=b", listed)).json).toEqual({ closed: 1, already_closing: 0 });
		expect(await clients[1]?.waitClosed()).toEqual({ code: 4002, reason: "chosen" });
		expect((await close("connections", listed)).json.closed).toBe(1);
		expect(await clients[0]?.waitClosed()).toEqual({ code: 4002, reason: "chosen" });
		for (const wrong of [[], [""], ["x".repeat(65)], "all", new Array(1_001).fill("x")]) {
			const { status, json } = await close("connections", wrong);
			expect([status, json.error.message.startsWith("connection_ids")], JSON.stringify(wrong).slice(0, 40)).toEqual([
				400,
				true,
			]);
		}
		expect([clients[2]?.closed, clients[3]?.closed]).toEqual([undefined, undefined]);
	});
});
