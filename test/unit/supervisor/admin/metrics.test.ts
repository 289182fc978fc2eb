/** `/metrics` of a gateway with workers: what is added, what is not, and that no counter goes down. */
import { expect, it, onTestFinished, vi } from "vitest";
import { GatewayMetrics } from "../../../../src/supervisor/admin/metrics.ts";
import type { MetricObject } from "../../../../src/telemetry/merge.ts";
import { Metrics } from "../../../../src/telemetry/metrics.ts";
import type { EndpointFacts, MetricsSource } from "../../../../src/telemetry/source.ts";
import { sampleValue } from "../../../harness/metrics.ts";
import { type TestWorker, TestWorkers } from "./workers.fixtures.ts";

const NOTHING: MetricsSource = {
	connections: () => [],
	traffic: () => [],
	endpoints: () => [],
	draining: () => 0,
	certificates: () => [],
	logLinesLost: () => 0,
	workers: () => ({ serving: 1, configured: 1 }),
	limiters: () => [],
	hubRules: () => [],
	hubConnections: () => [],
};

const facts = { connection_id: "1", client_ip: "", peer_ip: "", listener: "main", route: "chat", upstream: "pool" };
const opened = { attempts: [], handshake_ms: 1, connect_ms: 1 };

function registry(source: Partial<MetricsSource> = {}, nodeMetrics = false): Metrics {
	const metrics = new Metrics({ source: { ...NOTHING, ...source }, nodeMetrics, now: () => 1_000 });
	onTestFinished(() => metrics.stop());
	return metrics;
}

const report = async ({ registry: { getMetricsAsJSON }, registry: own }: Metrics) =>
	(await getMetricsAsJSON.call(own)) as unknown as MetricObject[];

/** A gateway whose supervisor and workers have these registries. */
function gateway(own: Metrics, ...registries: Metrics[]) {
	const workers = new TestWorkers();
	const metrics = new GatewayMetrics(
		own,
		workers,
		() => workers.list(),
		() => true,
	);
	onTestFinished(() => metrics.stop());
	const start = (of: Metrics, number: number): TestWorker => {
		const worker = workers.start(number);
		worker.channel.handle("metrics", () => report(of));
		return worker;
	};
	const started = registries.map((of, index) => start(of, index + 1));
	return { metrics, started, start, value: async (series: string) => sampleValue(await metrics.render(), series) };
}

const OPENED = 'clawgate_connections_opened_total{route="chat",upstream="pool"}';

it("adds what happened and what is open, and counts the workers that answer", async () => {
	const source = (active: number): Partial<MetricsSource> => ({
		connections: () => [{ listener: "main", route: "chat", upstream: "pool", active }],
		draining: () => active,
	});
	const workers = [registry(source(2)), registry(source(3))];
	for (const worker of workers) worker.open(facts, opened);
	const { metrics } = gateway(registry(), ...workers);
	const text = await metrics.render();
	expect(sampleValue(text, OPENED)).toBe(2);
	expect(sampleValue(text, 'clawgate_handshake_duration_seconds_count{route="chat",upstream="pool"}')).toBe(2);
	expect(sampleValue(text, 'clawgate_connections_active{listener="main",route="chat",upstream="pool"}')).toBe(5);
	expect(sampleValue(text, "clawgate_draining_connections")).toBe(5);
	expect(sampleValue(text, "clawgate_workers")).toBe(2);
	expect(sampleValue(text, "clawgate_workers_configured")).toBe(3);
});

it("adds no states: the worst worker's counts", async () => {
	const source = (endpoint: Partial<EndpointFacts>, expiresAt: number): Partial<MetricsSource> => ({
		endpoints: () => [
			{ upstream: "pool", endpoint: "a", active: 1, up: true, ejections: 1, breaker: "closed", ...endpoint },
		],
		certificates: () => [{ listener: "main", serverName: "chat", expiresAt }],
	});
	const text = async (...workers: Partial<MetricsSource>[]) =>
		gateway(registry(), ...workers.map((each) => registry(each))).metrics.render();
	const good = source({}, 9_000);
	const labels = '{upstream="pool",endpoint="a"}';
	const all = await text(good, good);
	expect(sampleValue(all, `clawgate_endpoint_up${labels}`)).toBe(1);
	expect(sampleValue(all, `clawgate_circuit_breaker_state${labels}`)).toBe(0);
	expect(sampleValue(all, `clawgate_endpoint_connections${labels}`)).toBe(2);
	const mixed = await text(good, source({ up: false, breaker: "open" }, 5_000));
	expect(sampleValue(mixed, `clawgate_endpoint_up${labels}`)).toBe(0);
	expect(sampleValue(mixed, `clawgate_circuit_breaker_state${labels}`)).toBe(2);
	const expiry = 'clawgate_tls_certificate_expiry_timestamp_seconds{listener="main",server_name="chat"}';
	expect(sampleValue(mixed, expiry)).toBe(5);
});

it("has reloads and the start of the gateway from the supervisor only", async () => {
	const own = registry({}, true);
	own.notice("info", "config.reload");
	const worker = registry({ limiters: () => [{ limit: "connections", entries: 7 }] }, true);
	worker.notice("info", "config.reload");
	worker.notice("error", "config.rejected");
	const { metrics } = gateway(own, worker);
	const text = await metrics.render();
	expect(sampleValue(text, 'clawgate_config_reloads_total{result="success"}')).toBe(1);
	expect(sampleValue(text, 'clawgate_config_reloads_total{result="rejected"}')).toBe(0);
	expect(sampleValue(text, "clawgate_config_last_reload_successful")).toBe(1);
	expect(text).not.toContain("clawgate_limiter_entries{");
	expect(text.match(/^process_start_time_seconds \d+/gm)).toHaveLength(1);
	// One stuck worker must be seen.
	expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
});

it("never lets a counter go down when a worker dies and another one takes its place", async () => {
	const first = registry();
	for (let i = 0; i < 3; i++) first.open(facts, opened);
	const { value, started, start } = gateway(registry(), first, registry());
	expect(await value(OPENED)).toBe(3);
	started[0]?.kill();
	expect(await value(OPENED)).toBe(3);
	expect(await value("clawgate_workers")).toBe(1);
	const replacement = registry();
	replacement.open(facts, opened);
	const replaced = start(replacement, 1);
	expect(await value(OPENED)).toBe(4);
	expect(await value('clawgate_handshakes_total{route="chat",upstream="pool",result="ok"}')).toBe(4);
	expect(await value("clawgate_workers")).toBe(2);
	for (const worker of [started[1], replaced]) worker?.kill();
	expect(await value(OPENED)).toBe(4);
	expect(await value("clawgate_workers")).toBe(0);
});

it("keeps the open connections of a dead worker out of the sums", async () => {
	const source = { connections: () => [{ listener: "main", route: "chat", upstream: "pool", active: 2 }] };
	const { metrics, started } = gateway(registry(), registry(source), registry(source));
	const series = 'clawgate_connections_active{listener="main",route="chat",upstream="pool"}';
	expect(sampleValue(await metrics.render(), series)).toBe(4);
	started[0]?.kill();
	expect(sampleValue(await metrics.render(), series)).toBe(2);
});

it("counts all that a worker did that says farewell", async () => {
	const leaving = registry();
	const { value, started } = gateway(registry(), leaving);
	await value(OPENED);
	leaving.open(facts, opened);
	await started[0]?.channel.call("farewell", await report(leaving));
	started[0]?.kill();
	expect(await value(OPENED)).toBe(1);
});

it("answers without a worker that hangs: its counters stay, and it is not among the workers", async () => {
	const hanging = registry({ draining: () => 5 });
	hanging.open(facts, opened);
	const { value, started } = gateway(registry(), hanging, registry());
	expect(await value(OPENED)).toBe(1);
	started[0]?.channel.handle("metrics", () => new Promise(() => undefined));
	const before = performance.now();
	expect(await value("clawgate_workers")).toBe(1);
	expect(performance.now() - before).toBeLessThan(4_000);
	expect(await value(OPENED)).toBe(1);
	expect(await value("clawgate_draining_connections")).toBe(0);
});

it("asks by itself now and then, so that little is lost when nobody scrapes", async () => {
	vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
	onTestFinished(() => void vi.useRealTimers());
	const worker = registry();
	const { started, value } = gateway(registry(), worker);
	worker.open(facts, opened);
	vi.advanceTimersByTime(20_000);
	// Answers come in order.
	await started[0]?.handle.channel.call("metrics", undefined);
	await new Promise((resolve) => setImmediate(resolve));
	started[0]?.kill();
	expect(await value(OPENED)).toBe(1);
});
