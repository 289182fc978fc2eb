import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadBalancingOptions, POLICIES, type PolicyName } from "../../../../src/upstreams/balance/index.ts";
import type { Upstream } from "../../../../src/upstreams/upstream.ts";
import { byId, first, request, upstream, weighted } from "../upstream.fixtures.ts";

const names = Object.keys(POLICIES) as PolicyName[];

/** How often each endpoint is chosen by clients with different addresses; `keep` leaves the connections open. */
function shares(pool: Upstream, picks: number, keep: boolean): Record<string, number> {
	const counts: Record<string, number> = {};
	for (let i = 0; i < picks; i++) {
		const endpoint = first(pool, request({ clientIp: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }));
		counts[endpoint.id] = (counts[endpoint.id] ?? 0) + 1;
		if (keep) endpoint.state.active++;
	}
	return counts;
}

function letters(pool: Upstream, picks: number): string {
	return Array.from({ length: picks }, () => first(pool).id.charAt(0)).join("");
}

describe("every policy", () => {
	it.each(names.flatMap((policy) => [true, false].map((keep) => ({ policy, keep }))))(
		"$policy follows the weights within 5 % (connections stay open: $keep)",
		({ policy, keep }) => {
			// Without open connections least_connections has nothing to go by but its tie-break, which follows the weights too.
			const weights = [1, 2, 3, 4];
			const counts = shares(upstream({ endpoints: weighted(...weights), load_balancing: { policy } }), 40_000, keep);
			weights.forEach((weight, index) => {
				const share = (counts[`${"abcd".charAt(index)}:1`] ?? 0) / (4000 * weight);
				expect(share).toBeGreaterThan(0.95);
				expect(share).toBeLessThan(1.05);
			});
		},
	);

	it.each(names)("%s never picks weight 0, and nothing at all when every weight is 0", (policy) => {
		expect(shares(upstream({ endpoints: weighted(0, 1, 0), load_balancing: { policy } }), 500, true)).toEqual({
			"b:1": 500,
		});
		expect(
			upstream({ endpoints: weighted(0, 0), load_balancing: { policy } })
				.candidates(request())
				.next(),
		).toBe(undefined);
	});

	it.each(names)("%s uses the effective weight instead of the configured one", (policy) => {
		const pool = upstream({
			endpoints: weighted(1, 100),
			load_balancing: { policy },
			deps: { weight: (endpoint) => (endpoint.id === "b:1" ? 0.25 : 0.75) },
		});
		const counts = shares(pool, 20_000, true);
		expect(counts["a:1"]).toBeGreaterThan(14_250);
		expect(counts["a:1"]).toBeLessThan(15_750);
	});

	it.each(names)("%s answers nothing, and does not fail, without endpoints", (policy) => {
		expect(upstream({ endpoints: [], load_balancing: { policy } }).candidates(request()).next()).toBe(undefined);
	});
});

describe("round_robin", () => {
	it("gives nginx's sequence for weights 5, 1, 1", () => {
		expect(letters(upstream({ endpoints: weighted(5, 1, 1) }), 14)).toBe("aabacaaaabacaa");
	});

	it("is the default", () => {
		expect(letters(upstream({ endpoints: weighted(1, 1, 1) }), 6)).toBe("abcabc");
	});
});

describe("least_connections", () => {
	const policy = { policy: "least_connections" };

	it("counts open and opening connections against the weight", () => {
		const pool = upstream({ endpoints: weighted(1, 2, 1), load_balancing: policy });
		byId(pool, "a:1").state.active = 2;
		byId(pool, "b:1").state.active = 3;
		byId(pool, "c:1").state.pending = 2;
		expect(first(pool).id).toBe("b:1");
		byId(pool, "b:1").state.pending = 2;
		byId(pool, "c:1").state.pending = 1;
		expect(first(pool).id).toBe("c:1");
	});

	it("lets equally loaded endpoints take turns by weight", () => {
		const pool = upstream({ endpoints: weighted(2, 1, 1), load_balancing: policy });
		expect(letters(pool, 8)).toBe("abcaabca");
		byId(pool, "a:1").state.active = 1;
		expect(letters(pool, 4)).toMatch(/^(?:bcbc|cbcb)$/);
	});

	it("always picks an endpoint that no other one undercuts", () => {
		const loads = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(50)), { minLength: 1, maxLength: 12 });
		fc.assert(
			fc.property(loads, (endpoints) => {
				const pool = upstream({ endpoints: weighted(...endpoints.map(([weight]) => weight)), load_balancing: policy });
				pool.endpoints.forEach((endpoint, index) => {
					endpoint.state.active = endpoints[index]?.[1] ?? 0;
				});
				const ratios = pool.endpoints.map((endpoint) => endpoint.state.active / endpoint.weight);
				const chosen = first(pool);
				expect(chosen.state.active / chosen.weight).toBeCloseTo(Math.min(...ratios), 9);
			}),
		);
	});
});

describe("random", () => {
	it("goes by the random number alone", () => {
		let next = 0;
		const pool = upstream({
			endpoints: weighted(1, 3),
			load_balancing: { policy: "random" },
			deps: { random: () => next },
		});
		expect(first(pool).id).toBe("a:1");
		next = 0.2499;
		expect(first(pool).id).toBe("a:1");
		next = 0.25;
		expect(first(pool).id).toBe("b:1");
		next = 0.999999;
		expect(first(pool).id).toBe("b:1");
	});
});

describe("p2c", () => {
	it("draws two different endpoints and takes the one with fewer connections for its weight", () => {
		const draws = [0, 0];
		let turn = 0;
		const pool = upstream({
			endpoints: weighted(1, 1, 1),
			load_balancing: { policy: "p2c" },
			deps: { random: () => draws[turn++ % draws.length] ?? 0 },
		});
		expect(first(pool).id).toBe("a:1");
		byId(pool, "a:1").state.active = 1;
		expect(first(pool).id).toBe("b:1");
		byId(pool, "b:1").state.pending = 2;
		expect(first(pool).id).toBe("a:1");
	});

	it("keeps the fullest endpoint closer to the average than chance alone does", () => {
		const fullest = (policy: string) => {
			const endpoints = weighted(...new Array<number>(20).fill(1));
			const counts = Object.values(shares(upstream({ endpoints, load_balancing: { policy } }), 2000, true));
			return Math.max(...counts);
		};
		expect(fullest("p2c")).toBeLessThanOrEqual(103);
		expect(fullest("random")).toBeGreaterThan(110);
	});
});

describe("load_balancing", () => {
	it("refuses a key that the chosen policy does not use, and says which policy does", () => {
		const result = loadBalancingOptions.safeParse({ policy: "p2c", hash_on: "client_ip" });
		expect(result.error?.issues).toMatchObject([
			{ path: ["hash_on"], message: "policy p2c does not use hash_on; set policy: consistent_hash or remove the key" },
		]);
	});

	it.each([
		{ policy: "ip_hash" },
		{ polcy: "random" },
		{ policy: "consistent_hash", hash_balance_factor: 99 },
		{ policy: "consistent_hash", hash_on: [] },
		{ policy: "consistent_hash", hash_on: { cookie: "a b" } },
		{ policy: "consistent_hash", hash_on: { cookie: "a", header: "b" } },
	])("refuses %j", (written) => {
		expect(loadBalancingOptions.safeParse(written).success).toBe(false);
	});

	it("takes one source or several, and the factor as a number or a percentage", () => {
		const parse = (written: object) => loadBalancingOptions.parse({ policy: "consistent_hash", ...written });
		expect(parse({ hash_on: "path" }).hash_on).toEqual(["path"]);
		expect(parse({ hash_on: [{ query: "room" }, "client_ip"] }).hash_on).toEqual([{ query: "room" }, "client_ip"]);
		expect(parse({ hash_balance_factor: 150 }).hash_balance_factor).toBe(150);
		expect(parse({ hash_balance_factor: "150%" }).hash_balance_factor).toBe(150);
	});
});
