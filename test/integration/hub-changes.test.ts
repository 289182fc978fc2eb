/** Hubs under live clients: reloads, tokens that end, revocations, limits and drains. */
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { hubToken, plainClient, sdk } from "../harness/hub.ts";
import { until } from "../harness/poll.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { inSeconds, SECRET } from "../harness/tokens.ts";

const JWT = `auth: { jwt: { secret: "${SECRET}", from: [first_message, { query: t }] } }`;
const PLAIN_JWT = `auth: { jwt: { secret: "${SECRET}", from: [{ query: t }] } }`;

function file(topics: string, route = "hub: main", more = ""): string {
	return `
		listeners: [{ address: "127.0.0.1:0" }]
		hubs:
		  main: { topics: [${topics}]${more} }
		  other: { topics: [{ match: "**", subscribe: anyone }] }
		routes:
		  - { name: live, match: { path: /c }, ${route}, ${JWT}, drain: { spread: 0s, close_code: 1012 } }
		  - { name: rest, match: { path: /rest }, hub: other, ${JWT} }
	`;
}
const OPEN =
	'{ match: "a.{x}", subscribe: authenticated, history: { size: 9, ttl: 1m } }, { match: "b.{x}", subscribe: authenticated }';

async function followers(port: number) {
	const client = sdk(`ws://127.0.0.1:${port}/c`, { token: hubToken("ann"), getToken: async () => hubToken("ann") });
	const ended: [string, number][] = [];
	const disconnects: number[] = [];
	client.on("disconnected", ({ code }) => disconnects.push(code));
	// To the SDK every close code below 3000 is 1: it comes back.
	client.on("connecting", ({ code }) => code > 0 && disconnects.push(code));
	for (const topic of ["a.1", "b.1"]) {
		const subscription = client.newSubscription(topic);
		subscription.on("unsubscribed", ({ code }) => ended.push([topic, code]));
		subscription.subscribe();
	}
	client.connect();
	await Promise.all(Object.values(client.subscriptions()).map((each) => each.ready(5_000)));
	return { client, ended, disconnects };
}

describe("a reload", () => {
	test("unsubscribes those who may no longer, and nobody else notices", async () => {
		const gateway = await startReloadable(file(OPEN));
		const { ended, disconnects, client } = await followers(gateway.port);
		await gateway.change(file(OPEN.replace('"b.{x}", subscribe: authenticated', '"b.{x}", subscribe: nobody')));
		await until(() => ended.length > 0, { what: "the end of one subscription" });
		expect([ended, disconnects, client.getSubscription("a.1")?.state]).toEqual([[["b.1", 2000]], [], "subscribed"]);
	});

	test("of the limits holds for connections that are open", async () => {
		const gateway = await startReloadable(file(OPEN));
		const { client, disconnects } = await followers(gateway.port);
		await gateway.change(file(OPEN, "hub: main", ", limits: { topics_per_connection: 2 }"));
		const third = client.newSubscription("a.2");
		const refused = new Promise((resolve) => third.on("unsubscribed", ({ code }) => resolve(code)));
		third.subscribe();
		expect([await refused, disconnects]).toEqual([106, []]);
	});

	test("that moves the route to another hub drains its connections, which come back there", async () => {
		const gateway = await startReloadable(file(OPEN));
		const { client, disconnects } = await followers(gateway.port);
		await gateway.change(file(OPEN, "hub: other"));
		await until(() => disconnects.length > 0 && client.state === "connected", { what: "the client to come back" });
		expect(disconnects).toEqual([1]);
		expect(await gateway.lines.waitFor("ws.close")).toMatchObject({
			close_code: 1012,
			termination: "drain",
			hub: "main",
		});
		await until(
			() =>
				gateway.lines.records.some(
					({ event, hub, route }) => event === "ws.open" && hub === "other" && route === "live",
				),
			{ what: "a connection to the other hub" },
		);
	});
});

describe("a token", () => {
	test("that runs out ends a plain connection with 4401 auth_expired", async () => {
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			hubs: { main: { topics: [{ match: "**" }] } }
			routes: [{ hub: { name: main, protocol: plain }, ${PLAIN_JWT} }]
		`);
		const client = await plainClient(gateway.url(`/?t=${hubToken("ann", { exp: Math.floor(inSeconds(2)) })}`));
		expect(await client.end).toEqual([4401, "token expired"]);
		expect(await gateway.waitForLog("ws.close")).toMatchObject({
			termination: "auth_expired",
			user: "ann",
			hub: "main",
		});
	});

	test("is renewed by the SDK over the same connection", async () => {
		const gateway = await startReloadable(file(OPEN));
		let fetched = 0;
		const client = sdk(`ws://127.0.0.1:${gateway.port}/c`, {
			getToken: async () => hubToken("ann", { exp: Math.floor(inSeconds(fetched++ < 3 ? 2 : 60)) }),
		});
		const disconnects: number[] = [];
		client.on("connecting", ({ code }) => code > 0 && disconnects.push(code));
		client.connect();
		await until(() => fetched >= 4, { timeout: 15_000, what: "three renewals" });
		expect([client.state, disconnects]).toEqual(["connected", []]);
		expect(gateway.lines.records.filter(({ event }) => event === "ws.open")).toHaveLength(1);
	});
});

test("connections of a user are counted by the token of the first message, and given back", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		hubs: { main: { topics: [{ match: "**" }] } }
		routes: [{ hub: main, ${JWT}, limits: { connections_per_user: 1 } }]
	`);
	const first = sdk(gateway.url("/"), { token: hubToken("ann") });
	first.connect();
	await first.ready(5_000);
	const second = sdk(gateway.url("/"), { token: hubToken("ann") });
	const codes: number[] = [];
	second.on("disconnected", ({ code }) => codes.push(code));
	second.connect();
	await until(() => codes.length > 0, { what: "the refusal" });
	expect(codes).toEqual([106]);
	const other = sdk(gateway.url("/"), { token: hubToken("bob") });
	other.connect();
	await other.ready(5_000);
	first.disconnect();
	await until(() => gateway.handle.connectionCount() === 1, { what: "the others to be gone" });
	second.connect();
	await second.ready(5_000);
});

test("a drain says its close code, and the SDK comes back and has missed nothing", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		hub_api: { address: "127.0.0.1:0" }
		hubs: { main: { topics: [${OPEN}] } }
		routes: [{ name: live, match: { path: /c }, hub: main, ${JWT}, drain: { spread: 0s, close_code: 1012 } }]
	`);
	const { client, disconnects } = await followers(gateway.port);
	const got: unknown[] = [];
	client.getSubscription("a.1")?.on("publication", ({ data }) => got.push(data));
	const recovered: boolean[] = [];
	client.getSubscription("a.1")?.on("subscribed", (context) => recovered.push(context.recovered));
	const publish = (data: number) =>
		fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/publish`, {
			method: "POST",
			body: JSON.stringify({ hub: "main", channel: "a.1", data }),
		});
	await publish(1);
	await until(() => got.length === 1, { what: "the first" });
	const drained = fetch(`http://127.0.0.1:${gateway.handle.adminPort}/api/v1/drain`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ route: "live", spread: "0s" }),
	});
	expect((await drained).ok).toBe(true);
	await until(() => disconnects.length > 0, { what: "the Close" });
	await publish(2);
	await until(() => got.length === 2 && recovered.length > 0, { what: "what was missed" });
	expect([got, recovered, disconnects]).toEqual([[1, 2], [true], [1]]);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ close_code: 1012, termination: "drain" });
});

test("a revoked subject ends a connection whose token came in the first message", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		hubs: { main: { topics: [{ match: "**" }] } }
		routes: [{ hub: main, ${JWT} }]
	`);
	const client = sdk(gateway.url("/"), { token: hubToken("ann", { jti: "one" }) });
	client.connect();
	await client.ready(5_000);
	const answer = await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/api/v1/revocations`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ sub: "ann" }),
	});
	expect(answer.ok, await answer.text()).toBe(true);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1008,
		close_initiator: "gateway",
		user: "ann",
	});
});

test("the admin API shows hubs and their routes without a secret", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		hub_api: { address: "127.0.0.1:0" }
		hubs: { main: { topics: [{ match: "**" }], backend: { url: "http://u:password@127.0.0.1:1/?key=password", ask: [rpc] } } }
		routes: [{ name: live, hub: main, ${JWT} }]
	`);
	for (const page of ["routes", "upstreams", "config", "connections"]) {
		const answer = await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/api/v1/${page}`);
		const text = await answer.text();
		expect([page, answer.status]).toEqual([page, 200]);
		for (const secret of [SECRET, "password"]) expect(text).not.toContain(secret);
	}
});
