/** `hub_api` when the engine is away: a real server, and a hub whose engine refuses. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { HubApi } from "../../../src/hub/api/server.ts";
import type { HubEngine } from "../../../src/hub/engine.ts";
import { HubError } from "../../../src/hub/errors.ts";
import { Hub } from "../../../src/hub/hub.ts";
import { hubOptions } from "../../../src/hub/options.ts";

const away = async (): Promise<never> => {
	throw new HubError("ENGINE_UNAVAILABLE");
};
const ENGINE: HubEngine = {
	subscribe: away,
	unsubscribe: () => {},
	publish: away,
	history: away,
	removeHistory: away,
	enter: () => {},
	leave: () => {},
	presence: away,
	topics: away,
	countTopics: away,
	order: away,
};

test.each([
	["publish", { channel: "t", data: 1 }],
	["subscribe", { channel: "t", user: "u" }],
	["disconnect", { user: "u" }],
	["presence", { channel: "t" }],
	["history", { channel: "t" }],
	["history_remove", { channel: "t" }],
	["channels", {}],
	["info", {}],
])("%s is answered with 503 and a temporary error, never with success", async (operation, params) => {
	const topics = [{ match: "t", history: { size: 1, ttl: "1m" }, presence: true }];
	const hub = new Hub("main", hubOptions.parse({ topics }), { now: 0 });
	hub.connect(ENGINE);
	const failures: unknown[] = [];
	const api = new HubApi({
		hubs: () => new Map([["main", hub]]),
		keys: () => undefined,
		node: () => ({ uid: "1", name: "n", version: "0", uptime: 1 }),
		log: () => {},
		failed: (error) => failures.push(error),
	});
	const server = createServer((request, response) => void api.handle(request, response));
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => {
		server.close();
		server.closeAllConnections();
	});
	const { port } = server.address() as AddressInfo;
	const answer = await fetch(`http://127.0.0.1:${port}/api/${operation}`, {
		method: "POST",
		body: JSON.stringify(params),
	});
	expect([answer.status, await answer.json()]).toEqual([
		503,
		{ error: { code: 100, message: "the engine is not available now" } },
	]);
	expect(failures).toEqual([]);
});
