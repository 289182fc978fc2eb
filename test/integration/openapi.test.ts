/** docs/openapi.json against the running server: nothing documented is missing, nothing there is undocumented. */
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ActivityLog } from "../../src/admin/api/activity-log.ts";
import { EventFeed } from "../../src/admin/api/event-feed.ts";
import { EventStreams } from "../../src/admin/api/events.ts";
import { apiOperations } from "../../src/admin/api/index.ts";
import { RouteCounter } from "../../src/admin/api/route-counts.ts";
import { openapiRoute } from "../../src/admin/openapi.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { ROOT } from "../harness/child.ts";
import { until } from "../harness/poll.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { type ApiAnswer, type Ask, adminYaml, api } from "./admin.fixtures.ts";

interface OpenApi {
	readonly openapi: string;
	readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
	readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

interface OperationObject {
	readonly summary?: string;
	readonly parameters?: readonly { readonly name: string; readonly in: string; readonly description?: string }[];
	readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: unknown }>>;

const committed = JSON.parse(readFileSync(`${ROOT}docs/openapi.json`, "utf8")) as OpenApi;

const operations = Object.entries(committed.paths).flatMap(([path, item]) =>
	Object.entries(item).map(([method, operation]) => ({
		name: `${method.toUpperCase()} ${path}`,
		method,
		path,
		operation,
	})),
);

/** With every reference replaced by what it refers to. */
function resolved(schema: unknown): unknown {
	if (Array.isArray(schema)) return schema.map(resolved);
	if (typeof schema !== "object" || schema === null) return schema;
	const reference = (schema as { $ref?: string }).$ref;
	if (reference !== undefined) {
		const name = reference.replace("#/components/schemas/", "");
		expect(committed.components.schemas, reference).toHaveProperty([name]);
		return resolved(committed.components.schemas[name]);
	}
	return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value)]));
}

/** Fails unless the answer is what the document says about its status. */
function expectDocumented(operation: OperationObject, answer: ApiAnswer): void {
	const spec = operation.responses[answer.status] ?? operation.responses.default;
	expect(spec, `status ${answer.status}`).toBeDefined();
	const media = String(answer.headers["content-type"]).split(";")[0] as string;
	const schema = spec?.content?.[media]?.schema;
	expect(schema, `${media} for status ${answer.status}: ${answer.text}`).toBeDefined();
	if (media !== "application/json") return;
	const result = z.fromJSONSchema(resolved(schema) as Parameters<typeof z.fromJSONSchema>[0]).safeParse(answer.json);
	expect(result.error?.issues ?? [], answer.text).toEqual([]);
}

const HUB = `  - { name: live, match: { path: /live }, hub: { name: live, protocol: plain } }
hubs: { live: { anonymous: true, topics: [{ match: "t.{x}", subscribe: anyone, presence: true, history: { size: 5, ttl: 1m } }] } }`;

async function running() {
	const backend = await startWsBackend();
	const yaml = adminYaml({ chat: [backend.url] }, HUB);
	const gateway = await startReloadable(yaml);
	const clients = [];
	for (let i = 0; i < 3; i++) clients.push(await openWs(`ws://127.0.0.1:${gateway.port}/chat`, ["a"]));
	const follower = await openWs(`ws://127.0.0.1:${gateway.port}/live`);
	await follower.next();
	for (const topic of ["t.1", "unknown"]) {
		follower.socket.send(JSON.stringify({ action: "subscribe", topic }));
		await follower.next();
	}
	await api(gateway.handle, "hubs/live/publish", { method: "POST", body: { topic: "t.1", data: [1] } });
	const ids = (await api(gateway.handle, "connections?route=chat")).json.connections.map(
		(each: { connection_id: string }) => each.connection_id,
	);
	return { backend, gateway, yaml, ids };
}

type Running = Awaited<ReturnType<typeof running>>;
type Sample = readonly [path: string, ask: Ask, status: number];

/** For each operation: what is asked, and which status that has to give. */
const SAMPLES: Readonly<Record<string, (now: Running) => readonly Sample[]>> = {
	"GET /healthz": () => [["/healthz", {}, 200]],
	"GET /readyz": () => [["/readyz", {}, 200]],
	"GET /metrics": () => [["/metrics", {}, 200]],
	"GET /api/v1/openapi.json": () => [["openapi.json", {}, 200]],
	"GET /api/v1/routes": () => [
		["routes", {}, 200],
		["routes?x=1", {}, 400],
	],
	"GET /api/v1/upstreams": () => [["upstreams", {}, 200]],
	"PATCH /api/v1/upstreams/{name}/endpoints/{id}": ({ backend }) => [
		[`upstreams/chat/endpoints/${backend.id}`, { body: { state: "drain", weight: 3 } }, 200],
		[`upstreams/chat/endpoints/${backend.id}`, { body: { state: null } }, 200],
		[`upstreams/chat/endpoints/${backend.id}`, { body: {} }, 400],
		["upstreams/chat/endpoints/other:1", { body: { state: "drain" } }, 404],
	],
	"GET /api/v1/hubs": () => [["hubs", {}, 200]],
	"GET /api/v1/hubs/{hub}/topics": () => [
		["hubs/live/topics?prefix=t&limit=1", {}, 200],
		["hubs/live/topics?limit=0", {}, 400],
		["hubs/none/topics", {}, 404],
	],
	"GET /api/v1/hubs/{hub}/topics/{topic}": () => [
		["hubs/live/topics/t.1", {}, 200],
		["hubs/live/topics/t..1", {}, 400],
		["hubs/live/topics/unknown", {}, 404],
	],
	"GET /api/v1/hubs/{hub}/missed": () => [
		["hubs/live/missed", {}, 200],
		["hubs/live/missed?user=&topic=t.1", {}, 200],
	],
	"POST /api/v1/hubs/{hub}/publish": () => [
		["hubs/live/publish", { body: { topic: "t.1", data: null } }, 200],
		["hubs/live/publish", { body: { topic: "t.1" } }, 400],
		["hubs/live/publish", { body: { topic: "unknown", data: 1 } }, 404],
	],
	"GET /api/v1/config": () => [["config", {}, 200]],
	"GET /api/v1/connections": () => [
		["connections?limit=1", {}, 200],
		["connections?sort=bytes_in&order=asc&offset=1", {}, 200],
		["connections?limit=x", {}, 400],
	],
	"GET /api/v1/connections/{id}": ({ ids }) => [
		[`connections/${ids[0]}`, {}, 200],
		["connections/none", {}, 404],
	],
	"DELETE /api/v1/connections/{id}": ({ ids }) => [
		[`connections/${ids[0]}`, { body: { close_code: 1012 } }, 200],
		["connections/none", {}, 404],
	],
	"DELETE /api/v1/connections": () => [
		["connections", { body: { connection_ids: ["none"] } }, 200],
		["connections", { body: { connection_ids: [] } }, 400],
		["connections?subprotocol=a", { body: { reason: "why" } }, 200],
		["connections", {}, 400],
		["connections?all=true", { headers: { "content-type": "text/plain" } }, 415],
		["connections?all=true", { headers: { origin: "https://evil.example" } }, 403],
	],
	"POST /api/v1/drain": ({ backend }) => [
		["drain", { body: { endpoint: backend.id, spread: "0s" } }, 202],
		["drain", { body: { route: "none" } }, 404],
		["drain", { body: "x".repeat(70_000) }, 413],
	],
	"GET /api/v1/drain": () => [["drain", {}, 200]],
	"POST /api/v1/reload": () => [["reload", {}, 200]],
	"GET /api/v1/activity": () => [
		["activity", {}, 200],
		["activity?since=1", {}, 200],
		["activity?since=-1", {}, 400],
	],
	"GET /api/v1/revocations": () => [["revocations?limit=1", {}, 200]],
	"POST /api/v1/revocations": () => [
		["revocations", { body: { sub: "alice", until: "1h" } }, 201],
		["revocations", { body: { sub: "alice", jti: "b" } }, 400],
	],
	// A stream has no end to wait for; admin-events.test.ts is about it.
	"GET /api/v1/events": () => [["events?event=", {}, 400]],
};

describe("docs/openapi.json", () => {
	test("is what the server serves (npm run docs writes it anew)", async () => {
		const { gateway } = await running();
		const { json } = await api(gateway.handle, "openapi.json");
		expect(json).toEqual(committed);
		expect(committed.openapi).toBe("3.1.0");
	});

	test("has every route of the API's router, and only these", () => {
		const nothing = { connections: undefined } as unknown as Gateway;
		const served = apiOperations({
			gateway: nothing,
			counter: new RouteCounter(),
			activity: new ActivityLog(() => 0),
			streams: new EventStreams(new EventFeed(() => 0)),
			reload: () => Promise.reject(new Error("not asked")),
			redact: (value) => value,
			endpointChanged: () => undefined,
			revocations: { revoke: () => ({ closed: 0, until: 0 }), list: () => [] },
			now: () => 0,
		});
		const all = [...served, openapiRoute(served)];
		const inRouter = all.map(({ route: { method, path } }) => `${method} ${path}`);
		const documented = operations.map(({ name }) => name).filter((name) => name.includes(" /api/"));
		expect(documented.toSorted()).toEqual(inRouter.toSorted());
	});

	test("documents every parameter and answer in words", () => {
		for (const { name, path, operation } of operations) {
			expect(operation.summary, name).toMatch(/\w/);
			const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
			const parameters = operation.parameters ?? [];
			expect(
				parameters.filter((each) => each.in === "path").map((each) => each.name),
				name,
			).toEqual(inPath);
			for (const parameter of parameters) expect(parameter.description, `${name} ${parameter.name}`).toMatch(/\w/);
			for (const answer of Object.values(operation.responses)) expect(answer.description, name).toMatch(/\w/);
		}
	});
});

describe("the server", () => {
	test("is asked about every documented operation here", () => {
		expect(Object.keys(SAMPLES).toSorted()).toEqual(operations.map(({ name }) => name).toSorted());
	});

	test.each(operations)("$name answers with the documented shape", async ({ name, method, operation }) => {
		const now = await running();
		for (const [path, ask, status] of SAMPLES[name]?.(now) ?? []) {
			const answer = await api(now.gateway.handle, path, { method: method.toUpperCase(), ...ask });
			expect(answer.status, `${path}: ${answer.text}`).toBe(status);
			expectDocumented(operation, answer);
		}
	});

	test("takes exactly the documented methods at each path", async () => {
		const { gateway, backend, ids } = await running();
		for (const [path, item] of Object.entries(committed.paths)) {
			const target = path
				.replace("{name}", "chat")
				.replace("/endpoints/{id}", `/endpoints/${backend.id}`)
				.replace("{id}", ids[0]);
			const { status, headers } = await api(gateway.handle, target, { method: "OPTIONS" });
			expect(status, path).toBe(405);
			const allowed = String(headers.allow)
				.split(", ")
				.filter((each) => each !== "HEAD");
			expect(allowed.toSorted(), path).toEqual(
				Object.keys(item)
					.map((each) => each.toUpperCase())
					.toSorted(),
			);
		}
	});

	test("answers a rejected reload and a stream as documented", async () => {
		const { gateway, yaml } = await running();
		gateway.write(yaml.replace("upstream: chat", "upstream: chta"));
		const rejected = await api(gateway.handle, "reload", { method: "POST" });
		expect(rejected.status).toBe(422);
		expectDocumented(committed.paths["/api/v1/reload"]?.post as OperationObject, rejected);
		const drains = await api(gateway.handle, "drain", { method: "POST", body: { spread: "1h" } });
		expectDocumented(committed.paths["/api/v1/drain"]?.post as OperationObject, drains);
		expectDocumented(committed.paths["/api/v1/drain"]?.get as OperationObject, await api(gateway.handle, "drain"));
		const stream = await new Promise<string | undefined>((resolve, reject) => {
			const sent = request(
				{ host: "127.0.0.1", port: gateway.handle.adminPort, path: "/api/v1/events" },
				(response) => {
					resolve(response.headers["content-type"]?.split(";")[0]);
					sent.destroy();
				},
			);
			sent.on("error", reject);
			sent.end();
		});
		const documented = committed.paths["/api/v1/events"]?.get?.responses[200]?.content ?? {};
		expect(Object.keys(documented)).toEqual([stream]);
		await until(() => gateway.lines.of("config.rejected").length > 0, { what: "the log line" });
	});

	test("an answer that is not as documented would be found", () => {
		const answer = { status: 200, headers: { "content-type": "application/json" }, text: "" };
		const { get } = committed.paths["/api/v1/drain"] as { get: OperationObject };
		expectDocumented(get, { ...answer, json: { drains: [] } });
		for (const json of [{}, { drains: [{}] }, { drains: [], more: 1 }, []]) {
			expect(() => expectDocumented(get, { ...answer, json })).toThrow();
		}
	});
});
