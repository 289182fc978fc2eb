import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NEUTRAL, SUCCESS, type Verdict } from "../../../src/upstreams/attempts/verdict.ts";
import type { Endpoint } from "../../../src/upstreams/endpoint.ts";
import { outlierOptions } from "../../../src/upstreams/outlier.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import type { Upstream } from "../../../src/upstreams/upstream.ts";
import { byId, upstream, weighted } from "./upstream.fixtures.ts";

const FAILURE: Verdict = { kind: "failure", reason: "connect_failure" };

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

function detect(endpoints: unknown[], options: unknown = {}) {
	const notices: { event: string; fields: Record<string, unknown> }[] = [];
	const states = new UpstreamStates(
		() => performance.now() + 1,
		(_level, event, fields) => notices.push({ event, fields }),
	);
	const pool = upstream({ endpoints, states, config: { outlier_detection: outlierOptions.parse(options) } });
	const tell = (endpoint: Endpoint, verdict: Verdict, times = 1): void => {
		for (let i = 0; i < times; i++) pool.protection.begin(endpoint).settle(verdict);
	};
	return { pool, states, notices, tell };
}

const ejected = (pool: Upstream) =>
	pool.endpoints.filter((endpoint) => pool.ineligible(endpoint) === "ejected").map(({ id }) => id);

describe("outlier detection", () => {
	it("ejects an endpoint after so many failures in a row, and says so", () => {
		const { pool, notices, tell } = detect(weighted(1, 1), { consecutive_failures: 3, base_ejection_time: "10s" });
		const a = byId(pool, "a:1");
		tell(a, FAILURE, 2);
		expect(ejected(pool)).toEqual([]);
		tell(a, FAILURE);
		expect(ejected(pool)).toEqual(["a:1"]);
		expect(notices).toEqual([
			{
				event: "endpoint.ejected",
				fields: {
					upstream: "chat",
					endpoint: "a:1",
					reason: "3 in a row failed, the last one: connect_failure",
					ejection_ms: 10_000,
					ejections: 1,
				},
			},
		]);
		expect(a.state.outlier.total).toBe(1);
	});

	it("counts from the beginning after a success; what is neither changes nothing", () => {
		const { pool, tell } = detect(weighted(1, 1), { consecutive_failures: 3 });
		const a = byId(pool, "a:1");
		tell(a, FAILURE, 2);
		tell(a, SUCCESS);
		tell(a, FAILURE, 2);
		expect(ejected(pool)).toEqual([]);
		tell(a, NEUTRAL, 10);
		tell(a, FAILURE);
		expect(ejected(pool)).toEqual(["a:1"]);
	});

	it("brings it back after its time, makes it start slowly, and counts anew", () => {
		const { pool, notices, tell } = detect(weighted(1, 1), { consecutive_failures: 3, base_ejection_time: "10s" });
		const a = byId(pool, "a:1");
		tell(a, FAILURE, 3);
		// What was under way meanwhile is not held against it.
		tell(a, FAILURE, 3);
		vi.advanceTimersByTime(9_999);
		expect(ejected(pool)).toEqual(["a:1"]);
		vi.advanceTimersByTime(1);
		expect(ejected(pool)).toEqual([]);
		expect(notices.at(-1)).toEqual({
			event: "endpoint.up",
			fields: { upstream: "chat", endpoint: "a:1", reason: "ejection over", ejection_ms: 10_000 },
		});
		expect(a.state.availableSince).toBe(performance.now() + 1);
		tell(a, FAILURE, 2);
		expect(ejected(pool)).toEqual([]);
	});

	it("ejects longer each time, at most five minutes, and forgets one ejection for each base time without", () => {
		const { pool, notices, tell } = detect(weighted(1, 1), { consecutive_failures: 1, base_ejection_time: "60s" });
		const a = byId(pool, "a:1");
		const next = (pause: number): unknown => {
			vi.advanceTimersByTime(pause);
			tell(a, FAILURE);
			const { ejection_ms } = notices.at(-1)?.fields ?? {};
			vi.advanceTimersByTime(ejection_ms as number);
			return ejection_ms;
		};
		const growing = Array.from({ length: 7 }, () => next(1));
		expect(growing).toEqual([60_000, 120_000, 180_000, 240_000, 300_000, 300_000, 300_000]);
		// Five times the base is the longest; three base times of peace leave two, and this is the third.
		expect(next(3 * 60_000)).toBe(180_000);
		expect(next(60 * 60_000)).toBe(60_000);
	});

	it("never ejects more than the allowed part, but always one, and never the only one", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 12 }),
				fc.integer({ min: 1, max: 100 }),
				fc.array(fc.nat(11), { maxLength: 60 }),
				(size, percent, failing) => {
					const { pool, states, tell } = detect(weighted(...Array<number>(size).fill(1)), {
						consecutive_failures: 1,
						max_ejection_percent: `${percent}%`,
					});
					for (const index of failing) tell(pool.endpoints[index % size] as Endpoint, FAILURE);
					const distinct = new Set(failing.map((index) => index % size)).size;
					const allowed = size === 1 ? 0 : Math.max(1, Math.floor((size * percent) / 100));
					expect(ejected(pool)).toHaveLength(Math.min(allowed, distinct));
					states.close();
				},
			),
		);
		expect(vi.getTimerCount()).toBe(0);
	});

	it("does not count endpoints out of service as the ones that are left", () => {
		const { pool, tell } = detect(["ws://a:1", { url: "ws://b:1", state: "maint" }, { url: "ws://c:1", weight: 0 }], {
			consecutive_failures: 1,
		});
		tell(byId(pool, "a:1"), FAILURE);
		expect(ejected(pool)).toEqual([]);
	});

	it("goes on across a reload, and ends with the endpoint", () => {
		const { pool, states, tell } = detect(weighted(1, 1), { consecutive_failures: 2 });
		tell(byId(pool, "a:1"), FAILURE);
		const config = { outlier_detection: outlierOptions.parse({ consecutive_failures: 2 }) };
		const next = upstream({ endpoints: weighted(1, 1), states, config });
		next.protection.begin(byId(next, "a:1")).settle(FAILURE);
		expect(ejected(next)).toEqual(["a:1"]);
		expect(vi.getTimerCount()).toBe(1);
		states.prune([upstream({ endpoints: ["ws://b:1"], states, config })]);
		expect(vi.getTimerCount()).toBe(0);
	});
});

describe("the option outlier_detection", () => {
	it("has the documented defaults", () => {
		expect(outlierOptions.parse({})).toEqual({
			consecutive_failures: 5,
			base_ejection_time: 30_000,
			max_ejection_percent: 50,
		});
	});

	it.each([
		{ consecutive_failures: 0 },
		{ base_ejection_time: "0s" },
		{ max_ejection_percent: "101%" },
		{ nothing: 1 },
	])("refuses %j", (options) => {
		expect(outlierOptions.safeParse(options).success).toBe(false);
	});
});

describe("what a request can bring about", () => {
	const SERVER_ERROR: Verdict = { kind: "failure", reason: "500", provoked: true };
	const tellAs = (pool: Upstream, endpoint: Endpoint, client: string, verdict = SERVER_ERROR) =>
		pool.protection.begin(endpoint, client).settle(verdict);

	it("counts once for each client address: one alone never ejects", () => {
		for (const consecutive_failures of [1, 3]) {
			const { pool } = detect(weighted(1, 1), { consecutive_failures });
			const a = byId(pool, "a:1");
			for (let i = 0; i < 50; i++) tellAs(pool, a, "192.0.2.1");
			expect(ejected(pool)).toEqual([]);
			// An IPv6 client has a whole /64 of addresses: it is the second client, not the second to the fifty-first.
			for (let i = 0; i < 50; i++) tellAs(pool, a, `2001:db8::${i}`);
			expect(ejected(pool)).toEqual(consecutive_failures === 1 ? ["a:1"] : []);
			tellAs(pool, a, "192.0.2.2");
			expect(ejected(pool)).toEqual(["a:1"]);
		}
	});

	it("counts beside connections that cannot be made, which are nobody's request", () => {
		const { pool } = detect(weighted(1, 1), { consecutive_failures: 3 });
		const a = byId(pool, "a:1");
		for (let i = 0; i < 5; i++) tellAs(pool, a, "192.0.2.1", FAILURE);
		expect(ejected(pool)).toEqual(["a:1"]);
		const b = detect(weighted(1, 1), { consecutive_failures: 3 });
		tellAs(b.pool, byId(b.pool, "a:1"), "192.0.2.1");
		b.tell(byId(b.pool, "a:1"), FAILURE, 2);
		expect(ejected(b.pool)).toEqual(["a:1"]);
	});

	it("is forgotten after a success", () => {
		const { pool, tell } = detect(weighted(1, 1), { consecutive_failures: 3 });
		const a = byId(pool, "a:1");
		for (const client of ["192.0.2.1", "192.0.2.2"]) tellAs(pool, a, client);
		tell(a, SUCCESS);
		tellAs(pool, a, "192.0.2.3");
		expect(ejected(pool)).toEqual([]);
	});
});
