/** `events` of a hub: batches at a real webhook, judged by the CloudEvents SDK. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type CloudEvent, HTTP } from "cloudevents";
import { describe, expect, test } from "vitest";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { type HttpBackend, hubToken, plainClient, startHttpBackend } from "../harness/hub.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { SECRET } from "../harness/tokens.ts";
import { startWorkerGateway } from "../harness/worker-gateway.ts";

type Told = CloudEvent<Record<string, unknown>>;

interface Webhook extends HttpBackend {
	/** In the order in which they came; each was valid. */
	readonly told: Told[];
	/** Batches so far, their sizes. */
	readonly batches: number[];
	readonly validations: (string | undefined)[];
}

/** @param status of the answer to a batch; undefined: there is none */
async function startWebhook({
	port = 0,
	status = () => 200,
	allow = () => "*",
}: {
	port?: number;
	status?: () => number | undefined;
	allow?: (origin: string) => string | undefined;
} = {}): Promise<Webhook> {
	const told: Told[] = [];
	const batches: number[] = [];
	const validations: (string | undefined)[] = [];
	const backend = await startHttpBackend((request: IncomingMessage, body: string, response: ServerResponse) => {
		if (request.method === "OPTIONS") {
			const origin = request.headers["webhook-request-origin"] as string;
			validations.push(origin);
			const allowed = allow(origin);
			response.writeHead(200, allowed === undefined ? {} : { "WebHook-Allowed-Origin": allowed }).end();
			return;
		}
		const answer = status();
		if (answer === undefined) return;
		if (answer === 200) {
			// The judge throws when one of them is not a CloudEvent.
			const events = HTTP.toEvent<Record<string, unknown>>({ headers: request.headers, body }) as Told[];
			for (const event of events) event.validate();
			told.push(...events);
			batches.push(events.length);
		}
		response.writeHead(answer).end();
	}, port);
	return Object.assign(backend, { told, batches, validations });
}

const ALL = "[connected, disconnected, subscribed, unsubscribed, occupied, vacated, published]";

function yaml(url: string, batch = "{ size: 10, wait: 20ms }", on = ALL): string {
	return `
		hubs:
		  main:
		    topics: [{ match: "t.**", subscribe: authenticated, publish: authenticated, history: { size: 10, ttl: 1m } }]
		    events: { url: "${url}", on: ${on}, batch: ${batch} }
		    limits: { publications: { rate: 100000/s, burst: 100000 } }
		routes:
		  - { name: plain, hub: { name: main, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: t }] } } }
	`;
}

async function gatewayFor(...args: Parameters<typeof yaml>): Promise<TestGateway> {
	return await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0" }
		${yaml(...args).trim()}
	`);
}

async function client(url: string, user = "ann") {
	const made = await plainClient(`${url}?t=${hubToken(user)}`);
	await made.wait({ type: "connection_success" });
	return made;
}

function types(told: readonly Told[]): string[] {
	return told.map(({ type }) => type.replace("clawgate.hub.", ""));
}

test("each thing that happens is a valid event, in its order", async () => {
	const webhook = await startWebhook();
	const gateway = await gatewayFor(`${webhook.url}/events`);
	const ann = await client(gateway.url("/"));
	ann.send({ action: "subscribe", topic: "t.a" });
	await ann.wait({ type: "subscribed" });
	ann.send({ action: "publish", topic: "t.a", data: { n: 1 } });
	await ann.wait({ type: "message" });
	await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/publish`, {
		method: "POST",
		body: '{"topic":"t.a","data":{"big":12345678901234567890}}',
	});
	ann.send({ action: "unsubscribe", topic: "t.a" });
	await ann.wait({ type: "unsubscribed" });
	ann.ws.close(4000, "bye");
	await until(() => types(webhook.told).includes("disconnected"), { what: "the last event" });
	expect(types(webhook.told)).toEqual([
		"connected",
		"occupied",
		"subscribed",
		"published",
		"published",
		"vacated",
		"unsubscribed",
		"disconnected",
	]);
	const [connected, occupied, , published, , , , disconnected] = webhook.told;
	const id = connected?.data?.client;
	expect(connected).toMatchObject({
		source: "/clawgate/hubs/main",
		subject: "ann",
		data: { user: "ann", route: "plain" },
	});
	expect(occupied).toMatchObject({ subject: "t.a", data: { topic: "t.a" } });
	expect(published).toMatchObject({ data: { source: "client", client: id, user: "ann", offset: 1, data: { n: 1 } } });
	expect(disconnected?.data).toMatchObject({
		client: id,
		code: 4000,
		reason: "bye",
		initiator: "client",
		termination: "normal",
	});
	expect(new Set(webhook.told.map((event) => event.id)).size).toBe(8);
	expect(webhook.validations).toEqual([expect.any(String)]);
});

describe("validation", () => {
	test("a webhook that does not allow events gets none, and the log says so", async () => {
		const webhook = await startWebhook({ allow: () => undefined });
		const gateway = await gatewayFor(webhook.url);
		await client(gateway.url("/"));
		const { message } = await gateway.waitForLog("hub.events_down");
		expect(message).toContain("does not allow events");
		expect(webhook.told).toEqual([]);
	});

	test("one that allows this gateway's name is enough", async () => {
		const webhook = await startWebhook({ allow: (origin) => origin });
		const gateway = await gatewayFor(webhook.url);
		await client(gateway.url("/"));
		await until(() => webhook.told.length === 1, { what: "the event" });
	});
});

test("a webhook that fails gets everything later, in order for each connection", async () => {
	let failures = 3;
	const webhook = await startWebhook({ status: () => (failures-- > 0 ? 503 : 200) });
	const gateway = await gatewayFor(webhook.url, "{ size: 7, wait: 10ms }", "[published]");
	const [ann, bob] = [await client(gateway.url("/")), await client(gateway.url("/"), "bob")];
	for (let n = 0; n < 50; n++) for (const each of [ann, bob]) each.send({ action: "publish", topic: "t.a", data: n });
	await until(() => webhook.told.length === 100, { timeout: 10_000, what: "all events" });
	for (const user of ["ann", "bob"]) {
		const numbers = webhook.told.filter(({ data }) => data?.user === user).map(({ data }) => data?.data);
		expect(numbers).toEqual(Array.from({ length: 50 }, (_, n) => n));
	}
	expect(Math.max(...webhook.batches)).toBeLessThanOrEqual(7);
	expect(
		gateway.lines.records.filter(({ event }) => String(event).startsWith("hub.events")).map(({ event }) => event),
	).toEqual(["hub.events_down", "hub.events_up"]);
});

test("a webhook that is away for a while delays no delivery, and all arrives when it is back", async () => {
	const port = await freePort();
	const gateway = await gatewayFor(`http://127.0.0.1:${port}/`);
	const ann = await client(gateway.url("/"));
	ann.send({ action: "subscribe", topic: "t.a" });
	await ann.wait({ type: "subscribed" });
	await gateway.waitForLog("hub.events_down");
	const before = performance.now();
	for (let n = 0; n < 100; n++) ann.send({ action: "publish", topic: "t.a", data: n });
	await until(() => ann.told.filter(({ type }) => type === "message").length === 100, { what: "all publications" });
	expect(performance.now() - before).toBeLessThan(1_000);
	const webhook = await startWebhook({ port });
	await until(() => webhook.told.length >= 103, { timeout: 15_000, what: "all events" });
	expect(webhook.told.filter(({ type }) => type.endsWith("published")).map(({ data }) => data?.data)).toEqual(
		Array.from({ length: 100 }, (_, n) => n),
	);
});

test("what does not fit into the queue is dropped, the oldest first, and counted", async () => {
	let answering = false;
	const webhook = await startWebhook({ status: () => (answering ? 200 : 500) });
	const gateway = await gatewayFor(webhook.url, "{ size: 10000, wait: 50ms }", "[published]");
	const commands = Array.from({ length: 1_000 }, (_, n) => ({ publish: { topic: "t.a", data: n } }));
	for (let round = 0; round < 12; round++) {
		const answer = await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/batch`, {
			method: "POST",
			body: JSON.stringify({ commands }),
		});
		await answer.arrayBuffer();
	}
	answering = true;
	await until(() => webhook.told.length >= 10_000, { timeout: 15_000, what: "what was kept" });
	expect(webhook.told).toHaveLength(10_000);
	expect(webhook.told[0]?.data?.offset).toBe(2_001);
});

test("a batch that is refused for good is dropped, and what comes later still arrives", async () => {
	const answers = [400];
	const webhook = await startWebhook({ status: () => answers.shift() ?? 200 });
	const gateway = await gatewayFor(webhook.url, "{ size: 1, wait: 0ms }", "[connected, disconnected]");
	const ann = await client(gateway.url("/"));
	await gateway.waitForLog(
		(record) => record.event === "hub.events_down" && String(record.message).includes("dropped"),
	);
	ann.ws.close();
	await until(() => webhook.told.length === 1, { what: "the next event" });
	expect(types(webhook.told)).toEqual(["disconnected"]);
});

test("with workers, a topic is occupied and vacated once, whoever follows it", async () => {
	const webhook = await startWebhook();
	const gateway = await startWorkerGateway(2, yaml(webhook.url, "{ size: 10, wait: 20ms }", "[occupied, vacated]"));
	const clients = [];
	for (let index = 0; index < 6; index++) {
		const each = await client(`ws://127.0.0.1:${gateway.port}/`, `user-${index}`);
		each.send({ action: "subscribe", topic: "t.shared" });
		await each.wait({ type: "subscribed" });
		clients.push(each);
	}
	await until(() => webhook.told.length === 1, { what: "the first event" });
	for (const { ws } of clients) ws.close();
	await until(() => webhook.told.length >= 2, { what: "the last event" });
	expect(types(webhook.told)).toEqual(["occupied", "vacated"]);
	await gateway.stop();
});

test("what a client publishes is told byte for byte, however deep it is", async () => {
	let body = "";
	const backend = await startHttpBackend((request, text, response) => {
		if (request.method === "POST") body += text;
		response.writeHead(200, { "WebHook-Allowed-Origin": "*" }).end();
	});
	const gateway = await gatewayFor(backend.url, "{ size: 1, wait: 0ms }", "[published]");
	const ann = await client(gateway.url("/"));
	const deep = `${"[".repeat(20_000)}12345678901234567890${"]".repeat(20_000)}`;
	ann.ws.send(`{"action":"publish","topic":"t.a","data":${deep},"id":1}`);
	await ann.wait({ type: "published", id: 1 });
	await until(() => body.includes(deep), { what: "the event" });
	expect(gateway.logs.filter(({ event }) => event === "internal.error")).toEqual([]);
});
