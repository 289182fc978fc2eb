/** `backend.ask`: what clients do is put to a real HTTP server first. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Centrifuge as CentrifugeProtobuf } from "centrifuge/build/protobuf";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { type HttpBackend, hubToken, plainClient, sdk, startHttpBackend } from "../harness/hub.ts";
import { until } from "../harness/poll.ts";
import { SECRET } from "../harness/tokens.ts";

type Asked = Record<string, unknown>;
type Reply = Record<string, unknown> | number | "silence" | string;

interface Stage {
	readonly gateway: TestGateway;
	readonly backend: HttpBackend;
	/** By kind. */
	readonly asked: Record<string, Asked[]>;
	/** What is answered to a kind of question; by default an empty result. */
	reply: Record<string, (question: Asked) => Reply>;
}

async function stageWith(more = "", url?: string): Promise<Stage> {
	const asked: Record<string, Asked[]> = { connect: [], subscribe: [], publish: [], rpc: [] };
	const stage = { reply: {} as Stage["reply"] };
	const backend = await startHttpBackend((request: IncomingMessage, body: string, response: ServerResponse) => {
		const kind = /^\/hub\/(\w+)$/.exec(request.url ?? "")?.[1] ?? "";
		const question = JSON.parse(body) as Asked;
		asked[kind]?.push(question);
		const reply = stage.reply[kind]?.(question) ?? { result: {} };
		if (reply === "silence") return;
		if (typeof reply === "number") response.writeHead(reply).end("{}");
		else response.end(typeof reply === "string" ? reply : JSON.stringify(reply));
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0" }
		hubs:
		  main:
		    topics:
		      - { match: "room.{x}", subscribe: authenticated, publish: authenticated, history: { size: 10, ttl: 1m }, presence: true }
		      - { match: closed }
		    backend: { url: "${url ?? `${backend.url}/hub`}", ask: [connect, subscribe, publish, rpc], timeout: 300ms${more} }
		    limits: { publications: { rate: 1000/s, burst: 1000 } }
		  free: { anonymous: true, topics: [{ match: "**", subscribe: anyone, publish: anyone }] }
		routes:
		  - { match: { path: /c }, hub: main, auth: { jwt: { secret: "${SECRET}", from: [first_message, { query: t }] } } }
		  - { match: { path: /p }, hub: { name: main, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: t }], required: false } } }
		  - { match: { path: /free }, hub: { name: free, protocol: plain } }
	`);
	return Object.assign(stage, { gateway, backend, asked });
}

let stage: Stage;

beforeEach(async () => {
	stage = await stageWith();
});

describe("connect", () => {
	test("gives the user, data, info, topics and the end of the connection's time", async () => {
		stage.reply.connect = () => ({
			result: {
				user: "ann",
				data: { hello: 1 },
				info: { name: "Ann" },
				channels: ["room.a"],
				expire_at: Math.floor(Date.now() / 1000) + 60,
			},
		});
		const client = sdk(stage.gateway.url("/c"), { data: { v: 2 }, getToken: async () => hubToken("x") });
		const subscribed: string[] = [];
		client.on("subscribed", ({ channel }) => subscribed.push(channel));
		const connected = new Promise<unknown>((resolve) => client.on("connected", ({ data }) => resolve(data)));
		client.connect();
		expect(await connected).toEqual({ hello: 1 });
		await until(() => subscribed.length > 0, { what: "the server's subscription" });
		expect(subscribed).toEqual(["room.a"]);
		const { presence } = await api(stage.gateway, "presence", { channel: "room.a" });
		expect(Object.values(presence as object)).toEqual([
			expect.objectContaining({ user: "ann", conn_info: { name: "Ann" } }),
		]);
		expect(stage.asked.connect).toEqual([
			{ client: expect.any(String), transport: "websocket", protocol: "json", encoding: "json", data: { v: 2 } },
		]);
	});

	test("refuses with a code of the backend's own, and ends with a close code of its own", async () => {
		stage.reply.connect = () => ({ error: { code: 1001, message: "not today" } });
		const refused = sdk(stage.gateway.url("/c"), { token: hubToken("ann") });
		const errors: number[] = [];
		refused.on("disconnected", ({ code }) => errors.push(code));
		refused.connect();
		await until(() => errors.length > 0, { what: "the refusal" });
		expect(errors).toEqual([1001]);
		stage.reply.connect = () => ({ disconnect: { code: 4501, reason: "banned" } });
		const client = await plainClient(stage.gateway.url(`/p?t=${hubToken("ann")}`));
		expect(await client.end).toEqual([4501, "banned"]);
	});

	test("names those that came without a token, and nobody who is not named stays", async () => {
		stage.reply.connect = () => ({ result: { user: "guest-1" } });
		const client = await plainClient(stage.gateway.url("/p"));
		await client.wait({ type: "connection_success" });
		stage.reply.connect = () => ({ result: {} });
		const nobody = await plainClient(stage.gateway.url("/p"));
		expect((await nobody.end)[0]).toBe(1008);
	});
});

describe("subscribe and publish", () => {
	test("are put to the backend when the rules allow them, and what it gives is what is published", async () => {
		stage.reply.publish = ({ data, user }) => ({
			result: { data: { text: (data as { text: string }).text.toUpperCase(), by: user } },
		});
		const client = await plain("ann");
		client.send({ action: "subscribe", topic: "room.a" });
		await client.wait({ type: "subscribed" });
		client.send({ action: "publish", topic: "room.a", data: { text: "hello" } });
		expect(await client.wait({ type: "message" })).toMatchObject({ data: { text: "HELLO", by: "ann" } });
		expect(stage.asked.subscribe).toMatchObject([{ user: "ann", channel: "room.a" }]);
		client.send({ action: "subscribe", topic: "closed", id: 1 });
		client.send({ action: "publish", topic: "closed", data: 1, id: 2 });
		await client.wait({ id: 1, code: "PERMISSION_DENIED" });
		await client.wait({ id: 2, code: "PERMISSION_DENIED" });
		expect([stage.asked.subscribe?.length, stage.asked.publish?.length]).toEqual([1, 1]);
	});

	test("are refused in the backend's words", async () => {
		stage.reply.subscribe = () => ({ error: { code: 403, message: "members only" } });
		stage.reply.publish = () => ({ error: { code: 403, message: "read only" } });
		const client = sdk(stage.gateway.url("/c"), { token: hubToken("ann") });
		client.connect();
		await client.ready(5_000);
		await expect(client.publish("room.a", {})).rejects.toMatchObject({ code: 403, message: "read only" });
		const subscription = client.newSubscription("room.a");
		const ended = new Promise((resolve) =>
			subscription.on("unsubscribed", ({ code, reason }) => resolve([code, reason])),
		);
		subscription.subscribe();
		expect(await ended).toEqual([403, "members only"]);
	});

	test("leave nothing behind for a client that goes while the backend is asked", async () => {
		let answerLate: (() => void) | undefined;
		stage.backend.server.removeAllListeners("request");
		stage.backend.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
			request.resume();
			if (request.url === "/hub/subscribe") answerLate = () => response.end('{"result":{}}');
			else response.end('{"result":{}}');
		});
		const client = await plain("ann");
		client.send({ action: "subscribe", topic: "room.gone" });
		await until(() => answerLate !== undefined, { what: "the question" });
		client.ws.terminate();
		await until(() => stage.gateway.handle.connectionCount() === 0, { what: "the client to be gone" });
		answerLate?.();
		await plain("bob");
		expect(await api(stage.gateway, "channels", {})).toEqual({ channels: {} });
	});
});

describe("rpc", () => {
	test("answers in JSON, byte for byte", async () => {
		stage.reply.rpc = ({ method, data }) =>
			`{"result":{"data":{"m":${JSON.stringify(method)},"big":12345678901234567890,"d":${JSON.stringify(data)}}}}`;
		const ws = new WebSocket(stage.gateway.url("/c"));
		onTestFinished(() => ws.terminate());
		const got: string[] = [];
		ws.on("message", (data) => got.push(String(data)));
		await new Promise((resolve) => ws.once("open", resolve));
		ws.send(`{"id":1,"connect":{"token":"${hubToken("ann")}"}}\n{"id":2,"rpc":{"method":"sum","data":[1,2]}}`);
		await until(() => got.some((text) => text.includes('"rpc"')), { what: "the answer" });
		expect(got.join()).toContain('"rpc":{"data":{"m":"sum","big":12345678901234567890,"d":[1,2]}}');
	});

	test("answers in Protobuf, with bytes", async () => {
		stage.reply.rpc = ({ b64data }) => ({
			result: { b64data: Buffer.from(`\u0000${Buffer.from(b64data as string, "base64")}`).toString("base64") },
		});
		const client = new CentrifugeProtobuf(stage.gateway.url("/c"), { websocket: WebSocket, token: hubToken("ann") });
		onTestFinished(() => client.disconnect());
		client.connect();
		const { data } = await client.rpc("echo", Buffer.from("bytes"));
		expect(Buffer.from(data as Uint8Array).toString()).toBe("\u0000bytes");
		expect(stage.asked.rpc).toMatchObject([{ protocol: "protobuf", encoding: "binary", method: "echo", user: "ann" }]);
	});
});

describe("a backend that does not answer", () => {
	test.each<[string, Reply]>([
		["says nothing", "silence"],
		["fails", 500],
		["sends no JSON", "oops"],
		["sends a list", "[]"],
		["sends too much", `{"result":{"data":"${"x".repeat(1024 * 1024)}"}}`],
	])("refuses when it %s, within the timeout", async (_, reply) => {
		stage.reply.rpc = () => reply;
		const client = sdk(stage.gateway.url("/c"), { token: hubToken("ann") });
		client.connect();
		await client.ready(5_000);
		const before = performance.now();
		await expect(client.rpc("x", {})).rejects.toMatchObject({ code: 100 });
		expect(performance.now() - before).toBeLessThan(2_000);
	});

	test("is asked again only where it cannot have acted: after 502 to 504, not after silence or 500", async () => {
		const replies: Reply[] = [503, { result: { data: "second" } }, "silence", 500];
		stage.reply.rpc = () => replies.shift() ?? { result: {} };
		const client = sdk(stage.gateway.url("/c"), { token: hubToken("ann") });
		client.connect();
		await client.ready(5_000);
		expect(await client.rpc("a", {})).toEqual({ data: "second" });
		expect(stage.asked.rpc).toHaveLength(2);
		await expect(client.rpc("b", {})).rejects.toMatchObject({ code: 100 });
		expect(stage.asked.rpc).toHaveLength(3);
		await expect(client.rpc("c", {})).rejects.toMatchObject({ code: 100 });
		expect(stage.asked.rpc).toHaveLength(4);
	});

	test("is not asked any more for a while when it keeps failing, and delays nobody else", async () => {
		const asking = await plain("ann");
		const free = await plainClient(stage.gateway.url("/free"));
		await free.wait({ type: "connection_success" });
		free.send({ action: "subscribe", topic: "t" });
		await free.wait({ type: "subscribed" });
		stage.reply.publish = () => "silence";
		for (let index = 0; index < 40; index++)
			asking.send({ action: "publish", topic: "room.a", data: index, id: index });
		const before = performance.now();
		free.send({ action: "publish", topic: "t", data: "now" });
		await free.wait({ type: "message" });
		expect(performance.now() - before).toBeLessThan(250);
		await stage.gateway.waitForLog("hub.backend_down");
		const asked = stage.asked.publish?.length;
		asking.send({ action: "publish", topic: "room.a", data: 0, id: "after" });
		await asking.wait({ id: "after", code: "INTERNAL" });
		expect(stage.asked.publish).toHaveLength(asked as number);
		expect(stage.gateway.handle.connectionCount()).toBe(2);
	});

	test("that cannot be reached is a refusal too", async () => {
		const away = await stageWith(", retries: 2", "http://127.0.0.1:1/hub");
		const client = await plainClient(away.gateway.url(`/p?t=${hubToken("ann")}`));
		expect(await client.end).toEqual([1008, "the backend did not answer"]);
	});
});

async function plain(user: string) {
	const client = await plainClient(stage.gateway.url(`/p?t=${hubToken(user)}`));
	await client.wait({ type: "connection_success" });
	return client;
}

async function api(gateway: TestGateway, operation: string, params: object): Promise<Record<string, unknown>> {
	const answer = await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/${operation}`, {
		method: "POST",
		body: JSON.stringify({ hub: "main", ...params }),
	});
	return ((await answer.json()) as { result: Record<string, unknown> }).result;
}
