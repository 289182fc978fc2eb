/** What several workers answer as the answer of one gateway. */
import { describe, expect, it } from "vitest";
import type { Activity } from "../../../../src/admin/api/activity.ts";
import { mergedActivity } from "../../../../src/supervisor/admin/activity.ts";
import {
	type EndpointView,
	mergedEndpoint,
	mergedRoutes,
	mergedUpstreams,
	type RouteView,
	type UpstreamView,
} from "../../../../src/supervisor/admin/counts.ts";
import { routeTotals, trafficTotals } from "../../../../src/supervisor/admin/gone.ts";
import type { MetricObject } from "../../../../src/telemetry/merge.ts";

const NOTHING = { messages_in: 0, messages_out: 0, bytes_in: 0, bytes_out: 0 };

function route(name: string, counts: Partial<RouteView> = {}): RouteView {
	const none = { active: 0, draining: 0, opened: 0, closed: 0, rejected: 0 };
	return { name, match: {}, upstreams: [], hub: null, http: "forward", ...none, ...counts };
}

function endpoint(view: Partial<EndpointView> = {}): EndpointView {
	return {
		id: "a:1",
		url: "ws://a:1",
		state: "ready",
		weight: 2,
		effective_weight: 2,
		configured: { state: "ready", weight: 2 },
		backup: false,
		available: true,
		health: "unknown",
		failing: false,
		ejected: false,
		active: 0,
		pending: 0,
		...view,
	};
}

const upstream = (name: string, ...endpoints: EndpointView[]): UpstreamView => ({
	name,
	policy: "round_robin",
	sticky: null,
	discovery: null,
	health_check: null,
	endpoints,
});

const counter = (name: string, ...values: [Record<string, string>, number][]): MetricObject => ({
	name: `clawgate_${name}`,
	help: "",
	type: "counter",
	aggregator: "sum",
	values: values.map(([labels, value]) => ({ labels, value })),
});

describe("routes", () => {
	it("keep the supervisor's order, and add what workers count and have counted before they ended", () => {
		const parts = [
			[route("b", { active: 1, opened: 3, closed: 2 }), route("a", { active: 2, opened: 2, rejected: 1 })],
			[route("a", { active: 5, draining: 4, opened: 5 })],
		];
		const gone = (name: string) => ({ opened: name === "a" ? 10 : 0, closed: name === "a" ? 9 : 0, rejected: 0 });
		expect(mergedRoutes([route("a"), route("b")], parts, gone)).toEqual([
			route("a", { active: 7, draining: 4, opened: 17, closed: 9, rejected: 1 }),
			route("b", { active: 1, opened: 3, closed: 2 }),
		]);
	});

	it("leave out what the running configuration does not have", () => {
		const gone = () => ({ opened: 0, closed: 0, rejected: 0 });
		expect(mergedRoutes([route("a")], [[route("old", { active: 1 })]], gone)).toEqual([route("a")]);
	});
});

describe("an endpoint", () => {
	it("has the connections of all workers", () => {
		const merged = mergedEndpoint(endpoint(), [endpoint({ active: 2, pending: 1 }), endpoint({ active: 3 })]);
		expect(merged).toEqual(endpoint({ active: 5, pending: 1 }));
	});

	it("is as the worst worker says: breaker, ejection, slow start, availability", () => {
		const own = endpoint({ breaker: "closed", health: "healthy" });
		const ejected = { ejected: true, available: false, unavailable_reason: "ejected" };
		const merged = mergedEndpoint(own, [
			endpoint({ breaker: "half_open", effective_weight: 0.2 }),
			endpoint({ breaker: "closed", ...ejected, ejected_ms: 100 }),
			endpoint({ breaker: "closed", ...ejected, ejected_ms: 300 }),
		]);
		expect(merged).toEqual(
			endpoint({ breaker: "half_open", health: "healthy", effective_weight: 0.2, ...ejected, ejected_ms: 300 }),
		);
	});

	it("is not available when the supervisor's probes say so", () => {
		const own = endpoint({ available: false, unavailable_reason: "unhealthy", health: "unhealthy" });
		expect(mergedEndpoint(own, [endpoint(), endpoint()])).toEqual(own);
	});

	it("is found by its upstream and its id", () => {
		const own = [upstream("x", endpoint()), upstream("y", endpoint())];
		const parts = [[upstream("y", endpoint({ active: 2 }), endpoint({ id: "other", active: 9 }))], []];
		expect(mergedUpstreams(own, parts)).toEqual([upstream("x", endpoint()), upstream("y", endpoint({ active: 2 }))]);
	});
});

describe("activity", () => {
	const activity = (part: Partial<Activity> = {}): Activity => ({
		time: 100,
		stopping: false,
		connections: 0,
		handshakes: 0,
		traffic: NOTHING,
		interval_ms: 5_000,
		intervals: [],
		last_rejections: [],
		last_reload: null,
		workers: { serving: 1, configured: 1 },
		...part,
	});
	const killed = { close_code: 1008, initiator: "gateway" as const, termination: "killed" };

	it("adds intervals that began together, kind by kind", () => {
		const one = activity({
			connections: 2,
			intervals: [
				{ start: 5_000, opened: 1, closed: [{ ...killed, count: 2 }], rejected: [{ code: "NO_ROUTE", count: 1 }] },
				{ start: 15_000, opened: 4, closed: [], rejected: [] },
			],
		});
		const two = activity({
			connections: 3,
			handshakes: 1,
			intervals: [
				{ start: 0, opened: 7, closed: [], rejected: [] },
				{
					start: 5_000,
					opened: 2,
					closed: [
						{ ...killed, count: 3 },
						{ ...killed, close_code: 1012, count: 1 },
					],
					rejected: [
						{ code: "NO_ROUTE", count: 1 },
						{ code: "NO_ROUTE", route: "chat", count: 1 },
					],
				},
			],
		});
		const reload = { time: 1, result: "success" as const, trigger: "file", problems: [] };
		const merged = mergedActivity(activity({ last_reload: reload }), [one, two], NOTHING);
		expect(merged).toMatchObject({ connections: 5, handshakes: 1, last_reload: reload });
		expect(merged.intervals).toEqual([
			{ start: 0, opened: 7, closed: [], rejected: [] },
			{
				start: 5_000,
				opened: 3,
				closed: [
					{ ...killed, count: 5 },
					{ ...killed, close_code: 1012, count: 1 },
				],
				rejected: [
					{ code: "NO_ROUTE", count: 2 },
					{ code: "NO_ROUTE", route: "chat", count: 1 },
				],
			},
			{ start: 15_000, opened: 4, closed: [], rejected: [] },
		]);
	});

	it("has the latest rejection of each code and route, the oldest first", () => {
		const rejection = (time: number, code: string, name?: string) => ({
			time,
			code,
			status: 404,
			client_ip: "",
			...(name && { route: name }),
		});
		const one = activity({ last_rejections: [rejection(1, "NO_ROUTE"), rejection(9, "JWT_EXPIRED", "chat")] });
		const two = activity({ last_rejections: [rejection(4, "NO_ROUTE"), rejection(5, "JWT_EXPIRED", "news")] });
		expect(mergedActivity(activity(), [one, two], NOTHING).last_rejections).toEqual([
			rejection(4, "NO_ROUTE"),
			rejection(5, "JWT_EXPIRED", "news"),
			rejection(9, "JWT_EXPIRED", "chat"),
		]);
	});

	it("adds the traffic of processes that have ended", () => {
		const one = activity({ traffic: { messages_in: 1, messages_out: 2, bytes_in: 3, bytes_out: 4 } });
		const gone = { messages_in: 10, messages_out: 20, bytes_in: 30, bytes_out: 40 };
		expect(mergedActivity(activity(), [one], gone).traffic).toEqual({
			messages_in: 11,
			messages_out: 22,
			bytes_in: 33,
			bytes_out: 44,
		});
	});
});

describe("processes that have ended", () => {
	const metrics = [
		counter("connections_opened_total", [{ route: "chat", upstream: "a" }, 3], [{ route: "chat", upstream: "b" }, 4]),
		counter("connections_closed_total", [{ route: "chat", close_code: "1000" }, 2], [{ route: "news" }, 9]),
		counter("handshakes_total", [{ route: "chat", result: "ok" }, 7], [{ route: "chat", result: "NO_ENDPOINT" }, 5]),
		counter(
			"messages_total",
			[{ direction: "client_to_backend", opcode: "text" }, 1],
			[{ direction: "client_to_backend", opcode: "binary" }, 2],
			[{ direction: "client_to_backend", opcode: "ping" }, 100],
			[{ direction: "backend_to_client", opcode: "text" }, 4],
		),
		counter("bytes_total", [{ direction: "client_to_backend" }, 50], [{ direction: "backend_to_client" }, 60]),
	];

	it("have their counts of connections in their metrics", () => {
		expect(routeTotals(metrics, "chat")).toEqual({ opened: 7, closed: 2, rejected: 5 });
		expect(routeTotals([], "chat")).toEqual({ opened: 0, closed: 0, rejected: 0 });
	});

	it("and of messages, without control frames", () => {
		expect(trafficTotals(metrics)).toEqual({ messages_in: 3, messages_out: 4, bytes_in: 50, bytes_out: 60 });
	});
});
