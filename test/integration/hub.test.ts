/** Routes that end in a hub, with clients that nobody here wrote: Centrifugo's SDK, and a plain WebSocket. */
import { Centrifuge, type PublicationContext, type Subscription } from "centrifuge";
import { Centrifuge as CentrifugeProtobuf } from "centrifuge/build/protobuf";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { rawToken, SECRET } from "../harness/tokens.ts";

const CONFIG = `
	listeners: [{ address: "127.0.0.1:0" }]
	hub_api: { address: "127.0.0.1:0" }
	hubs:
	  ratings:
	    topics:
	      - { match: "rating.game.{game}", subscribe: authenticated, history: { size: 10, ttl: 1m } }
	      - { match: "chat.{room}", subscribe: { claims: { rooms: "{room}" } }, publish: { claims: { rooms: "{room}" } }, presence: true }
	      - { match: "user.{user}", subscribe: { claims: { sub: "{user}" } }, join: on_connect }
	  open:
	    anonymous: true
	    topics: [{ match: "**", subscribe: anyone, publish: anyone, history: { size: 100, ttl: 1m } }]
	routes:
	  - { name: live, match: { path: /connection/websocket }, hub: ratings, auth: { jwt: { secret: "${SECRET}", from: [first_message, { query: token }] } } }
	  - { name: plain, match: { path: /plain }, hub: { name: ratings, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: token }] } } }
	  - { name: open, match: { path: /open }, hub: { name: open, protocol: plain } }
	  - { name: open-live, match: { path: /open-live }, hub: open }
`;

let gateway: TestGateway;

beforeAll(async () => {
	gateway = await startTestGateway(CONFIG, { autoStop: false });
});

afterAll(() => gateway.stop({ immediately: true }));

function token(user: string, claims: Record<string, unknown> = {}): string {
	return rawToken({ alg: "HS256" }, { sub: user, ...claims }, SECRET);
}

/** A client of Centrifugo's, in either format. */
function client(
	format: "json" | "protobuf",
	user: string,
	claims?: Record<string, unknown>,
	websocket: unknown = WebSocket,
): Centrifuge {
	const Constructor = format === "json" ? Centrifuge : CentrifugeProtobuf;
	const made = new Constructor(gateway.url("/connection/websocket"), {
		websocket,
		token: token(user, claims),
	}) as Centrifuge;
	onTestFinished(() => made.disconnect());
	return made;
}

async function follow(centrifuge: Centrifuge, topic: string): Promise<{ subscription: Subscription; got: unknown[] }> {
	const got: unknown[] = [];
	const subscription = centrifuge.newSubscription(topic, { joinLeave: true });
	subscription.on("publication", ({ data }: PublicationContext) =>
		got.push(data instanceof Uint8Array ? JSON.parse(Buffer.from(data).toString("utf8")) : data),
	);
	subscription.subscribe();
	centrifuge.connect();
	await subscription.ready(5_000);
	return { subscription, got };
}

async function api(operation: string, body: unknown): Promise<Record<string, unknown>> {
	const answer = await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/${operation}`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ hub: "ratings", ...(body as object) }),
	});
	return (await answer.json()) as Record<string, unknown>;
}

/** A plain WebSocket, and what it was told. */
async function socket(path: string): Promise<{ ws: WebSocket; told: Record<string, unknown>[] }> {
	const ws = new WebSocket(gateway.url(path));
	const told: Record<string, unknown>[] = [];
	ws.on("message", (data) => told.push(JSON.parse(String(data)) as Record<string, unknown>));
	await new Promise((resolve, reject) => {
		ws.once("open", resolve);
		ws.once("error", reject);
	});
	onTestFinished(() => ws.terminate());
	await until(() => told.length > 0, { what: "a hello" });
	return { ws, told };
}

describe.each(["json", "protobuf"] as const)("Centrifugo's SDK in %s", (format) => {
	test("subscribes, gets what a backend publishes, and reads the history", async () => {
		const centrifuge = client(format, "7");
		const { subscription, got } = await follow(centrifuge, `rating.game.${format}`);
		for (const rating of [1, 2, 3]) {
			expect(await api("publish", { channel: `rating.game.${format}`, data: { rating } })).toMatchObject({
				result: { offset: rating },
			});
		}
		await until(() => got.length === 3, { what: "three publications" });
		expect(got).toEqual([{ rating: 1 }, { rating: 2 }, { rating: 3 }]);
		const history = await subscription.history({ limit: 2, reverse: true });
		expect(history.publications.map(({ offset }) => offset)).toEqual([3, 2]);
	});

	test("publishes and sees who is there", async () => {
		const room = `${format}-room`;
		const one = client(format, "1", { rooms: [room] });
		const two = client(format, "2", { rooms: [room] });
		const first = await follow(one, `chat.${room}`);
		const joined: string[] = [];
		first.subscription.on("join", ({ info }) => joined.push(info.user));
		first.subscription.on("leave", ({ info }) => joined.push(`-${info.user}`));
		const second = await follow(two, `chat.${room}`);
		const data = format === "json" ? { text: "hello" } : Buffer.from('{"text":"hello"}');
		await second.subscription.publish(data);
		await until(() => first.got.length === 1 && second.got.length === 1, { what: "the message at both" });
		expect(first.got).toEqual([{ text: "hello" }]);
		expect(await first.subscription.presenceStats()).toEqual({ numClients: 2, numUsers: 2 });
		two.disconnect();
		await until(() => joined.includes("-2"), { what: "the second to leave" });
		expect(joined).toContain("2");
	});

	test("is refused a topic that its claims do not give, and one without a rule", async () => {
		const centrifuge = client(format, "7", { rooms: ["a"] });
		const codes: number[] = [];
		for (const topic of ["chat.b", "user.8", "unknown"]) {
			const subscription = centrifuge.newSubscription(topic);
			subscription.on("unsubscribed", ({ code }) => codes.push(code));
			subscription.subscribe();
		}
		centrifuge.connect();
		await until(() => codes.length === 3, { what: "three refusals" });
		expect(codes.sort()).toEqual([102, 103, 103]);
	});

	test("gets messages to its user without asking for the topic", async () => {
		const centrifuge = client(format, `user-${format}`);
		const got: unknown[] = [];
		centrifuge.on("publication", ({ channel }) => got.push(channel));
		centrifuge.connect();
		await centrifuge.ready(5_000);
		await api("publish", { channel: `user.user-${format}`, data: "direct" });
		await until(() => got.length === 1, { what: "the direct message" });
		expect(got).toEqual([`user.user-${format}`]);
	});

	test("is not let in with a bad token, and does not come back", async () => {
		const Constructor = format === "json" ? Centrifuge : CentrifugeProtobuf;
		const centrifuge = new Constructor(gateway.url("/connection/websocket"), { websocket: WebSocket, token: "x.y.z" });
		onTestFinished(() => centrifuge.disconnect());
		const ended: number[] = [];
		centrifuge.on("disconnected", ({ code }: { code: number }) => ended.push(code));
		centrifuge.connect();
		await until(() => ended.length === 1, { what: "the end" });
		expect(ended).toEqual([3500]);
	});

	test("comes back after a lost connection with nothing lost", async () => {
		let cut = (): void => {};
		class Cuttable extends WebSocket {
			constructor(address: string | URL, protocols?: string | string[]) {
				super(address, protocols);
				cut = () => this.terminate();
			}
		}
		const centrifuge = client(format, "7", {}, Cuttable);
		const topic = `rating.game.lost-${format}`;
		const { subscription, got } = await follow(centrifuge, topic);
		await api("publish", { channel: topic, data: 1 });
		await until(() => got.length === 1, { what: "the first" });
		const recovered: boolean[] = [];
		subscription.on("subscribed", (context) => recovered.push(context.recovered));
		cut();
		await until(() => centrifuge.state !== "connected", { what: "the loss" });
		await api("publish", { channel: topic, data: 2 });
		await until(() => got.length === 2, { what: "what was missed", timeout: 10_000 });
		expect(got).toEqual([1, 2]);
		expect(recovered).toEqual([true]);
	});

	test("a backend can end it for good", async () => {
		const centrifuge = client(format, `gone-${format}`);
		const ended: number[] = [];
		centrifuge.on("disconnected", ({ code }) => ended.push(code));
		centrifuge.connect();
		await centrifuge.ready(5_000);
		await api("disconnect", { user: `gone-${format}` });
		await until(() => ended.length === 1, { what: "the end" });
		expect(ended).toEqual([3503]);
		const line = await gateway.waitForLog((record) => record.event === "ws.close" && record.user === `gone-${format}`);
		expect(line).toMatchObject({ hub: "ratings", close_code: 3503, close_initiator: "gateway", route: "live" });
	});
});

describe("a plain WebSocket", () => {
	test("subscribes, publishes and is told in words what it did wrong", async () => {
		const { ws, told } = await socket("/open");
		expect(told[0]).toMatchObject({ type: "connection_success" });
		ws.send(JSON.stringify({ action: "subscribe", topic: "a.b", id: 1 }));
		await until(() => told.length === 2, { what: "the subscription" });
		expect(told[1]).toMatchObject({ type: "subscribed", topic: "a.b", id: 1, offset: 0, epoch: expect.any(String) });
		ws.send(JSON.stringify({ action: "publish", topic: "a.b", data: { type: "rating_update", x: 1 } }));
		await until(() => told.length === 3, { what: "the publication" });
		expect(told[2]).toEqual({ type: "rating_update", topic: "a.b", data: { type: "rating_update", x: 1 }, offset: 1 });
		ws.send("{");
		ws.send(JSON.stringify({ action: "dance", id: "x" }));
		await until(() => told.length === 5, { what: "two errors" });
		expect(told.slice(3)).toEqual([
			{ type: "error", code: "BAD_REQUEST", message: "the message is not JSON" },
			{ type: "error", id: "x", code: "UNKNOWN_METHOD", message: "unknown action dance" },
		]);
	});

	test("gets what it missed since a position", async () => {
		const { ws, told } = await socket("/open");
		const say = (message: object): void => ws.send(JSON.stringify(message));
		say({ action: "subscribe", topic: "since" });
		await until(() => told.length === 2, { what: "the subscription" });
		const { epoch } = told[1] as { epoch: string };
		for (const data of [1, 2, 3]) say({ action: "publish", topic: "since", data });
		await until(() => told.length === 5, { what: "three publications" });
		const again = await socket("/open");
		again.ws.send(JSON.stringify({ action: "subscribe", topic: "since", since: { epoch, offset: 1 } }));
		await until(() => again.told.length === 4, { what: "what was missed" });
		expect(again.told.slice(1)).toEqual([
			{ type: "subscribed", topic: "since", epoch, offset: 3, recovered: true },
			{ type: "message", topic: "since", data: 2, offset: 2 },
			{ type: "message", topic: "since", data: 3, offset: 3 },
		]);
		const other = await socket("/open");
		other.ws.send(JSON.stringify({ action: "subscribe", topic: "since", since: { epoch: "x", offset: 1 } }));
		await until(() => other.told.length === 2, { what: "the honest answer" });
		expect(other.told[1]).toMatchObject({ recovered: false });
	});

	test("is closed with 1003 for a binary message", async () => {
		const { ws } = await socket("/open");
		const closed = new Promise<number>((resolve) => ws.once("close", resolve));
		ws.send(Buffer.from([1, 2]));
		expect(await closed).toBe(1003);
	});

	test("needs the route's token", async () => {
		await expect(socket("/plain")).rejects.toThrow("401");
		const { told } = await socket(`/plain?token=${token("7")}`);
		expect(told[0]).toMatchObject({ type: "connection_success" });
	});

	test("is told of a revoked token within a second", async () => {
		const { ws } = await socket(`/plain?token=${token("revoked")}`);
		const closed = new Promise<number>((resolve) => ws.once("close", resolve));
		gateway.handle.revoke({ sub: "revoked" });
		expect(await closed).toBe(1008);
	});
});

test("plain HTTP on a hub's route is told to upgrade", async () => {
	const answer = await fetch(gateway.url("/connection/websocket", "http"));
	expect(answer.status).toBe(426);
});
