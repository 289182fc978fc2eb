/** The hubs of a running gateway, as its admin API, `clawgate hub` and `clawgate subscribe` show and use them. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { rawToken, SECRET } from "../harness/tokens.ts";
import { startWorkers } from "../harness/workers.ts";
import { type ApiAnswer, type Ask, api } from "./admin.fixtures.ts";
import { runCli } from "./cli.fixtures.ts";

const HUBS = `
	hubs:
	  ratings:
	    topics:
	      - { match: "rating.game.{game}", subscribe: authenticated, history: { size: 3, ttl: 1m } }
	      - { match: "chat.{room}", subscribe: { claims: { rooms: "{room}" } }, publish: { claims: { rooms: "{room}" } }, presence: true }
	      - { match: "big.{part}", subscribe: anyone, slow: latest }
	      - { match: "heavy.{part}", subscribe: anyone }
	    limits: { buffered: 128KiB }
	  other:
	    topics: [{ match: "**", subscribe: anyone }]
	routes:
	  - { name: plain, match: { path: /plain }, hub: { name: ratings, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: token }] } } }
	  - { name: live, match: { path: /live }, hub: ratings, auth: { jwt: { secret: "${SECRET}", from: [first_message] } } }
	  - { name: other, match: { path: /other }, hub: other }
`;

let gateway: TestGateway;
let admin: string;

beforeAll(async () => {
	gateway = await startTestGateway(
		`listeners: [{ address: "127.0.0.1:0" }]\n\tadmin: { address: "127.0.0.1:0" }${HUBS}`.replace(/^l/, "\n\tl"),
		{ autoStop: false },
	);
	admin = `http://127.0.0.1:${gateway.handle.adminPort}`;
});

afterAll(() => gateway.stop({ immediately: true }));

const ask = (path: string, more?: Ask): Promise<ApiAnswer> => api(gateway.handle, path, more);
const cli = (...argv: string[]) => runCli([...argv, "--admin", admin]);

function token(user: string, claims: Record<string, unknown> = {}): string {
	return rawToken({ alg: "HS256" }, { sub: user, ...claims }, SECRET);
}

interface Client {
	readonly ws: WebSocket;
	readonly told: Record<string, unknown>[];
	/** Sends an action, and waits for its answer. */
	say(action: Record<string, unknown>): Promise<Record<string, unknown>>;
}

async function connect(user: string, claims: Record<string, unknown> = {}, port = gateway.port): Promise<Client> {
	const ws = new WebSocket(`ws://127.0.0.1:${port}/plain?token=${token(user, claims)}`);
	onTestFinished(() => ws.terminate());
	const told: Record<string, unknown>[] = [];
	ws.on("message", (data) => told.push(JSON.parse(String(data)) as Record<string, unknown>));
	await until(() => told.length > 0, { what: "the hub's hello" });
	let last = 0;
	return {
		ws,
		told,
		say: (action) => {
			const id = ++last;
			ws.send(JSON.stringify({ ...action, id }));
			return until(() => told.find((message) => message.id === id), { what: "an answer" });
		},
	};
}

test("lists hubs with their rules in order and what each counted", async () => {
	const alice = await connect("counted", { rooms: ["counted"] });
	await alice.say({ action: "subscribe", topic: "chat.counted" });
	await alice.say({ action: "publish", topic: "chat.counted", data: 1 });
	const { json } = await ask("hubs");
	expect(json.hubs.map((hub: { name: string }) => hub.name)).toEqual(["ratings", "other"]);
	const [ratings] = json.hubs;
	expect(ratings.engine).toBe("memory");
	expect(ratings.publications_per_second).toBeGreaterThan(0);
	expect(ratings.rules[0]).toMatchObject({ match: "rating.game.{game}", history: { size: 3, ttl_ms: 60_000 } });
	expect(ratings.rules[1]).toMatchObject({ match: "chat.{room}", history: null, presence: true, slow: "close" });
	expect(ratings.rules[1].subscriptions).toBeGreaterThan(0);
	expect(ratings.rules[1].publications).toMatchObject({ client: expect.any(Number), api: 0 });
	const { routes } = (await ask("routes")).json;
	expect(routes.map((route: { hub: string; upstreams: unknown[] }) => [route.hub, route.upstreams])).toEqual([
		["ratings", []],
		["ratings", []],
		["other", []],
	]);
	const { code, out } = await cli("hub");
	expect(code).toBe(0);
	expect(out).toMatch(/^HUB +CONNECTIONS +TOPICS +PER SECOND +RULE +SUBSCRIPTIONS +PUBLISHED +SENT/);
	expect(out).toMatch(/^ratings .* chat\.\{room\} /m);
});

test("lists topics by subscribers, below a prefix and up to a limit", async () => {
	for (const [user, topics] of [
		["list-1", ["rating.game.l1", "rating.game.l2"]],
		["list-2", ["rating.game.l2"]],
	] as const) {
		const client = await connect(user);
		for (const topic of topics) await client.say({ action: "subscribe", topic });
	}
	const { json } = await ask("hubs/ratings/topics?prefix=rating.game.l");
	expect(json).toMatchObject({ total: 2, limit: 100 });
	expect(json.topics).toEqual([
		{ topic: "rating.game.l2", rule: "rating.game.{game}", subscribers: 2, publications_per_second: 0 },
		{ topic: "rating.game.l1", rule: "rating.game.{game}", subscribers: 1, publications_per_second: 0 },
	]);
	const first = (await ask("hubs/ratings/topics?prefix=rating.game.l&limit=1")).json;
	expect([first.topics.length, first.total]).toEqual([1, 2]);
	const said = await cli("hub", "topics", "--hub", "ratings", "--prefix", "rating.game.l", "--limit", "1");
	expect(said.out).toMatch(/^TOPIC +RULE +SUBSCRIBERS +PER SECOND\nrating\.game\.l2 +\S+ +2 +0\n$/);
	expect(said.err).toBe("2 topics in all; --limit N shows more\n");
});

test("publishes by hand, and shows a topic's position, last publications and who is there", async () => {
	const bob = await connect("bob", { rooms: ["x"], info: { name: "Bob" } });
	await bob.say({ action: "subscribe", topic: "rating.game.hand" });
	await bob.say({ action: "subscribe", topic: "chat.x" });
	const done = await ask("hubs/ratings/publish", { method: "POST", body: { topic: "rating.game.hand", data: [1] } });
	expect(done.json).toEqual({
		topic: "rating.game.hand",
		position: { epoch: expect.any(String), offset: 1 },
		subscribers: 1,
	});
	const said = await cli("hub", "publish", "rating.game.hand", '{"rating":7}', "--hub", "ratings");
	expect(said).toEqual({ code: 0, out: "published as number 2 to 1 subscriber\n", err: "" });
	await until(() => bob.told.filter(({ type }) => type === "message").length === 2, { what: "both publications" });
	const rating = (await ask("hubs/ratings/topics/rating.game.hand?history=1")).json;
	expect(rating).toMatchObject({ rule: "rating.game.{game}", subscribers: 1, position: { offset: 2 }, presence: null });
	expect(rating.history).toEqual([{ offset: 2, time: expect.any(Number), data: { rating: 7 } }]);
	expect(rating.publications_per_second).toBeGreaterThan(0);
	const room = (await ask("hubs/ratings/topics/chat.x")).json;
	expect(room.presence).toEqual({
		connections: 1,
		users: 1,
		list: [{ client: expect.any(String), user: "bob", info: { name: "Bob" } }],
	});
	expect(room.history).toBeNull();
	const shown = await cli("hub", "topic", "rating.game.hand", "--hub", "ratings");
	expect(shown.out).toMatch(/2 +\d+s +\{"rating":7\}\n +1 +\d+s +\[1\]\nthe rule keeps no presence\n$/);
	expect((await cli("hub", "topic", "chat.x", "--hub", "ratings")).out).toContain("1 connection of 1 user: bob\n");
});

test("says what is wrong with a question: the hub, the topic, the data, which hub", async () => {
	const messages = [
		await ask("hubs/rating/topics"),
		await ask("hubs/ratings/topics/unknown"),
		await ask("hubs/ratings/topics/a..b"),
		await ask("hubs/ratings/publish", { method: "POST", body: { topic: "rating.game.1" } }),
		await ask("hubs/ratings/publish", { method: "POST", body: { topic: "nothing", data: 1 } }),
	].map(({ status, json }) => `${status} ${json.error.message}`);
	expect(messages).toEqual([
		'404 hub: there is no hub "rating", did you mean "ratings"?',
		"404 topic: no rule of the hub ratings matches unknown; there are rating.game.{game}, chat.{room}, big.{part}, heavy.{part}",
		"400 topic: a segment of the topic is empty",
		"400 data: is missing: any JSON value",
		"404 topic: no rule of the hub ratings matches nothing; there are rating.game.{game}, chat.{room}, big.{part}, heavy.{part}",
	]);
	expect((await cli("hub", "topics")).err).toContain("which hub? --hub ratings or --hub other\n");
	expect((await cli("hub", "topcs")).err).toContain('there is no "topcs", did you mean "topics"?');
	expect((await cli("hub", "publish", "t", "hello", "--hub", "other")).err).toContain('"hello" is not JSON');
});

test("tells why something did not reach a user: refused, unsubscribed, gone, recovered later, lost", async () => {
	const missed = async (query: string) => (await ask(`hubs/ratings/missed?user=carol&${query}`)).json;
	expect(await missed("topic=rating.game.c")).toEqual({ now: "not_connected", connections: [], missed: [] });
	const carol = await connect("carol");
	for (let i = 0; i < 2; i++) await carol.say({ action: "subscribe", topic: "chat.secret" });
	await carol.say({ action: "subscribe", topic: "nothing" });
	const { epoch } = await carol.say({ action: "subscribe", topic: "rating.game.c" });
	const now = await missed("topic=rating.game.c");
	expect(now).toMatchObject({
		now: "follows",
		connections: [{ topics: ["rating.game.c"], follows: true }],
		missed: [],
	});
	expect((await missed("topic=chat.secret")).now).toBe("not_allowed");
	expect((await missed("topic=rating.game.d")).now).toBe("not_subscribed");
	expect((await missed("topic=nothing")).now).toBe("unknown_topic");
	const refusals = (await missed("")).missed.map((each: Record<string, unknown>) => [
		each.error,
		each.topic,
		each.count,
	]);
	expect(refusals.toSorted()).toEqual([
		["PERMISSION_DENIED", "chat.secret", 2],
		["UNKNOWN_TOPIC", "nothing", 1],
	]);
	await carol.say({ action: "unsubscribe", topic: "rating.game.c" });
	carol.ws.close(1000, "bye");
	const ended = (all: readonly { kind: string }[]) => all.filter(({ kind }) => kind === "disconnected").length;
	const publish = (data: unknown) =>
		ask("hubs/ratings/publish", { method: "POST", body: { topic: "rating.game.c", data } });
	await publish(1);
	const again = await connect("carol");
	await again.say({ action: "subscribe", topic: "rating.game.c", since: { epoch, offset: 0 } });
	again.ws.close();
	await until(async () => ended((await missed("")).missed) === 2, { what: "both ends to be noted" });
	for (let i = 2; i < 6; i++) await publish(i);
	const late = await connect("carol");
	await late.say({ action: "subscribe", topic: "rating.game.c", since: { epoch, offset: 1 } });
	const list = (await missed("topic=rating.game.c")).missed as Record<string, unknown>[];
	expect(list.map(({ kind }) => kind).toSorted()).toEqual([
		"disconnected",
		"disconnected",
		"lost",
		"recovered",
		"unsubscribed",
	]);
	expect(list.find(({ kind }) => kind === "recovered")).toMatchObject({ publications: 1, topic: "rating.game.c" });
	expect(list.find(({ reason }) => reason === "bye")).toMatchObject({ kind: "disconnected", code: 1000, by: "client" });
	expect(list.find(({ kind }) => kind === "unsubscribed")).toMatchObject({ by: "client" });
	const { out } = await cli("hub", "missed", "carol", "--topic", "rating.game.c", "--hub", "ratings");
	expect(out).toMatch(
		/^carol follows the topic now: what is published is sent to it\nAGO +WHAT +TOPIC +CONNECTION +WHY\n/,
	);
	expect(out).toMatch(/ recovered +rating\.game\.c +\S+ +1 publication came later\n/);
});

test("tells who read too slowly: what was skipped, and whose connection was closed", async () => {
	const [skips, closed] = [await connect("skips"), await connect("closed")];
	await skips.say({ action: "subscribe", topic: "big.1" });
	await closed.say({ action: "subscribe", topic: "heavy.1" });
	skips.ws.pause();
	closed.ws.pause();
	const data = "x".repeat(60_000);
	const kinds = async (user: string) =>
		((await ask(`hubs/ratings/missed?user=${user}`)).json.missed as { kind: string; topic?: string }[]).map(
			({ kind, topic }) => `${kind} ${topic ?? ""}`,
		);
	await until(
		async () => {
			for (const topic of ["big.1", "heavy.1"]) {
				await ask("hubs/ratings/publish", { method: "POST", body: { topic, data } });
			}
			return (await kinds("skips")).includes("skipped big.1") && (await kinds("closed")).includes("dropped heavy.1");
		},
		{ timeout: 20_000, what: "a skipped and a dropped publication" },
	);
	closed.ws.resume();
	await until(async () => (await kinds("closed")).includes("slow "), { what: "the slow end" });
	const { missed } = (await ask("hubs/ratings/missed?user=closed&topic=heavy.1")).json;
	expect(missed.find(({ kind }: { kind: string }) => kind === "slow")).toMatchObject({ code: 1013, by: "gateway" });
});

test.each(["--plain", "centrifuge"])("clawgate subscribe prints what is published: %s", async (protocol) => {
	const topic = `rating.game.cli-${protocol}`;
	const plain = protocol === "--plain";
	const url = gateway.url(plain ? "/plain" : "/live");
	const options = ["--token", token("cli"), "--count", "2", ...(plain ? ["--plain"] : [])];
	const done = runCli(["subscribe", url, topic, ...options]);
	await until(async () => (await ask(`hubs/ratings/topics?prefix=${topic}`)).json.total === 1, {
		what: "the subscriber",
	});
	for (const data of [{ a: 1 }, "two"]) await ask("hubs/ratings/publish", { method: "POST", body: { topic, data } });
	const { code, out, err } = await done;
	expect([code, err]).toEqual([0, ""]);
	expect(out).toBe(`{"topic":"${topic}","data":{"a":1},"offset":1}\n{"topic":"${topic}","data":"two","offset":2}\n`);
});

test("clawgate subscribe says why it gets nothing, and ends with 1", async () => {
	const refused = await runCli(["subscribe", gateway.url("/live"), "chat.secret", "nothing", "--token", token("cli")]);
	expect([refused.code, refused.out]).toEqual([1, ""]);
	expect(refused.err.split("\n").toSorted()).toEqual([
		"",
		"clawgate subscribe: chat.secret: 103: permission denied",
		"clawgate subscribe: nothing: 102: unknown topic",
	]);
	const nobody = await runCli(["subscribe", gateway.url("/live"), "rating.game.1"]);
	expect(nobody.err).toBe("clawgate subscribe: the connection ended (101, a token is needed; --token gives one)\n");
	expect((await runCli(["subscribe", "http://x", "t"])).err).toContain('"http://x" is no URL of a WebSocket');
	expect((await runCli(["subscribe", "ws://x"])).err).toContain("name at least one topic");
});

test("with workers, subscribers are summed and what was missed is put together", { timeout: 60_000 }, async () => {
	const [port, adminPort] = [await freePort(), await freePort()];
	const workers = await startWorkers(
		`\n\tworkers: 2\n\tlisteners: [{ address: "127.0.0.1:${port}" }]\n\tadmin: { address: "127.0.0.1:${adminPort}" }${HUBS}`,
		port,
	);
	const at = (path: string, more?: Ask) => api({ adminPort }, path, more);
	await until(async () => (await at("/readyz").catch(() => undefined))?.status === 200, {
		timeout: 30_000,
		what: "the gateway to be ready",
	});
	const clients: Client[] = [];
	for (let i = 0; i < 4; i++) clients.push(await connect("dave", {}, port));
	for (const client of clients) {
		await client.say({ action: "subscribe", topic: "rating.game.w" });
		await client.say({ action: "subscribe", topic: "chat.secret" });
	}
	const published = await at("hubs/ratings/publish", { method: "POST", body: { topic: "rating.game.w", data: 1 } });
	expect(published.json).toMatchObject({ position: { offset: 1 }, subscribers: 4 });
	for (const client of clients) {
		await until(() => client.told.some(({ type }) => type === "message"), { what: "the publication" });
	}
	expect((await at("hubs/ratings/topics")).json.topics).toMatchObject([{ topic: "rating.game.w", subscribers: 4 }]);
	const [ratings] = (await at("hubs")).json.hubs;
	expect(ratings).toMatchObject({ connections: 4, subscriptions: 4, topics: 1 });
	expect(ratings.rules[0]).toMatchObject({
		subscriptions: 4,
		publications: { client: 0, api: 1 },
		deliveries: { sent: 4, skipped: 0, dropped: 0 },
	});
	const { json } = await at("hubs/ratings/missed?user=dave&topic=chat.secret");
	expect(json.now).toBe("not_allowed");
	expect(json.connections).toHaveLength(4);
	expect(new Set(json.missed.map(({ client }: { client: string }) => client)).size).toBe(4);
	const times = json.missed.map(({ time }: { time: number }) => time);
	expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
	workers.child.kill("SIGTERM");
	expect(await workers.child.exit(20_000)).toEqual({ code: 0, signal: null });
});
