import { describe, expect, it } from "vitest";
import type { CloseReport } from "../../../src/gateway/events.ts";
import { Metrics } from "../../../src/telemetry/metrics.ts";
import type { DirectionTotals, MetricsSource, TrafficTotals } from "../../../src/telemetry/source.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "./events.fixtures.ts";

const NOTHING: DirectionTotals = { bytes: 0, text: 0, binary: 0, ping: 0, pong: 0, close: 0 };

const EMPTY: MetricsSource = {
	connections: () => [],
	traffic: () => [],
	endpoints: () => [],
	draining: () => 0,
	certificates: () => [],
	limiters: () => [],
	hubRules: () => [],
	hubConnections: () => [],
	logLinesLost: () => 0,
	workers: () => ({ serving: 1, configured: 1 }),
};

function metricsOf(source: Partial<MetricsSource> = {}, now: () => number = () => 5000): Metrics {
	return new Metrics({ source: { ...EMPTY, ...source }, now, nodeMetrics: false });
}

/** The sample lines of a scrape, without comments, buckets and sums. */
async function samples(metrics: Metrics): Promise<string[]> {
	const text = await metrics.render();
	return text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && !/_(bucket|sum)\b/.test(line));
}

describe("event metrics", () => {
	it("count an opened connection and its handshake", async () => {
		const metrics = metricsOf();
		metrics.open(FACTS, OPENED);
		metrics.open(FACTS, OPENED);
		expect(await samples(metrics)).toEqual(
			expect.arrayContaining([
				'clawgate_connections_opened_total{route="chat",upstream="pool"} 2',
				'clawgate_handshakes_total{route="chat",upstream="pool",result="ok"} 2',
				'clawgate_handshake_duration_seconds_count{route="chat",upstream="pool"} 2',
			]),
		);
		expect(await metrics.render()).toContain(
			'clawgate_handshake_duration_seconds_bucket{le="0.025",route="chat",upstream="pool"} 2',
		);
	});

	it("count a refused handshake under its error code, without route as an empty name", async () => {
		const metrics = metricsOf();
		metrics.reject(FACTS, REFUSED);
		metrics.reject({ ...FACTS, route: undefined, upstream: undefined }, { ...REFUSED, code: "NO_ROUTE" });
		const lines = await samples(metrics);
		expect(lines).toContain('clawgate_handshakes_total{route="chat",upstream="pool",result="CONNECT_FAILED"} 1');
		expect(lines).toContain('clawgate_handshakes_total{route="",upstream="",result="NO_ROUTE"} 1');
		expect(lines.filter((line) => line.includes("connections_opened_total"))).toEqual([]);
	});

	it("count a closed connection by code, initiator and termination", async () => {
		const metrics = metricsOf();
		const close = (report: Partial<CloseReport>) => metrics.close(FACTS, { ...CLOSED, ...report });
		close({});
		close({});
		close({ close_code: 4123 });
		close({ close_code: 4124 });
		close({ close_code: 3999 });
		close({ close_code: 2000 });
		close({ close_code: 1006, close_initiator: "backend", termination: "backend_drop" });
		const labels = (code: string, initiator = "client", termination = "normal") =>
			`clawgate_connections_closed_total{route="chat",upstream="pool",close_code="${code}",initiator="${initiator}",termination="${termination}"}`;
		const lines = (await samples(metrics)).filter((line) => line.includes("connections_closed_total"));
		expect(lines.sort()).toEqual(
			[
				`${labels("1000")} 2`,
				`${labels("other_4xxx")} 2`,
				`${labels("other_3xxx")} 1`,
				`${labels("other")} 1`,
				`${labels("1006", "backend", "backend_drop")} 1`,
			].sort(),
		);
	});

	it("keep the life of a connection in buckets from a second to a day", async () => {
		const metrics = metricsOf();
		metrics.close(FACTS, { ...CLOSED, duration_ms: 3_600_000 });
		const text = await metrics.render();
		const bounds = [...text.matchAll(/connection_duration_seconds_bucket\{le="([^"]+)"/g)].map((match) => match[1]);
		expect(bounds.at(0)).toBe("1");
		expect(bounds.at(-2)).toBe("86400");
		expect(text).toContain('connection_duration_seconds_sum{route="chat",upstream="pool"} 3600');
	});

	it("measure pings and count pauses", async () => {
		const metrics = metricsOf();
		metrics.pingRtt("chat", "backend", 0.004);
		metrics.pause("chat", "client_to_backend");
		metrics.pause("chat", "client_to_backend");
		expect(await samples(metrics)).toEqual(
			expect.arrayContaining([
				'clawgate_ping_rtt_seconds_count{route="chat",side="backend"} 1',
				'clawgate_backpressure_pauses_total{route="chat",direction="client_to_backend"} 2',
			]),
		);
	});

	it("count reloads from the first scrape on, and know when the last one succeeded", async () => {
		let now = 5000;
		const metrics = metricsOf({}, () => now);
		const reloads = async () => (await samples(metrics)).filter((line) => line.includes("reload"));
		expect(await reloads()).toEqual([
			'clawgate_config_reloads_total{result="success"} 0',
			'clawgate_config_reloads_total{result="rejected"} 0',
			"clawgate_config_last_reload_success_timestamp_seconds 5",
			"clawgate_config_last_reload_successful 1",
		]);
		now = 7000;
		metrics.notice("info", "config.reload");
		now = 9000;
		metrics.notice("error", "config.rejected");
		metrics.notice("info", "endpoint.up");
		expect(await reloads()).toEqual([
			'clawgate_config_reloads_total{result="success"} 1',
			'clawgate_config_reloads_total{result="rejected"} 1',
			"clawgate_config_last_reload_success_timestamp_seconds 7",
			"clawgate_config_last_reload_successful 0",
		]);
		// The mistake was taken back: the file is what runs.
		metrics.notice("debug", "config.unchanged");
		expect(await reloads()).toContain("clawgate_config_last_reload_successful 1");
	});
});

describe("metrics read at the scrape", () => {
	it("show the open connections, and forget those of a route that is gone", async () => {
		let active = [{ listener: "public", route: "chat", upstream: "pool", active: 3 }];
		const metrics = metricsOf({ connections: () => active });
		expect(await samples(metrics)).toContain(
			'clawgate_connections_active{listener="public",route="chat",upstream="pool"} 3',
		);
		active = [];
		expect((await samples(metrics)).filter((line) => line.includes("connections_active"))).toEqual([]);
	});

	it("show messages by direction and opcode, and bytes by direction", async () => {
		const traffic: TrafficTotals[] = [
			{
				route: "chat",
				upstream: "pool",
				clientToBackend: { bytes: 100, text: 1, binary: 2, ping: 3, pong: 4, close: 5 },
				backendToClient: { ...NOTHING, bytes: 200, text: 6 },
			},
			{ route: "chat", upstream: "pool", clientToBackend: { ...NOTHING, bytes: 1, text: 1 }, backendToClient: NOTHING },
		];
		const metrics = metricsOf({ traffic: () => traffic });
		await metrics.render();
		// The second scrape shows the same totals, not twice as much.
		const lines = (await samples(metrics)).filter((line) => /messages_total|bytes_total/.test(line));
		const message = (direction: string, opcode: string, value: number) =>
			`clawgate_messages_total{route="chat",upstream="pool",direction="${direction}",opcode="${opcode}"} ${value}`;
		expect(lines).toEqual([
			message("client_to_backend", "text", 2),
			message("client_to_backend", "binary", 2),
			message("client_to_backend", "ping", 3),
			message("client_to_backend", "pong", 4),
			message("client_to_backend", "close", 5),
			message("backend_to_client", "text", 6),
			message("backend_to_client", "binary", 0),
			message("backend_to_client", "ping", 0),
			message("backend_to_client", "pong", 0),
			message("backend_to_client", "close", 0),
			'clawgate_bytes_total{route="chat",upstream="pool",direction="client_to_backend"} 101',
			'clawgate_bytes_total{route="chat",upstream="pool",direction="backend_to_client"} 200',
		]);
	});

	it("show endpoints, drains and certificates", async () => {
		const metrics = metricsOf({
			endpoints: () => [
				{ upstream: "pool", endpoint: "127.0.0.1:7001", active: 4, up: true },
				{ upstream: "pool", endpoint: "127.0.0.1:7002", active: 0, up: false },
			],
			draining: () => 7,
			certificates: () => [{ listener: "public", serverName: "chat.example.com", expiresAt: 1_700_000_000_500 }],
		});
		expect(await samples(metrics)).toEqual(
			expect.arrayContaining([
				'clawgate_endpoint_connections{upstream="pool",endpoint="127.0.0.1:7001"} 4',
				'clawgate_endpoint_connections{upstream="pool",endpoint="127.0.0.1:7002"} 0',
				'clawgate_endpoint_up{upstream="pool",endpoint="127.0.0.1:7001"} 1',
				'clawgate_endpoint_up{upstream="pool",endpoint="127.0.0.1:7002"} 0',
				"clawgate_draining_connections 7",
				'clawgate_tls_certificate_expiry_timestamp_seconds{listener="public",server_name="chat.example.com"} 1700000000.5',
			]),
		);
	});

	it("fail the scrape when the source fails, rather than showing old numbers", async () => {
		const metrics = metricsOf({
			draining: () => {
				throw new Error("no numbers");
			},
		});
		await expect(metrics.render()).rejects.toThrow("no numbers");
	});
});

describe("the registry", () => {
	it("has exactly the documented metrics, each with help and type", async () => {
		const metrics = metricsOf();
		const text = await metrics.render();
		const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => `${match[1]} ${match[2]}`);
		expect(types.sort()).toEqual(
			[
				"clawgate_backpressure_pauses_total counter",
				"clawgate_bytes_total counter",
				"clawgate_circuit_breaker_state gauge",
				"clawgate_config_last_reload_success_timestamp_seconds gauge",
				"clawgate_config_last_reload_successful gauge",
				"clawgate_config_reloads_total counter",
				"clawgate_connection_duration_seconds histogram",
				"clawgate_connections_active gauge",
				"clawgate_connections_closed_total counter",
				"clawgate_connections_opened_total counter",
				"clawgate_draining_connections gauge",
				"clawgate_endpoint_connections gauge",
				"clawgate_endpoint_ejections_total counter",
				"clawgate_endpoint_up gauge",
				"clawgate_handshake_duration_seconds histogram",
				"clawgate_handshakes_total counter",
				"clawgate_hub_connections gauge",
				"clawgate_hub_deliveries_total counter",
				"clawgate_hub_delivery_seconds histogram",
				"clawgate_hub_events_total counter",
				"clawgate_hub_publications_total counter",
				"clawgate_hub_recoveries_total counter",
				"clawgate_hub_rpc_seconds histogram",
				"clawgate_hub_subscriptions gauge",
				"clawgate_internal_errors_total counter",
				"clawgate_limiter_entries gauge",
				"clawgate_log_lines_lost_total counter",
				"clawgate_messages_total counter",
				"clawgate_ping_rtt_seconds histogram",
				"clawgate_rate_limited_total counter",
				"clawgate_tls_certificate_expiry_timestamp_seconds gauge",
				"clawgate_workers gauge",
				"clawgate_workers_configured gauge",
			].sort(),
		);
		expect([...text.matchAll(/^# HELP \S+ \S/gm)]).toHaveLength(types.length);
	});

	it("has Node's own metrics too, without a prefix, and keeps no handle open for them", async () => {
		const before = process.getActiveResourcesInfo().length;
		const metrics = new Metrics({ source: EMPTY });
		expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
		const text = await metrics.render();
		expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
		expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
		metrics.stop();
		expect(await metrics.render()).toBe("\n");
	});

	it("is not shared between two gateways of one process", async () => {
		const one = metricsOf();
		const two = metricsOf();
		one.open(FACTS, OPENED);
		expect(await two.render()).not.toContain("connections_opened_total{");
	});
});
