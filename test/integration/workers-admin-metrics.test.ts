/** Metrics and events of a gateway with several workers. */
import { expect, onTestFinished, test } from "vitest";
import { sampleValue } from "../harness/metrics.ts";
import { until } from "../harness/poll.ts";
import { promtool } from "./promtool.fixtures.ts";
import { startStage, WORKERS } from "./workers-admin.fixtures.ts";

const OPENED = 'clawgate_connections_opened_total{route="chat",upstream="pool"}';
const ACTIVE = 'clawgate_connections_active{listener="public",route="chat",upstream="pool"}';

/** Every series of a counter or histogram and its value. */
function counters(text: string): Map<string, number> {
	const types = new Map(
		[...text.matchAll(/^# TYPE (\S+) (counter|histogram)$/gm)].map((match) => [match[1], match[2]]),
	);
	const found = new Map<string, number>();
	for (const [, name = "", labels = "", value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
		if (!types.has(name) && !types.has(name.replace(/_(bucket|sum|count)$/, ""))) continue;
		found.set(`${name}{${labels.split(",").sort().join(",")}}`, Number(value));
	}
	return found;
}

test("metrics are the sums of what was done, and no counter goes down when a worker is killed and replaced", async () => {
	const { openMany, metrics, killWorker, stop } = await startStage();
	for (const { socket, next } of await openMany(30)) {
		socket.send("hello");
		await next();
	}
	const before = await metrics();
	expect(sampleValue(before, OPENED)).toBe(30);
	expect(sampleValue(before, ACTIVE)).toBe(30);
	expect(sampleValue(before, "clawgate_workers")).toBe(WORKERS);
	expect(sampleValue(before, "clawgate_workers_configured")).toBe(WORKERS);
	const messages = 'clawgate_messages_total{route="chat",upstream="pool",direction="client_to_backend",opcode="text"}';
	expect(sampleValue(before, messages)).toBe(30);

	await killWorker();
	let last = counters(before);
	expect(last.size).toBeGreaterThan(30);
	const scrapes: number[] = [];
	await until(
		async () => {
			const text = await metrics();
			const now = counters(text);
			for (const [series, value] of last) expect(now.get(series), series).toBeGreaterThanOrEqual(value);
			last = now;
			scrapes.push(sampleValue(text, "clawgate_workers") ?? -1);
			return scrapes.at(-1) === WORKERS && scrapes.includes(WORKERS - 1);
		},
		{ timeout: 20_000, what: "a scrape without the worker, and one with its replacement" },
	);
	await openMany(WORKERS);
	const after = await metrics();
	expect(sampleValue(after, OPENED)).toBe(30 + WORKERS);
	expect(sampleValue(after, ACTIVE)).toBe(20 + WORKERS);
	expect(sampleValue(after, messages)).toBe(30);
	await stop();
});

test("promtool calls the metrics good", async () => {
	const { openMany, metrics, stop } = await startStage();
	await openMany(3);
	const { code, output } = await promtool(["check", "metrics"], { input: await metrics() });
	expect([output, code]).toEqual(["", 0]);
	await stop();
});

test("events of all workers come in one stream with rising ids, also those from before, and Last-Event-ID works", async () => {
	const { admin, openMany, killWorker, stop } = await startStage();
	const stream = async (query: string, headers: Record<string, string> = {}) => {
		const controller = new AbortController();
		onTestFinished(() => controller.abort());
		const response = await fetch(`${admin}/api/v1/events${query}`, { headers, signal: controller.signal });
		let text = "";
		void (async () => {
			for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
		})().catch(() => undefined);
		const events = () =>
			[...text.matchAll(/^id: (\d+)\nevent: (\S+)\ndata: (.*)$/gm)].map(([, id, name, data]) => ({
				id: Number(id),
				name,
				data: JSON.parse(data ?? ""),
			}));
		return { events, close: () => controller.abort() };
	};
	const before = await openMany(6, (index) => `/chat/before-${index}`);
	const first = await stream("?recent=100&event=ws.");
	await until(() => first.events().length === 6, { what: "the opens from before" });
	expect(first.events().map(({ data }) => data.path)).toEqual(before.map((_, index) => `/chat/before-${index}`));

	const later = await openMany(6, (index) => `/chat/later-${index}`);
	for (const { socket } of later) socket.close(1000);
	await until(() => first.events().length === 18, { what: "opens and closes of all workers" });
	const seen = first.events();
	expect(seen.map(({ id }) => id)).toEqual(seen.map(({ id }) => id).toSorted((a, b) => a - b));
	expect(new Set(seen.map(({ id }) => id)).size).toBe(18);
	expect(seen.filter(({ name, data }) => name === "ws.close" && data.close_code === 1000)).toHaveLength(6);

	first.close();
	const [missed] = await openMany(1, () => "/chat/missed");
	const again = await stream("?event=ws.", { "Last-Event-ID": String(seen.at(-1)?.id) });
	await until(() => again.events().length === 1, { what: "what was missed" });
	expect(again.events()[0]?.data.path).toBe("/chat/missed");
	missed?.socket.close();
	const killed = await killWorker();
	const all = await stream("?recent=20");
	await until(() => all.events().some(({ name, data }) => name === "worker.exit" && data.pid === killed.pid), {
		what: "the end of the worker",
	});
	await stop();
});

test("what a worker counted stays when it is one too many after a reload", async () => {
	const { gateway, openMany, metrics, reload, stop } = await startStage();
	const clients = await openMany(9);
	// Nobody has asked for metrics before it ends.
	expect(await reload((yaml) => yaml.replace(/^workers: .*/, "workers: 2"))).toMatchObject({ event: "config.reload" });
	await gateway.child.out.waitFor(({ event, worker }) => event === "worker.exit" && worker === 3);
	const text = await metrics();
	expect(sampleValue(text, OPENED)).toBe(9);
	expect(sampleValue(text, ACTIVE)).toBe(6);
	const drained = 'close_code="1001",initiator="gateway",termination="shutdown"';
	expect(sampleValue(text, `clawgate_connections_closed_total{route="chat",upstream="pool",${drained}}`)).toBe(3);
	expect(sampleValue(text, "clawgate_workers")).toBe(2);
	expect(sampleValue(text, "clawgate_workers_configured")).toBe(2);
	expect(clients.filter(({ closed }) => closed?.code === 1001)).toHaveLength(3);
	await stop();
});
