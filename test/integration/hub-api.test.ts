/** `hub_api`, with a library of Centrifugo's HTTP API that nobody here wrote, and with requests that no library sends. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CentClient, CentException } from "cent.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { certificate, temporaryFiles } from "../harness/certs.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { hubToken, plainClient, sdk } from "../harness/hub.ts";
import { until } from "../harness/poll.ts";
import { SECRET } from "../harness/tokens.ts";

const KEY = "key-of-the-shop";

let gateway: TestGateway;
let dir: string;
let base: string;
let cent: CentClient;

beforeAll(async () => {
	dir = mkdtempSync(join(tmpdir(), "clawgate-test-"));
	writeFileSync(join(dir, "hub-keys.txt"), `shop sha256:${createHash("sha256").update(KEY).digest("hex")}\n`);
	gateway = await startTestGateway(
		`
		log: { level: debug }
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0", keys_file: hub-keys.txt }
		hubs:
		  main:
		    topics:
		      - { match: "kept.{x}", subscribe: authenticated, history: { size: 5, ttl: 1m }, presence: true }
		      - { match: "user.{user}", subscribe: { claims: { sub: "{user}" } } }
		      - { match: "loose.**", subscribe: authenticated }
		routes:
		  - { match: { path: /c }, hub: main, auth: { jwt: { secret: "${SECRET}", from: [first_message] } } }
		  - { match: { path: /p }, hub: { name: main, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: t }] } } }
	`,
		{ file: join(dir, "routes.yaml"), autoStop: false },
	);
	base = `http://127.0.0.1:${gateway.handle.hubApiPort}`;
	cent = new CentClient({ url: `${base}/api`, apiKey: KEY });
});

afterAll(async () => {
	await gateway.stop({ immediately: true });
	rmSync(dir, { recursive: true });
});

interface Answer {
	readonly status: number;
	readonly body: {
		readonly result?: Record<string, unknown>;
		readonly error?: { code: number; message: string };
	} & Record<string, unknown>;
}

async function call(
	path: string,
	body: string,
	headers: Record<string, string> = { "X-API-Key": KEY },
): Promise<Answer> {
	const answer = await fetch(`${base}${path}`, { method: "POST", headers, body });
	return { status: answer.status, body: (await answer.json()) as Answer["body"] };
}

async function ask(operation: string, params: unknown): Promise<Answer["body"]> {
	return (await call(`/api/${operation}`, JSON.stringify(params))).body;
}

async function follower(user: string, topic: string) {
	const client = await plainClient(gateway.url(`/p?t=${hubToken(user)}`));
	await client.wait({ type: "connection_success" });
	client.send({ action: "subscribe", topic });
	await client.wait({ type: "subscribed", topic });
	return client;
}

describe("cent.js", () => {
	test("publishes, broadcasts, and reads history, presence and channels", async () => {
		const client = await follower("ann", "kept.lib");
		expect(await cent.publish({ channel: "kept.lib", data: { n: 1 } })).toMatchObject({ offset: 1 });
		await cent.broadcast({ channels: ["kept.lib", "kept.other"], data: { n: 2 } });
		await until(() => client.told.filter(({ type }) => type === "message").length === 2, { what: "both" });
		expect(await cent.getHistory({ channel: "kept.lib", limit: 10 })).toMatchObject({
			offset: 2,
			publications: [
				{ offset: 1, data: { n: 1 } },
				{ offset: 2, data: { n: 2 } },
			],
		});
		const present = (await cent.getPresence({ channel: "kept.lib" })) as unknown as {
			presence: Record<string, { user: string }>;
		};
		expect(Object.values(present.presence).map(({ user }) => user)).toEqual(["ann"]);
		expect(await cent.getPresenceStats({ channel: "kept.lib" })).toEqual({ num_clients: 1, num_users: 1 });
		expect(await cent.getChannels({ pattern: "kept.l*" })).toEqual({ channels: { "kept.lib": { num_clients: 1 } } });
		await cent.removeHistory({ channel: "kept.lib" });
		expect(await cent.getHistory({ channel: "kept.lib", limit: 10 })).toMatchObject({ publications: [], offset: 2 });
		expect(await cent.getInfo()).toMatchObject({ nodes: [{ name: "clawgate" }] });
	});

	test("subscribes, unsubscribes and disconnects a user's connections", async () => {
		const client = sdk(gateway.url("/c"), { token: hubToken("bob") });
		const seen: string[] = [];
		client.on("subscribed", ({ channel }) => seen.push(`+${channel}`));
		client.on("unsubscribed", ({ channel }) => seen.push(`-${channel}`));
		client.on("publication", ({ data }) => seen.push(String(data)));
		const ended: number[] = [];
		client.on("disconnected", ({ code }) => ended.push(code));
		client.connect();
		await client.ready(5_000);
		await cent.subscribe({ user: "bob", channel: "loose.x" });
		await until(() => seen.includes("+loose.x"), { what: "the subscription" });
		await cent.publish({ channel: "loose.x", data: "hello" as never });
		await until(() => seen.includes("hello"), { what: "the publication" });
		await cent.unsubscribe({ user: "bob", channel: "loose.x" });
		await until(() => seen.includes("-loose.x"), { what: "the end of the subscription" });
		await cent.disconnect({ user: "bob" });
		await until(() => ended.length === 1, { what: "the end" });
		expect(ended).toEqual([3503]);
	});

	test("throws its own error for what is refused, and for another key", async () => {
		await expect(cent.publish({ channel: "unknown", data: {} })).rejects.toThrow(CentException);
		const stranger = new CentClient({ url: `${base}/api`, apiKey: "other" });
		await expect(stranger.publish({ channel: "loose.x", data: {} })).rejects.toThrow(CentException);
	});
});

describe("keys", () => {
	test("are taken as header, as Authorization and as query; the name is in the log, and the key is not", async () => {
		const body = JSON.stringify({ channel: "loose.log", data: 1 });
		expect((await call("/api/publish", body)).status).toBe(200);
		expect((await call("/api/publish", body, { Authorization: `apikey ${KEY}` })).status).toBe(200);
		expect((await call(`/api/publish?api_key=${KEY}`, body, {})).status).toBe(200);
		expect(gateway.logs).toContainEqual(
			expect.objectContaining({ event: "hub_api.request", operation: "publish", caller: "shop", status: 200 }),
		);
		expect(JSON.stringify(gateway.logs)).not.toContain(KEY);
	});

	test.each([{}, { "X-API-Key": "" }, { "X-API-Key": "wrong" }, { Authorization: "apikey" }])(
		"that are missing or wrong are 401: %j",
		async (headers) => {
			const { status, body } = await call("/api/info", "{}", headers as Record<string, string>);
			expect([status, body.error?.code]).toEqual([401, 401]);
		},
	);
});

describe("an operation", () => {
	test("with an idempotency key happens once for each topic", async () => {
		const once = { channel: "kept.once", data: 1, idempotency_key: "k" };
		const first = await ask("publish", once);
		expect(await ask("publish", { ...once, data: 2 })).toEqual(first);
		expect(await ask("publish", { ...once, channel: "kept.twice" })).toMatchObject({ result: { offset: 1 } });
		expect(await ask("history", { channel: "kept.once", limit: -1 })).toMatchObject({
			result: { publications: [{ data: 1 }] },
		});
	});

	test("passes numbers and spaces on as they are, and bytes from base64", async () => {
		await call("/api/publish", '{"topic":"kept.raw","data": {"big": 12345678901234567890,  "b":1.0}}');
		await ask("publish", { topic: "kept.raw", b64data: Buffer.from("\u0000bytes").toString("base64") });
		const answer = await fetch(`${base}/api/history`, {
			method: "POST",
			headers: { "X-API-Key": KEY },
			body: '{"channel":"kept.raw","limit":10}',
		});
		const text = await answer.text();
		expect(text).toContain('{"big": 12345678901234567890,  "b":1.0}');
		expect(text).toContain(JSON.stringify(Buffer.from("\u0000bytes").toString("base64")));
	});

	test("of a batch has its own answer, wrong ones too", async () => {
		const commands = [
			{ publish: { channel: "kept.batch", data: 1 } },
			{ publish: { channel: "nothing", data: 1 } },
			{ fly: {} },
			"text",
			["publish"],
			null,
			7,
			{},
			{ publish: 5 },
			{ presence_stats: { channel: "kept.batch" } },
		];
		for (const parallel of [false, true]) {
			const { replies } = (await ask("batch", { commands, parallel })) as unknown as { replies: Answer["body"][] };
			expect(replies.map((reply) => reply.error?.code ?? Object.keys(reply)[0])).toEqual([
				"publish",
				102,
				104,
				107,
				107,
				107,
				107,
				107,
				107,
				"presence_stats",
			]);
		}
	});

	test("of a broadcast answers for each topic", async () => {
		expect(await ask("broadcast", { channels: ["kept.b1", "nothing"], data: {} })).toMatchObject({
			result: { responses: [{ result: { offset: 1 } }, { error: { code: 102 } }] },
		});
	});

	test.each([
		["publish", { data: 1 }, 107],
		["publish", { channel: "kept.e" }, 107],
		["publish", { channel: "a..b", data: 1 }, 107],
		["publish", { channel: "\u0000", data: 1 }, 107],
		["publish", { channel: "x".repeat(256), data: 1 }, 107],
		["publish", { channel: "kept.e", b64data: "%" }, 107],
		["publish", { channel: "kept.e", data: 1, tags: { a: 1 } }, 107],
		["publish", { channel: "kept.e", data: 1, hub: "other" }, 107],
		["publish", { channel: "unknown", data: 1 }, 102],
		["broadcast", { channels: [], data: 1 }, 107],
		["broadcast", { channels: "kept.e", data: 1 }, 107],
		["subscribe", { channel: "unknown", user: "u" }, 102],
		["subscribe", { channel: "kept.e" }, 107],
		["unsubscribe", { channel: "kept.e", user: "" }, 107],
		["disconnect", {}, 107],
		["disconnect", { user: "u", disconnect: { code: 1000 } }, 107],
		["refresh", { user: 7 }, 107],
		["presence", { channel: "loose.x" }, 108],
		["presence_stats", { channel: "loose.x" }, 108],
		["history", { channel: "loose.x" }, 108],
		["history", { channel: "kept.e", since: { epoch: "other", offset: 1 } }, 112],
		["history", { channel: "kept.e", limit: 1.5 }, 107],
		["history_remove", { channel: "unknown" }, 102],
		["channels", { pattern: 5 }, 107],
		["batch", { commands: {} }, 107],
		["batch", { commands: Array.from({ length: 1_001 }, () => ({})) }, 106],
	])("%s of %j is refused with %d, in JSON", async (operation, params, code) => {
		expect(await ask(operation as string, params)).toMatchObject({ error: { code, message: expect.any(String) } });
	});
});

describe("requests that no library sends", () => {
	test.each([
		["an unknown path", "/api/fly", "{}", 404],
		["no path", "/", "{}", 404],
		["another method", "/api/info", undefined, 405],
		["no JSON", "/api/info", "{", 200],
		["a list", "/api/publish", "[1]", 200],
		[
			"very deep JSON",
			"/api/publish",
			`{"channel":"kept.deep","data":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
			200,
		],
		["more than may be", "/api/publish", `{"data":"${"x".repeat(17 * 1024 * 1024)}"}`, 413],
	])("%s", async (_, path, body, status) => {
		const headers = { "X-API-Key": KEY };
		const answer = await fetch(
			`${base}${path}`,
			body === undefined ? { headers } : { method: "POST", headers, body },
		).catch(
			// The rest of a body that is too long is not read: a client that only writes sees the end before the answer.
			() => undefined,
		);
		if (answer) expect([answer.status, typeof (await answer.json())]).toEqual([status, "object"]);
		else expect(status).toBe(413);
	});

	test.each(["//", "http://[", "/api/%", "*", "/api/publish?hub=%E0%A4%A", `/${"a".repeat(9_000)}`, "/api/info#x"])(
		"a target that is no URL: %s",
		async (target) => {
			const text = await raw(`POST ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
			expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
		},
	);

	test("one that breaks off leaves nothing behind", async () => {
		const socket = connect({ host: "127.0.0.1", port: gateway.handle.hubApiPort as number });
		socket.write(`POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: ${KEY}\r\nContent-Length: 100\r\n\r\n{`);
		await new Promise((resolve) => setTimeout(resolve, 20));
		socket.resetAndDestroy();
		await gateway.waitForLog((record) => record.event === "hub_api.request" && record.status === 400);
		expect((await call("/api/info", "{}")).status).toBe(200);
	});

	test("none of them was a mistake of the gateway", () => {
		expect(gateway.logs.filter(({ event }) => event === "internal.error")).toEqual([]);
	});
});

function raw(request: string): Promise<string> {
	return new Promise((resolve, reject) => {
		let text = "";
		const socket = connect({ host: "127.0.0.1", port: gateway.handle.hubApiPort as number }, () =>
			socket.write(request),
		);
		socket.on("data", (chunk) => {
			text += chunk.toString("latin1");
		});
		socket.on("end", () => resolve(text));
		socket.on("error", reject);
	});
}

test("with tls it is https, with the certificate of the configuration", async () => {
	const { cert: ca, key } = await certificate(["localhost"]);
	const { dir } = await temporaryFiles({ "server.pem": ca, "server.key": key });
	const secure = await startTestGateway(
		`
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0", tls: { certificates: [{ cert: server.pem, key: server.key }] } }
		hubs: { main: { topics: [{ match: "**" }] } }
		routes: [{ hub: main }]
	`,
		{ file: join(dir, "routes.yaml") },
	);
	const status = await new Promise((resolve, reject) => {
		const port = secure.handle.hubApiPort;
		get({ host: "127.0.0.1", port, path: "/api/info", ca, servername: "localhost" }, (response) => {
			response.resume();
			resolve(response.statusCode);
		}).on("error", reject);
	});
	expect(status).toBe(405);
});
