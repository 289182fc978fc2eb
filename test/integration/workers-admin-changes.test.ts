/** What an operator changes in a gateway with several workers: it holds in all of them, and in those that come later. */
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { until } from "../harness/poll.ts";
import { token } from "../harness/tokens.ts";
import { type AdminStage, startStage, WORKERS } from "./workers-admin.fixtures.ts";

/** To which endpoints new connections go, one for each worker and more. */
async function chosen({ openMany, ask }: AdminStage, count = 2 * WORKERS): Promise<Set<string>> {
	const clients = await openMany(count, (index) => `/chat/chosen-${index}`);
	const { connections } = (await ask(`connections?limit=${count}`)).json;
	for (const { socket } of clients) socket.terminate();
	return new Set(connections.map(({ endpoint }: { endpoint: string }) => endpoint));
}

/** Status of an opening handshake that is refused; 101 otherwise. */
function statusOf(port: number, path: string, headers: Record<string, string>): Promise<number> {
	return new Promise((resolve) => {
		const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
		socket.on("error", () => undefined);
		socket.on("open", () => {
			socket.terminate();
			resolve(101);
		});
		socket.on("unexpected-response", (_request, response) => {
			response.resume();
			resolve(response.statusCode ?? 0);
		});
	});
}

/** Kills a worker and waits for the one that takes its place. */
async function replaceWorker({ gateway, ask, killWorker }: AdminStage): Promise<void> {
	const before = gateway.pids();
	await killWorker();
	await until(async () => (await ask("activity")).json.workers.serving === WORKERS, {
		timeout: 20_000,
		what: "the replacement",
	});
	expect(gateway.pids()).not.toEqual(before);
}

test("an endpoint's state holds in every worker, is in the log once, and is told to a worker that starts", async () => {
	const stage = await startStage();
	const { gateway, backends, ask, stop } = stage;
	const [one, two] = backends;
	expect(await chosen(stage)).toEqual(new Set([one.id, two.id]));
	const path = `upstreams/pool/endpoints/${one.id}`;
	const { status, json } = await ask(path, { method: "PATCH", body: { state: "maint" } });
	expect(status).toBe(200);
	expect(json).toMatchObject({ id: one.id, state: "maint", available: false, configured: { state: "ready" } });
	expect(await chosen(stage)).toEqual(new Set([two.id]));
	expect(gateway.child.out.records.filter(({ event }) => event === "endpoint.changed")).toHaveLength(1);
	await replaceWorker(stage);
	expect(await chosen(stage)).toEqual(new Set([two.id]));
	await ask(path, { method: "PATCH", body: { state: null } });
	expect(await chosen(stage)).toEqual(new Set([one.id, two.id]));
	expect((await ask("upstreams/pool/endpoints/none", { method: "PATCH", body: { state: "maint" } })).status).toBe(404);
	await stop();
});

test("a revoked token's connections are closed at every worker, and it is refused by all, also by one that starts", async () => {
	const stage = await startStage();
	const { ask, open, port, stop } = stage;
	const headers = { Authorization: `Bearer ${await token({ sub: "ada" })}` };
	const clients = [];
	for (let i = 0; i < 2 * WORKERS; i++) clients.push(await open("/guarded", headers));
	const other = await open("/guarded", { Authorization: `Bearer ${await token({ sub: "eve" })}` });
	const { status, json } = await ask("revocations", { method: "POST", body: { sub: "ada" } });
	expect([status, json.closed]).toEqual([201, 2 * WORKERS]);
	for (const client of clients) expect((await client.waitClosed()).code).toBe(1008);
	expect(other.closed).toBeUndefined();
	expect((await ask("revocations")).json).toEqual({ revocations: [{ sub: "ada", until: json.until }], total: 1 });
	const refusedByAll = async () => {
		for (let i = 0; i < 2 * WORKERS; i++) expect(await statusOf(port, "/guarded", headers)).toBe(401);
	};
	await refusedByAll();
	await replaceWorker(stage);
	await refusedByAll();
	await stop();
});

test("a drain is one over all workers: its progress is summed, and it begins and ends once in the log", async () => {
	const { gateway, openMany, ask, stop } = await startStage();
	const clients = await openMany(30);
	const begun = await ask("drain", { method: "POST", body: { route: "chat", spread: "2s", timeout: "5s" } });
	expect(begun.status).toBe(202);
	const { id } = begun.json;
	expect(begun.json).toMatchObject({ target: "route chat", state: "running", total: 30, spread_ms: 2_000 });
	const remaining: number[] = [];
	await until(
		async () => {
			const { drains } = (await ask("drain")).json;
			expect(drains).toHaveLength(1);
			remaining.push(drains[0].remaining);
			return drains[0].state === "done";
		},
		{ timeout: 6_000, what: "the drain to end" },
	);
	expect(remaining).toEqual(remaining.toSorted((a, b) => b - a));
	expect(new Set(remaining).size, "progress is seen").toBeGreaterThan(5);
	for (const client of clients) expect((await client.waitClosed()).code).toBe(1001);
	await gateway.child.out.waitFor(({ event }) => event === "drain.end");
	const told = gateway.child.out.records.filter(({ event }) => event.startsWith("drain."));
	expect(told.map(({ event, drain, connections }) => [event, drain, connections])).toEqual([
		["drain.start", id, 30],
		["drain.end", id, 30],
	]);
	expect((await ask("drain", { method: "POST", body: { route: "none" } })).json.error.code).toBe("NOT_FOUND");
	await stop();
	const stops = gateway.child.out.records.filter(
		({ event, target }) => event === "drain.start" && target === "gateway",
	);
	expect(stops).toHaveLength(1);
});

test("what a reload drains in each worker is one drain", async () => {
	const { gateway, openMany, ask, reload, stop } = await startStage();
	const clients = await openMany(9);
	expect(await reload((yaml) => yaml.replace(/^.*name: chat,.*\n/m, ""))).toMatchObject({ drained: 9 });
	for (const client of clients) expect((await client.waitClosed()).code).toBe(1001);
	const ended = await gateway.child.out.waitFor(({ event }) => event === "drain.end");
	expect(ended.connections).toBe(9);
	const { drains } = (await ask("drain")).json;
	expect(drains).toMatchObject([{ id: ended.drain, state: "done", total: 9, remaining: 0 }]);
	expect((await ask("activity")).json.last_reload).toMatchObject({ result: "success", trigger: "file" });
	await stop();
});

test("a drain ends when the worker that was still busy with it dies", async () => {
	const { gateway, openMany, ask, killWorker, stop } = await startStage();
	await openMany(9);
	await ask("drain", { method: "POST", body: { spread: "1m", timeout: "2m" } });
	for (const pid of gateway.pids()) await killWorker(pid);
	await until(async () => (await ask("drain")).json.drains[0].state === "done", { what: "the drain to be done" });
	expect((await ask("connections")).json.total).toBe(0);
	await stop();
});

test("an endpoint that is drained gets nothing new from any worker", async () => {
	const stage = await startStage();
	const { backends, openMany, ask, stop } = stage;
	const [one, two] = backends;
	await openMany(4 * WORKERS);
	const there = (await ask(`connections?endpoint=${one.id}`)).json.total;
	const { json } = await ask("drain", { method: "POST", body: { endpoint: one.id, spread: "0s" } });
	expect(json).toMatchObject({ target: `endpoint ${one.id}`, total: there });
	await until(async () => (await ask(`connections?endpoint=${one.id}`)).json.total === 0, { what: "it to be empty" });
	expect(await chosen(stage)).toEqual(new Set([two.id]));
	await stop();
});
