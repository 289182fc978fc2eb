import { describe, expect, it } from "vitest";
import { ActivityLog, INTERVAL_MS } from "../../../../src/admin/api/activity-log.ts";
import type { CloseReport, ConnectionFacts, RejectReport } from "../../../../src/gateway/events.ts";

const facts = (route?: string): ConnectionFacts => ({
	connection_id: "c",
	client_ip: "10.0.0.1",
	peer_ip: "10.0.0.1",
	listener: "main",
	route,
});

const closing = (close_code: number, close_initiator: CloseReport["close_initiator"] = "client"): CloseReport => ({
	close_code,
	close_reason: "",
	close_initiator,
	termination: "normal",
	duration_ms: 1,
	bytes_in: 0,
	bytes_out: 0,
	messages_in: 0,
	messages_out: 0,
});

const rejection = (code: RejectReport["code"]): RejectReport => ({ status: 404, code, attempts: [], handshake_ms: 1 });

function log() {
	const clock = { now: 1_000_000_000_000 };
	return { clock, log: new ActivityLog(() => clock.now), start: clock.now };
}

const opening = { attempts: [], handshake_ms: 1, connect_ms: 1 };

describe("the activity log", () => {
	it("counts what happens in intervals, and leaves out those in which nothing did", () => {
		const { clock, log: activity, start } = log();
		activity.open(facts("chat"), opening);
		activity.open(facts("chat"), opening);
		clock.now += 3 * INTERVAL_MS + 1;
		activity.close(facts("chat"), closing(1000));
		activity.close(facts("chat"), closing(1000));
		activity.close(facts("chat"), closing(1000, "backend"));
		activity.reject(facts(), rejection("NO_ROUTE"));
		const [first, second, ...more] = activity.intervals(0);
		expect(more).toEqual([]);
		expect([first?.start, first?.opened]).toEqual([start, 2]);
		expect([second?.start, second?.opened]).toEqual([start + 3 * INTERVAL_MS, 0]);
		expect([...(second?.closed.values() ?? [])]).toEqual([
			{ close_code: 1000, initiator: "client", termination: "normal", count: 2 },
			{ close_code: 1000, initiator: "backend", termination: "normal", count: 1 },
		]);
		expect([...(second?.rejected.values() ?? [])]).toEqual([{ code: "NO_ROUTE", route: undefined, count: 1 }]);
		expect(activity.intervals(start + 1)).toEqual([second]);
	});

	it("tells of connections that a backend lost by which route and endpoint", () => {
		const { log: activity } = log();
		const lost: CloseReport = { ...closing(1006, "backend"), termination: "backend_drop" };
		const kept = { ...closing(1000), termination: "normal" as const };
		for (const endpoint of ["a:1", "a:1", "b:1"]) activity.close({ ...facts("chat"), endpoint }, lost);
		for (const endpoint of ["a:1", "b:1"]) activity.close({ ...facts("chat"), endpoint }, kept);
		const drop = { close_code: 1006, initiator: "backend", termination: "backend_drop", route: "chat" };
		expect([...(activity.intervals(0)[0]?.closed.values() ?? [])]).toEqual([
			{ ...drop, endpoint: "a:1", count: 2 },
			{ ...drop, endpoint: "b:1", count: 1 },
			{ close_code: 1000, initiator: "client", termination: "normal", count: 2 },
		]);
	});

	it("forgets what is older than an hour", () => {
		const { clock, log: activity, start } = log();
		for (let i = 0; i < 1_000; i++) {
			activity.open(facts(), opening);
			clock.now += INTERVAL_MS;
		}
		const kept = activity.intervals(0);
		expect(kept).toHaveLength(720);
		expect(kept.at(-1)?.start).toBe(start + 999 * INTERVAL_MS);
	});

	it("does not open earlier intervals again when the clock is set back", () => {
		const { clock, log: activity } = log();
		activity.open(facts(), opening);
		clock.now -= 10 * INTERVAL_MS;
		activity.open(facts(), opening);
		expect(activity.intervals(0).map(({ opened }) => opened)).toEqual([2]);
	});

	it("stays small whatever close codes clients choose and however many routes refuse, and loses no count", () => {
		const { log: activity } = log();
		for (let i = 0; i < 1_000; i++) {
			activity.close(facts("chat"), closing(4000 + i));
			activity.reject(facts(`route-${i}`), rejection("ORIGIN_DENIED"));
		}
		const [interval] = activity.intervals(0);
		const closes = [...(interval?.closed.values() ?? [])];
		expect(closes.length).toBeLessThanOrEqual(49);
		expect(closes.reduce((sum, { count }) => sum + count, 0)).toBe(1_000);
		expect(closes.at(-1)).toMatchObject({ close_code: 0, count: 952 });
		const rejections = [...(interval?.rejected.values() ?? [])];
		expect(rejections.length).toBeLessThanOrEqual(49);
		expect(rejections.reduce((sum, { count }) => sum + count, 0)).toBe(1_000);
		expect(activity.rejections(0)).toHaveLength(200);
	});

	it("keeps the latest rejection of each code and route", () => {
		const { clock, log: activity, start } = log();
		activity.reject(facts("a"), { ...rejection("ORIGIN_DENIED"), message: "first" });
		activity.reject(facts("b"), { ...rejection("ORIGIN_DENIED"), message: "other" });
		clock.now += 10;
		activity.reject(facts("a"), { ...rejection("ORIGIN_DENIED"), message: "second" });
		expect(activity.rejections(0).map(({ report }) => report.message)).toEqual(["other", "second"]);
		expect(activity.rejections(start + 1).map(({ report }) => report.message)).toEqual(["second"]);
	});

	it("remembers how the last reload ended, and its problems", () => {
		const { log: activity, start } = log();
		activity.notice("info", "endpoint.up", {});
		expect(activity.lastReload).toBeUndefined();
		activity.notice("error", "config.rejected", { trigger: "file", problems: ["routes.yaml:3:5: routes: wrong"] });
		expect(activity.lastReload).toEqual({
			time: start,
			result: "rejected",
			trigger: "file",
			problems: ["routes.yaml:3:5: routes: wrong"],
		});
		activity.notice("info", "config.unchanged", { trigger: "signal" });
		expect(activity.lastReload).toEqual({ time: start, result: "success", trigger: "signal", problems: [] });
		activity.notice("debug", "config.unchanged", { trigger: "file" });
		expect(activity.lastReload?.trigger).toBe("signal");
		activity.notice("info", "config.reload", { trigger: "api", warnings: undefined });
		expect(activity.lastReload).toEqual({ time: start, result: "success", trigger: "api", problems: [] });
	});
});
