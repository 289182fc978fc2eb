import { describe, expect, it } from "vitest";
import type { Activity, Endpoint, Upstream } from "../../../dashboard/src/api/model.ts";
import { attention, type Facts } from "../../../dashboard/src/text/attention.ts";
import { causeOf } from "../../../dashboard/src/text/refusals.ts";
import { ERRORS } from "../../../src/errors.ts";

const NOW = 1_700_000_000_000;

const activity: Activity = {
	time: NOW,
	stopping: false,
	connections: 0,
	handshakes: 0,
	traffic: { messages_in: 0, messages_out: 0, bytes_in: 0, bytes_out: 0 },
	interval_ms: 5_000,
	intervals: [],
	last_rejections: [],
	last_reload: null,
	workers: { serving: 4, configured: 4 },
};

const endpoint: Endpoint = {
	id: "10.0.0.1:80",
	url: "ws://10.0.0.1",
	state: "ready",
	weight: 1,
	effective_weight: 1,
	configured: { state: "ready", weight: 1 },
	backup: false,
	available: true,
	health: "healthy",
	ejected: false,
	active: 5,
	pending: 0,
};

const upstream = (...endpoints: Endpoint[]): Upstream => ({
	name: "chat",
	policy: "round_robin",
	sticky: null,
	discovery: null,
	health_check: null,
	endpoints,
});

const fine: Facts = {
	activity,
	intervals: [],
	rejections: [],
	upstreams: [upstream(endpoint)],
	drains: [],
	certificates: [],
};

const texts = (facts: Partial<Facts>): string[] =>
	attention({ ...fine, ...facts }).map(({ level, text }) => `${level}: ${text}`);

describe("what needs attention", () => {
	it("is nothing when all is fine", () => expect(attention(fine)).toEqual([]));

	it("is every endpoint that takes no clients, with the reason, and an upstream that has none left", () => {
		const down = { ...endpoint, available: false, unavailable_reason: "unhealthy", health: "unhealthy" as const };
		expect(texts({ upstreams: [upstream({ ...down, health_reason: "connection refused; is it running?" })] })).toEqual([
			"bad: Upstream chat: no endpoint takes new clients.",
			"bad: chat, endpoint 10.0.0.1:80: unhealthy: connection refused; is it running?",
		]);
		const ejected = { ...endpoint, available: false, ejected: true, ejected_ms: 12_000 };
		const broken = { ...endpoint, available: false, breaker: "open" as const };
		const drained = { ...endpoint, available: false, state: "drain" as const };
		expect(texts({ upstreams: [upstream(drained, ejected, broken, endpoint)] })).toEqual([
			"bad: chat, endpoint 10.0.0.1:80: circuit breaker open.",
			"warn: chat, endpoint 10.0.0.1:80: ejected for another 12s.",
			"info: chat, endpoint 10.0.0.1:80: draining, 5 connections still open.",
		]);
	});

	it("is a health check that the servers refuse, though they take clients", () => {
		const refused = { ...endpoint, health: "unknown" as const, health_reason: "probe refused: 400" };
		expect(texts({ upstreams: [upstream(refused)] })).toEqual([
			"warn: chat, endpoint 10.0.0.1:80: probe refused: 400. The health check may be mistaken: see its host, path and headers.",
		]);
	});

	it("is a worker that is missing", () => {
		const workers = (serving: number) => texts({ activity: { ...activity, workers: { serving, configured: 4 } } });
		expect(workers(3)).toEqual(["warn: 1 of 4 workers do not serve; the log says why."]);
		expect(workers(0)).toEqual(["bad: 4 of 4 workers do not serve; the log says why."]);
		const stopping = { ...activity, stopping: true, workers: { serving: 0, configured: 4 } };
		expect(texts({ activity: stopping })).toEqual(["warn: The gateway is shutting down."]);
	});

	it("is a configuration that was rejected, also when a file change did it", () => {
		const problems = ["routes.yaml:3:1: routes: wrong", "routes.yaml:4:1: x"];
		const last_reload = { time: NOW, result: "rejected" as const, trigger: "file", problems };
		expect(texts({ activity: { ...activity, last_reload } })).toEqual([
			"bad: The configuration on disk was rejected; the running one stays. routes.yaml:3:1: routes: wrong and 1 more",
		]);
	});

	it("is a share of refused handshakes that is more than noise, in the last minute only", () => {
		const interval = (start: number, opened: number, count: number) => ({
			start,
			opened,
			closed: [],
			rejected: [{ code: "NO_ROUTE", count }],
		});
		expect(texts({ intervals: [interval(NOW - 30_000, 90, 30)] })).toEqual([
			"warn: 30 handshakes refused in the last minute, to a wrong URL (NO_ROUTE), 25 % of all.",
		]);
		expect(texts({ intervals: [interval(NOW - 30_000, 1_000, 30)] })).toEqual([]);
		expect(texts({ intervals: [interval(NOW - 30_000, 0, 3)] })).toEqual([]);
		expect(texts({ intervals: [interval(NOW - 90_000, 0, 300)] })).toEqual([]);
	});

	it("tells an outage, missing tokens and wrong URLs apart, by route, with the last one of each", () => {
		const rejected = [
			{ code: "JWT_MISSING", route: "chat", count: 40 },
			{ code: "NO_ROUTE", count: 30 },
			{ code: "CONNECT_FAILED", route: "game", count: 12 },
			{ code: "HANDSHAKE_TIMEOUT", route: "game", count: 3 },
			{ code: "CONNECT_FAILED", route: "quiet", count: 1 },
			{ code: "SHUTTING_DOWN", route: "chat", count: 50 },
			{ code: "BASIC_INVALID", route: "other", count: 2 },
			{ code: "FROM_A_NEWER_GATEWAY", count: 1 },
		];
		const last = (code: string, route: string | undefined, more: object) => {
			return { time: NOW, code, route, status: 1, client_ip: "192.0.2.1", host: "example.com", path: "/wss", ...more };
		};
		const rejections = [
			last("NO_ROUTE", undefined, {}),
			last("CONNECT_FAILED", "game", { endpoint: "10.0.0.1:80", message: "connection refused" }),
			last("CONNECT_FAILED", "quiet", {}),
		];
		expect(texts({ intervals: [{ start: NOW - 5_000, opened: 60, closed: [], rejected }], rejections })).toEqual([
			"bad: Route game: 15 handshakes refused in the last minute, no backend took them (CONNECT_FAILED, HANDSHAKE_TIMEOUT), the last one at 10.0.0.1:80: connection refused.",
			"warn: Route chat: 40 handshakes refused in the last minute, without a valid token, key or password (JWT_MISSING), 20 % of all.",
			"warn: 30 handshakes refused in the last minute, to a wrong URL (NO_ROUTE), 15 % of all, the last one from 192.0.2.1 to example.com/wss.",
			"warn: Route quiet: 1 handshake refused in the last minute, no backend took them (CONNECT_FAILED), the last one: see the log.",
			"warn: 1 handshake refused in the last minute, for another reason (FROM_A_NEWER_GATEWAY).",
		]);
	});

	it("takes no failure of a backend or of the gateway for a mistake of clients", () => {
		for (const [code, { side }] of Object.entries(ERRORS)) {
			// A refusal of the backend's own usually is: a wrong password, a full room.
			if (side !== "client" && code !== "BACKEND_REFUSED") expect(causeOf(code).fault, code).not.toBe("client");
		}
	});

	it("is connections that a backend lost, running drains, and certificates about to expire", () => {
		const drop = { close_code: 1006, initiator: "backend" as const, termination: "backend_drop" };
		const closed = [
			{ ...drop, route: "chat", endpoint: "10.0.0.1:80", count: 2 },
			{ ...drop, count: 1 },
			{ ...drop, termination: "backend_end", count: 9 },
			{ ...drop, initiator: "gateway" as const, termination: "worker_lost", count: 3 },
		];
		const drain = {
			id: 1,
			target: "route chat",
			state: "running" as const,
			total: 100,
			remaining: 40,
			started_at: "",
			spread_ms: 1,
			timeout_ms: 1,
			close_code: 1012,
		};
		const certificates = [
			{ name: "a.example", expires: NOW + 3 * 86_400_000 },
			{ name: "b.example", expires: NOW - 1 },
			{ name: "c.example", expires: NOW + 60 * 86_400_000 },
		];
		const intervals = [{ start: NOW - 5_000, opened: 0, closed, rejected: [] }];
		expect(texts({ intervals, drains: [drain, { ...drain, state: "done" }], certificates })).toEqual([
			"bad: 3 connections lost with a worker process of the gateway in the last minute; worker.exit in the log says why.",
			"bad: The certificate for b.example has expired.",
			"warn: 2 connections lost by a backend in the last minute, without a Close frame: route chat, endpoint 10.0.0.1:80.",
			"warn: 1 connection lost by a backend in the last minute, without a Close frame.",
			"warn: The certificate for a.example expires in 3d.",
			"info: Drain of route chat: 60 of 100 connections closed.",
		]);
	});
});
