/** `clawgate/client` in Node, against a real gateway. */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
	HubConnection,
	type HubOptions,
	pauseBefore,
	ReconnectingSocket,
	retryAfter,
	type SocketOptions,
	type WebSocketConstructor,
} from "../../src/client/index.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { inSeconds, rawToken, SECRET } from "../harness/tokens.ts";

let gateway: TestGateway;
let backend: WebSocketServer;

beforeAll(async () => {
	backend = new WebSocketServer({ port: 0, host: "127.0.0.1" });
	await new Promise((resolve) => backend.once("listening", resolve));
	backend.on("connection", (socket) => {
		socket.on("error", () => {});
		socket.on("message", (data) => {
			const code = Number(String(data));
			if (code > 0) socket.close(code, "as asked");
			else socket.send(String(data));
		});
	});
	const { port } = backend.address() as { port: number };
	gateway = await startTestGateway(
		`
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0" }
		upstreams: { echo: { endpoints: ["ws://127.0.0.1:${port}"] } }
		hubs:
		  open:
		    anonymous: true
		    topics:
		      - { match: "kept.**", subscribe: anyone, publish: anyone, history: { size: 1000, ttl: 1m } }
		      - { match: "short.**", subscribe: anyone, history: { size: 1, ttl: 1m } }
		      - { match: "closed", publish: anyone }
		      - { match: "**", subscribe: anyone, publish: anyone }
		  named:
		    topics:
		      - { match: "user.{user}", subscribe: { claims: { sub: "{user}" } }, join: on_connect, history: { size: 100, ttl: 1m } }
		routes:
		  - { name: open, match: { path: /open }, hub: { name: open, protocol: plain } }
		  - { name: nobody, match: { path: /nobody }, hub: { name: named, protocol: plain } }
		  - { name: named, match: { path: /named }, hub: { name: named, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: token }] } } }
		  - { name: echo, match: { path: /echo }, upstream: echo }
	`,
		{ autoStop: false },
	);
});

afterAll(async () => {
	await gateway.stop({ immediately: true });
	backend.close();
});

/** A WebSocket of `ws` whose connection can be cut. */
function cuttable() {
	const made: WebSocket[] = [];
	class Cuttable extends WebSocket {
		constructor(address: string, protocols?: string | string[]) {
			super(address, protocols);
			made.push(this);
		}
	}
	return { made, cut: () => made.at(-1)?.terminate(), WebSocket: Cuttable as unknown as WebSocketConstructor };
}

const QUICK = { backoff: { first: 20, longest: 200 } };

function socket(path: string, options: SocketOptions = {}) {
	const client = new ReconnectingSocket(gateway.url(path), { ...QUICK, ...cuttable(), ...options });
	onTestFinished(() => client.close());
	const story: unknown[] = [];
	client.on("connecting", ({ tries }) => story.push(`connecting ${tries}`));
	client.on("connected", () => story.push("connected"));
	client.on("message", ({ data }) => story.push(data));
	client.on("disconnected", ({ code, by, retries }) => story.push({ code, by, retries }));
	return { client, story };
}

function hub(path: string, options: HubOptions = {}) {
	const client = new HubConnection(gateway.url(path), { ...QUICK, ...cuttable(), ...options });
	onTestFinished(() => client.close());
	const ends: { code: number; retries: boolean }[] = [];
	client.on("disconnected", ({ code, retries }) => ends.push({ code, retries }));
	return { client, ends };
}

async function api(operation: string, body: object): Promise<unknown> {
	const answer = await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/${operation}`, {
		method: "POST",
		body: JSON.stringify({ hub: "open", ...body }),
	});
	return await answer.json();
}

const connected = (client: HubConnection) => until(() => client.state === "connected", { what: "a connection" });

describe("a connection over any route", () => {
	test("tells what happens in events, and says goodbye once", async () => {
		const { client, story } = socket("/echo");
		expect([client.state, client.send("too early")]).toEqual(["disconnected", false]);
		await until(() => client.state === "connected", { what: "a connection" });
		expect(client.send("hello")).toBe(true);
		await until(() => story.includes("hello"), { what: "the echo" });
		client.close();
		client.close();
		expect(story).toEqual(["connecting 1", "connected", "hello", { code: 1000, by: "client", retries: false }]);
	});

	test.each([1001, 1011, 1012, 4000])("comes back after a Close %i of the server", async (code) => {
		const { client, story } = socket("/echo");
		await until(() => client.send(String(code)), { what: "a connection" });
		await until(() => story.length >= 5, { what: "the second connection" });
		expect(story.slice(2)).toEqual([{ code, by: "server", retries: true }, "connecting 2", "connected"]);
	});

	test.each([1000, 1008, 3500, 4500])("stays away after a Close %i of the server", async (code) => {
		const { client, story } = socket("/echo");
		await until(() => client.send(String(code)), { what: "a connection" });
		await until(() => story.length >= 3, { what: "the end" });
		await new Promise((resolve) => setTimeout(resolve, 60));
		expect(story.slice(2)).toEqual([{ code, by: "server", retries: false }]);
	});

	test("waits at least five seconds after 1013, and a program can decide otherwise", async () => {
		const pauses: (number | undefined)[] = [];
		for (const retry of [undefined, () => "yes" as const]) {
			const { client } = socket("/echo", retry ? { retry } : {});
			client.on("disconnected", ({ retryIn }) => pauses.push(retryIn));
			await until(() => client.send("1013"), { what: "a connection" });
			await until(() => pauses.length === (retry ? 2 : 1), { what: "the end" });
		}
		expect(pauses[0]).toBeGreaterThanOrEqual(5_000);
		expect(pauses[1]).toBeLessThanOrEqual(20);
	});

	test("comes back after a cut, with the network blamed", async () => {
		const sockets = cuttable();
		const { client, story } = socket("/echo", sockets);
		await until(() => client.state === "connected", { what: "a connection" });
		sockets.cut();
		await until(() => story.length >= 5, { what: "the second connection" });
		expect(story.slice(2)).toEqual([{ code: 1006, by: "network", retries: true }, "connecting 2", "connected"]);
	});

	test("opens one connection, however often it is told to begin anew", async () => {
		const sockets = cuttable();
		let give = (_: string): void => {};
		const token = () => new Promise<string>((resolve) => (give = resolve));
		const { client, story } = socket("/echo", { ...sockets, token });
		client.reconnect();
		await until(() => story.includes("connecting 1"), { what: "a try" });
		const late = give;
		client.reconnect();
		await until(() => story.includes("connecting 2"), { what: "another try" });
		late("old");
		give("new");
		await until(() => client.state === "connected", { what: "a connection" });
		expect(sockets.made.map(({ url }) => new URL(url).search)).toEqual(["?token=new"]);
	});

	test("gives up on a token that does not come, and tries again", async () => {
		const asked: number[] = [];
		const token = async () => {
			asked.push(1);
			if (asked.length === 1) return await new Promise<string>(() => {});
			if (asked.length === 2) throw new Error("no token today");
			return "x";
		};
		const { client, story } = socket("/echo", { token, connectTimeout: 100 });
		const errors: unknown[] = [];
		client.on("error", (error) => errors.push(error));
		await until(() => client.state === "connected", { what: "a connection" });
		expect(asked).toHaveLength(3);
		expect(errors).toEqual([new Error("no token today")]);
		expect(story.filter((each) => typeof each === "object")).toHaveLength(2);
	});

	test("a listener that throws does not stop it", async () => {
		const sockets = cuttable();
		const { client } = socket("/echo", sockets);
		const thrown: unknown[] = [];
		const uncaught = process.listeners("uncaughtException");
		process.removeAllListeners("uncaughtException");
		process.on("uncaughtException", (error) => thrown.push(error));
		onTestFinished(() => {
			process.removeAllListeners("uncaughtException");
			for (const listener of uncaught) process.on("uncaughtException", listener);
		});
		const forget = client.on("disconnected", () => {
			throw new Error("a mistake in a listener");
		});
		await until(() => client.state === "connected", { what: "a connection" });
		sockets.cut();
		await until(() => sockets.made.length === 2 && client.state === "connected", { what: "another connection" });
		forget();
		expect(thrown).toEqual([new Error("a mistake in a listener")]);
	});
});

describe("tokens", () => {
	const token = (user: string, seconds: number): string =>
		rawToken({ alg: "HS256" }, { sub: user, exp: Math.floor(inSeconds(seconds)) }, SECRET);

	test("a fresh one is fetched when the old one runs out (4401), and direct messages go on without a gap", async () => {
		let asked = 0;
		const { client, ends } = hub("/named", { token: () => token("7", asked++ === 0 ? 2 : 600) });
		const got: unknown[] = [];
		client.subscribe("user.7", (data) => got.push(data));
		await connected(client);
		const say = (data: number) => api("publish", { hub: "named", topic: "user.7", data });
		await say(1);
		await until(() => ends.length === 1, { what: "the token to run out" });
		await say(2);
		await until(() => asked === 2 && client.state === "connected", { what: "the second connection" });
		await say(3);
		await until(() => got.length === 3, { what: "all three" });
		expect(ends).toEqual([{ code: 4401, retries: true }]);
		expect(got).toEqual([1, 2, 3]);
	});

	test("a token that is a text is not sent again after 4401", async () => {
		const { ends } = hub("/named", { token: token("8", 2) });
		await until(() => ends.length === 1, { what: "the end" });
		expect(ends).toEqual([{ code: 4401, retries: false }]);
	});

	test("one that is refused with 401 is not sent again", async () => {
		let asked = 0;
		const { client } = hub("/named", { token: () => token("9", asked++ === 0 ? -600 : 600) });
		await connected(client);
		expect(asked).toBe(2);
	});

	test("a hub that lets nobody in without a name ends it for good (1008)", async () => {
		const { ends } = hub("/nobody");
		await until(() => ends.length === 1, { what: "the end" });
		expect(ends).toEqual([{ code: 1008, retries: false }]);
	});
});

describe("topics", () => {
	test("publications come to those who listen, and under a prefix without it", async () => {
		const { client } = hub("/open");
		const room = client.namespace("rooms.").namespace("7.");
		const got: unknown[] = [];
		const stop = room.subscribe("words", (data, { topic, offset }) => got.push({ data, topic, offset }));
		await connected(client);
		await room.publish("words", "hello");
		await until(() => got.length === 1, { what: "the publication" });
		expect(got).toEqual([{ data: "hello", topic: "rooms.7.words", offset: undefined }]);
		stop();
		await room.publish("words", "nobody listens");
		await client.publish("other", 1);
		expect(got).toHaveLength(1);
	});

	test("a publication that looks like a message of the hub is still a publication", async () => {
		const { client } = hub("/open");
		const got: unknown[] = [];
		client.subscribe("kept.odd", (data) => got.push(data));
		await new Promise((resolve) => client.on("subscribed", resolve));
		const odd = ["connection_success", "subscribed", "unsubscribed", "published", "error", "pong", "own"];
		for (const type of odd) await client.publish("kept.odd", { type, code: 3 });
		await until(() => got.length === odd.length, { what: "all of them" });
		expect(got).toEqual(odd.map((type) => ({ type, code: 3 })));
	});

	test("what the hub refuses is told", async () => {
		const { client } = hub("/open");
		const refused: unknown[] = [];
		client.on("refused", (event) => refused.push(event));
		client.subscribe("closed", () => {});
		await connected(client);
		await until(() => refused.length === 1, { what: "the refusal" });
		expect(refused).toEqual([{ topic: "closed", code: "PERMISSION_DENIED", message: "permission denied" }]);
		await expect(client.publish("short.x", 1)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
	});

	test("publishing without a connection is refused, and so is what was on its way when it was lost", async () => {
		const sockets = cuttable();
		const { client } = hub("/open", sockets);
		await expect(client.publish("x", 1)).rejects.toThrow("not connected");
		await connected(client);
		const lost = client.publish("x", 1);
		sockets.cut();
		await expect(lost).rejects.toThrow("the connection was lost");
	});

	test("nothing is lost or doubled while the connection is cut ten times under publications", {
		timeout: 30_000,
	}, async () => {
		const sockets = cuttable();
		const { client } = hub("/open", sockets);
		const got: unknown[] = [];
		const recovered = new Set<unknown>();
		client.on("subscribed", (event) => recovered.add(event.recovered));
		client.subscribe("kept.storm", (data) => got.push(data));
		await connected(client);
		const sent: number[] = [];
		for (let cut = 0; cut < 10; cut++) {
			for (let i = 0; i < 20; i++) {
				sent.push(sent.length);
				const done = api("publish", { topic: "kept.storm", data: sent.length - 1 });
				if (i === 10) sockets.cut();
				await done;
			}
			await connected(client);
		}
		await until(() => got.length >= sent.length, { what: "all publications" });
		expect(got).toEqual(sent);
		expect([...recovered]).toEqual([undefined, true]);
	});

	test("a gap is told, and what is new still comes", async () => {
		const sockets = cuttable();
		const { client } = hub("/open", sockets);
		const recovered: unknown[] = [];
		const got: unknown[] = [];
		client.on("subscribed", (event) => recovered.push(event.recovered));
		client.subscribe("short.gap", (data) => got.push(data));
		await until(() => recovered.length === 1, { what: "the subscription" });
		// So that it does not come back before all three are published.
		await api("publish", { topic: "short.gap", data: 0 });
		await until(() => got.length === 1, { what: "the first" });
		sockets.cut();
		await api("batch", { commands: [1, 2, 3].map((data) => ({ publish: { hub: "open", topic: "short.gap", data } })) });
		await until(() => recovered.length === 2, { what: "the second subscription" });
		expect(recovered[1]).toBe(false);
		await api("publish", { topic: "short.gap", data: "new" });
		await until(() => got.includes("new"), { what: "what is new" });
	});

	test("a silent network is noticed by asking", async () => {
		const sockets = cuttable();
		const { client, ends } = hub("/open", { ...sockets, heartbeat: 50 });
		await connected(client);
		const [first] = sockets.made;
		// It is read no more, as if a cable was pulled.
		first?.pause();
		await until(() => sockets.made.length === 2 && client.state === "connected", { what: "another connection" });
		expect(ends).toEqual([{ code: 1006, retries: true }]);
		first?.terminate();
	});
});

test("pauses grow, are random in their whole length, and have an end", () => {
	const options = { first: 100, longest: 1_000, factor: 2 };
	expect([1, 2, 3, 4, 5, 500].map((tries) => pauseBefore(tries, options, () => 1))).toEqual([
		100, 200, 400, 800, 1_000, 1_000,
	]);
	expect(pauseBefore(4, options, () => 0)).toBe(0);
});

test("close codes say who is welcome again", () => {
	const told = Object.fromEntries(
		[1000, 1001, 1006, 1008, 1012, 1013, 3005, 3503, 4000, 4401, 4500].map((code) => [code, retryAfter(code)]),
	);
	expect(told).toEqual({
		1000: "no",
		1001: "yes",
		1006: "yes",
		1008: "no",
		1012: "yes",
		1013: "later",
		3005: "fresh_token",
		3503: "no",
		4000: "yes",
		4401: "fresh_token",
		4500: "no",
	});
});
