import { describe, expect, it } from "vitest";
import { POLICIES } from "../../../src/upstreams/balance/index.ts";
import { becameAvailable } from "../../../src/upstreams/slow-start.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import { byId, first, request, upstream } from "./upstream.fixtures.ts";

/** Two endpoints with `slow_start: 30s` and a clock to turn. */
function pair(policy = "round_robin") {
	const clock = { now: 1_000_000 };
	const states = new UpstreamStates(() => clock.now);
	const compile = (endpoints: unknown[] = ["ws://a:1", "ws://b:1"]) =>
		upstream({ endpoints, states, load_balancing: { policy, slow_start: "30s" } });
	const pool = compile();
	states.prune([pool]);
	return { clock, states, compile, pool };
}

describe("an endpoint that became available", () => {
	it("has a tenth of its weight, which grows evenly to the whole", () => {
		const { clock, pool } = pair();
		const b = byId(pool, "b:1");
		becameAvailable(b, clock.now);
		const weights = [0, 10_000, 15_000, 29_999, 30_000, 1_000_000].map((age) => {
			clock.now = 1_000_000 + age;
			return Math.round(pool.weight(b) * 1000) / 1000;
		});
		expect(weights).toEqual([0.1, 0.4, 0.55, 1, 1, 1]);
		expect(pool.weight(byId(pool, "a:1"))).toBe(1);
	});

	it.each(Object.keys(POLICIES))("gets its share little by little with %s", (policy) => {
		const { clock, pool } = pair(policy);
		becameAvailable(byId(pool, "b:1"), clock.now);
		const shares = [0, 15_000, 30_000].map((age) => {
			clock.now = 1_000_000 + age;
			for (const { state } of pool.endpoints) state.active = 0;
			let fresh = 0;
			const rounds = 4_000;
			for (let i = 0; i < rounds; i++) {
				const chosen = first(pool, request({ clientIp: `10.0.${i >> 8}.${i & 255}` }));
				chosen.state.active++;
				if (chosen.id === "b:1") fresh++;
			}
			return fresh / rounds;
		});
		// 0.1 : 1, 0.55 : 1, 1 : 1. p2c draws by weight and then compares load by weight: the two draws even out.
		const expected = policy === "p2c" ? [0.1, 0.355, 0.5] : [0.091, 0.355, 0.5];
		for (const [index, share] of shares.entries()) expect(share).toBeCloseTo(expected[index] as number, 1);
		expect(shares[0]).toBeLessThan(0.15);
		expect(shares).toEqual([...shares].sort());
	});

	it("is one that is new in an upstream that was there before", () => {
		const { clock, states, compile } = pair();
		clock.now += 60_000;
		const next = compile(["ws://a:1", "ws://b:1", "ws://c:1"]);
		states.prune([next]);
		expect(next.endpoints.map((endpoint) => next.weight(endpoint))).toEqual([1, 1, 0.1]);
	});

	it("is one whose state goes back to ready, or whose weight is no longer 0", () => {
		const { clock, states, compile } = pair();
		states.prune([compile([{ url: "ws://a:1", state: "maint" }, { url: "ws://b:1", weight: 0 }, "ws://c:1"])]);
		clock.now += 60_000;
		const next = compile([{ url: "ws://a:1" }, { url: "ws://b:1", weight: 4 }, "ws://c:1"]);
		states.prune([next]);
		expect(next.endpoints.map((endpoint) => next.weight(endpoint))).toEqual([0.1, 0.4, 1]);
	});

	it("is none of those that an upstream starts with, and none that a reload leaves as it is", () => {
		const { clock, states, compile, pool } = pair();
		expect(pool.endpoints.map((endpoint) => pool.weight(endpoint))).toEqual([1, 1]);
		clock.now += 60_000;
		const next = compile();
		states.prune([next]);
		expect(next.endpoints.map((endpoint) => next.weight(endpoint))).toEqual([1, 1]);
	});
});

it("without slow_start the weight is the configured one at once", () => {
	const pool = upstream({ endpoints: [{ url: "ws://a:1", weight: 3 }] });
	becameAvailable(byId(pool, "a:1"), 1);
	expect(pool.weight(byId(pool, "a:1"))).toBe(3);
});
