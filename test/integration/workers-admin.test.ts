/** The admin API of a gateway with several workers, against what is really open. */
import { expect, onTestFinished, test } from "vitest";
import { sampleValue } from "../harness/metrics.ts";
import { until } from "../harness/poll.ts";
import { lives } from "../harness/workers.ts";
import type { WsClient } from "../harness/ws-client.ts";
import { runCli } from "./cli.fixtures.ts";
import { startStage, WORKERS } from "./workers-admin.fixtures.ts";

interface Listed {
	readonly connection_id: string;
	readonly path: string;
	readonly bytes_in: number;
}

const paths = (connections: readonly Listed[]) => connections.map(({ path }) => path);

test("lists, pages, sorts and filters as one process does", async () => {
	const { openMany, ask, stop } = await startStage();
	const clients: WsClient[] = [];
	for (let index = 0; index < 60; index++) {
		const [client] = await openMany(1, () => `/${index % 2 === 0 ? "chat" : "news"}/${index}`);
		clients.push(client as WsClient);
		// Whose message came back is open for its worker too: the next one is younger.
		client?.socket.send("x".repeat((index * 7) % 60));
		await client?.next();
	}
	const newestFirst = clients.map((_, index) => `/${index % 2 === 0 ? "chat" : "news"}/${index}`).reverse();

	const all = (await ask("connections")).json;
	expect(all).toMatchObject({ total: 60, limit: 100, offset: 0, next_cursor: null });
	expect(paths(all.connections)).toEqual(newestFirst);
	expect(all).not.toHaveProperty("missing_workers");

	const byCursor: string[] = [];
	for (let cursor = ""; ; ) {
		const { json } = await ask(`connections?limit=7${cursor}`);
		expect(json.total).toBe(60);
		byCursor.push(...paths(json.connections));
		if (json.next_cursor === null) break;
		cursor = `&cursor=${json.next_cursor}`;
	}
	expect(byCursor).toEqual(newestFirst);

	const oldest = (await ask("connections?order=asc&limit=5&offset=10")).json;
	expect(paths(oldest.connections)).toEqual(newestFirst.toReversed().slice(10, 15));

	const largest = (await ask("connections?sort=bytes_in&limit=60")).json.connections as Listed[];
	expect(largest.map(({ bytes_in }) => bytes_in)).toEqual(
		largest.map(({ bytes_in }) => bytes_in).toSorted((a, b) => b - a),
	);
	const second = (await ask("connections?sort=bytes_in&limit=20&offset=20")).json;
	expect(second.connections.map((each: Listed) => each.bytes_in)).toEqual(
		largest.slice(20, 40).map(({ bytes_in }) => bytes_in),
	);
	expect(second.next_cursor).toBeNull();

	const news = (await ask("connections?route=news&limit=3")).json;
	expect(news.total).toBe(30);
	expect(paths(news.connections)).toEqual(["/news/59", "/news/57", "/news/55"]);

	const wrong = await ask("connections?sort=bytes_in&cursor=5");
	expect([wrong.status, wrong.json.error.code]).toEqual([400, "INVALID"]);
	const routes = (await ask("routes")).json.routes;
	expect(routes.map((each: Record<string, unknown>) => [each.name, each.active, each.opened])).toEqual([
		["chat", 30, 30],
		["news", 30, 30],
		["guarded", 0, 0],
	]);
	const { endpoints } = (await ask("upstreams")).json.upstreams[0];
	expect(endpoints[0].active + endpoints[1].active).toBe(60);
	expect(endpoints.map((each: Record<string, unknown>) => each.available)).toEqual([true, true]);
	await stop();
});

test("finds and closes one connection at whichever worker it is, and many by filter or by id", async () => {
	const { openMany, ask, stop } = await startStage();
	const clients = await openMany(12, (index) => `/${index % 2 === 0 ? "chat" : "news"}/${index}`);
	const { connections } = (await ask("connections?order=asc")).json;
	for (const index of [0, 1, 2]) {
		const id = connections[index].connection_id;
		expect((await ask(`connections/${id}`)).json).toMatchObject({ connection_id: id, path: connections[index].path });
		const { status, json } = await ask(`connections/${id}`, { method: "DELETE", body: { close_code: 4000 + index } });
		expect([status, json]).toEqual([200, { closed: 1, already_closing: 0 }]);
		expect((await clients[index]?.waitClosed())?.code).toBe(4000 + index);
		await until(async () => (await ask(`connections/${id}`)).status === 404, { what: "it to be gone" });
		expect((await ask(`connections/${id}`, { method: "DELETE" })).json.error.code).toBe("NOT_FOUND");
	}
	const ids = [3, 4, 5].map((index) => connections[index].connection_id);
	const byId = await ask("connections", { method: "DELETE", body: { connection_ids: [...ids, "gone"] } });
	expect(byId.json).toEqual({ closed: 3, already_closing: 0 });
	for (const index of [3, 4, 5]) expect((await clients[index]?.waitClosed())?.code).toBe(1008);
	expect((await ask("connections", { method: "DELETE" })).status).toBe(400);
	const byFilter = await ask("connections?route=news", { method: "DELETE", body: { reason: "enough" } });
	expect(byFilter.json).toEqual({ closed: 3, already_closing: 0 });
	for (const index of [7, 9, 11]) expect(await clients[index]?.waitClosed()).toEqual({ code: 1008, reason: "enough" });
	await until(async () => (await ask("connections")).json.total === 3, { what: "the others to be the only ones" });
	await stop();
});

test("activity adds what all workers did", async () => {
	const { openMany, ask, stop } = await startStage();
	for (const { socket, next } of await openMany(9)) {
		socket.send("hello");
		await next();
	}
	await expect(openMany(2, () => "/nowhere")).rejects.toThrow();
	const { json } = await ask("activity");
	expect(json).toMatchObject({ connections: 9, workers: { serving: WORKERS, configured: WORKERS }, stopping: false });
	expect(json.traffic).toMatchObject({ messages_in: 9, messages_out: 9 });
	const opened = json.intervals.reduce((sum: number, each: { opened: number }) => sum + each.opened, 0);
	expect(opened).toBe(9);
	expect(json.last_rejections).toMatchObject([{ code: "NO_ROUTE", path: "/nowhere" }]);
	await stop();
});

test("a worker that hangs is named, and nothing waits for it for long", async () => {
	const { gateway, openMany, ask, metrics, stop } = await startStage();
	await openMany(9);
	const opened = 'clawgate_connections_opened_total{route="chat",upstream="pool"}';
	expect(sampleValue(await metrics(), opened)).toBe(9);
	const { connections } = (await ask("connections")).json;
	const pid = gateway.pids()[0] as number;
	process.kill(pid, "SIGSTOP");
	// When the test fails, it could not be ended otherwise.
	onTestFinished(() => {
		if (lives(pid)) process.kill(pid, "SIGCONT");
	});
	const [list, activity, scrape] = await Promise.all([ask("connections"), ask("activity"), metrics()]);
	const [hanging] = list.json.missing_workers;
	expect(list.json).toMatchObject({ total: 6, missing_workers: [hanging] });
	expect(activity.json).toMatchObject({ connections: 6, missing_workers: [hanging] });
	expect(sampleValue(scrape, "clawgate_workers")).toBe(WORKERS - 1);
	expect(sampleValue(scrape, opened)).toBe(9);
	const there = new Set(list.json.connections.map(({ connection_id }: Listed) => connection_id));
	const unknown = connections.find(({ connection_id }: Listed) => !there.has(connection_id));
	const asked = await ask(`connections/${unknown.connection_id}`);
	expect([asked.status, asked.json.error.code]).toEqual([503, "NO_ANSWER"]);
	expect((await ask("/readyz")).status).toBe(200);
	// It makes the change when it goes on.
	const closed = await ask("connections?all=true", { method: "DELETE" });
	expect(closed.json).toEqual({ closed: 6, already_closing: 0, missing_workers: [hanging] });
	process.kill(pid, "SIGCONT");
	await until(async () => (await ask("connections")).json.total === 0, { what: "all to be closed" });
	await stop();
});

test("the commands of the command line work", async () => {
	const { admin, ask, backends, openMany, stop } = await startStage();
	await openMany(9);
	const cli = (...argv: string[]) => runCli([...argv, "--admin", admin]);
	expect((await cli("connections")).err).toBe("9 connections\n");
	const all = await cli("connections", "--json", "--limit", "all");
	expect(JSON.parse(all.out).connections).toHaveLength(9);
	expect((await cli("endpoints")).out).toContain(backends[0].id);
	expect((await cli("endpoints", "pool", backends[0].id, "--state", "maint")).code).toBe(0);
	expect((await cli("endpoints")).out).toMatch(new RegExp(`${backends[0].id}.*maint`));
	const there = (await ask(`connections?endpoint=${backends[0].id}`)).json.total;
	expect((await cli("close", `endpoint=${backends[0].id}`)).out).toContain(`closed ${there} connection`);
	const drained = await cli("drain", "route=chat", "--spread", "0s", "--wait");
	expect(drained.code).toBe(0);
	expect((await cli("connections")).err).toBe("0 connections\n");
	await stop();
});
