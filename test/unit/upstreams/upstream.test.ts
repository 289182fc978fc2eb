import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { POLICIES } from "../../../src/upstreams/balance/index.ts";
import { breakerOptions } from "../../../src/upstreams/breaker.ts";
import { orderAll } from "../../../src/upstreams/candidates.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import type { Upstream } from "../../../src/upstreams/upstream.ts";
import { byId, first, request, upstream, weighted } from "./upstream.fixtures.ts";

const ids = (pool: Upstream) => orderAll(pool.candidates(request())).map((endpoint) => endpoint.id);

describe("candidates", () => {
	it.each(Object.keys(POLICIES))("%s tries every ready endpoint once, the backups last", (policy) => {
		const entry = fc.record({ weight: fc.integer({ min: 0, max: 5 }), backup: fc.boolean(), load: fc.nat(5) });
		fc.assert(
			fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
				const pool = upstream({
					endpoints: entries.map(({ weight, backup }, i) => ({ url: `ws://e${i}:1`, weight, backup })),
					load_balancing: { policy },
				});
				pool.endpoints.forEach((endpoint, i) => {
					endpoint.state.active = entries[i]?.load ?? 0;
				});
				const order = orderAll(pool.candidates(request()));
				const usable = pool.endpoints.filter(({ weight }) => weight > 0);
				expect(new Set(order)).toEqual(new Set(usable));
				expect(order.length).toBe(usable.length);
				expect(order.map(({ backup }) => backup)).toEqual(order.map(({ backup }) => backup).toSorted());
			}),
		);
	});

	it("leaves out drain and maint", () => {
		const pool = upstream({
			endpoints: ["ws://a:1", { url: "ws://b:1", state: "drain" }, { url: "ws://c:1", state: "maint" }, "ws://d:1"],
		});
		expect(ids(pool).toSorted()).toEqual(["a:1", "d:1"]);
		expect(pool.endpoints.map((endpoint) => pool.ineligible(endpoint))).toEqual([
			undefined,
			"drain",
			"maint",
			undefined,
		]);
	});

	it("goes to the backups at once when no other endpoint is ready", () => {
		const pool = upstream({
			endpoints: [
				{ url: "ws://a:1", state: "maint" },
				{ url: "ws://b:1", backup: true },
				{ url: "ws://c:1", weight: 0 },
			],
		});
		expect(ids(pool)).toEqual(["b:1"]);
	});

	it("asks each further rule anew for every attempt", () => {
		const down = new Set<string>();
		const pool = upstream({
			endpoints: weighted(1, 1, 1),
			deps: { rules: [{ reason: "unhealthy", allows: ({ id }) => !down.has(id) }] },
		});
		const candidates = pool.candidates(request());
		expect(candidates.next()?.id).toBe("a:1");
		down.add("b:1");
		expect(candidates.next()?.id).toBe("c:1");
		down.delete("b:1");
		expect(candidates.next()?.id).toBe("b:1");
		expect(candidates.next()).toBe(undefined);
		down.add("a:1");
		expect(pool.ineligible(byId(pool, "a:1"))).toBe("unhealthy");
	});
});

describe("compileUpstream", () => {
	it("names endpoints host:port, with brackets for IPv6 and the scheme's own port written out, or by socket path", () => {
		const pool = upstream({
			endpoints: ["ws://10.0.0.1", "wss://Chat.example.com", "ws://[::1]:81", "ws+unix:/run/a"],
		});
		expect(pool.endpoints.map(({ id }) => id)).toEqual(["10.0.0.1:80", "chat.example.com:443", "[::1]:81", "/run/a"]);
	});

	it("gives an endpoint the state that it had under the same upstream and id", () => {
		const states = new UpstreamStates(() => 1);
		const before = upstream({ endpoints: weighted(1, 1), states });
		const after = upstream({ endpoints: weighted(5, 1, 1), states });
		const other = upstream({ name: "other", endpoints: weighted(1), states });
		expect(byId(after, "a:1").state).toBe(byId(before, "a:1").state);
		expect(byId(other, "a:1").state).not.toBe(byId(before, "a:1").state);
	});

	it("goes on with the round robin where it was before a reload", () => {
		const states = new UpstreamStates(() => 1);
		const compile = () => upstream({ endpoints: weighted(5, 1, 1), states });
		let letters = "";
		for (let i = 0; i < 7; i++) letters += first(compile()).id.charAt(0);
		expect(letters).toBe("aabacaa");
	});

	it("refuses the same endpoint twice and says which", () => {
		expect(() => upstream({ endpoints: ["ws://a:80", "http://A"] })).toThrow(/chat has endpoint a:80 twice/);
	});
});

describe("UpstreamStates", () => {
	it("forgets what is gone, but not an endpoint that still has connections", () => {
		const states = new UpstreamStates(() => 1);
		const before = upstream({ endpoints: weighted(1, 1, 1), states });
		const kept = before.endpoints.map(({ state }) => state);
		byId(before, "b:1").state.active = 1;
		const after = upstream({ endpoints: weighted(1), states });
		states.prune([after]);
		expect(states.endpoint("chat", "a:1")).toBe(kept[0]);
		expect(states.endpoint("chat", "b:1")).toBe(kept[1]);
		expect(states.endpoint("chat", "c:1")).not.toBe(kept[2]);
		byId(before, "b:1").state.active = 0;
		states.prune([]);
		expect(states.endpoint("chat", "b:1")).not.toBe(kept[1]);
	});

	it("keeps an upstream's session table until the upstream is gone", () => {
		const states = new UpstreamStates(() => 1);
		const table = states.stickyTable("chat");
		states.prune([upstream({ endpoints: [] })]);
		expect(states.stickyTable("chat")).toBe(table);
		states.prune([]);
		expect(states.stickyTable("chat")).not.toBe(table);
	});
});

it("an endpoint's own max_connections is its limit, also without circuit_breaker; the others keep the upstream's", () => {
	const endpoints = [{ url: "ws://a:1", max_connections: 2 }, "ws://b:1"];
	const alone = upstream({ endpoints });
	const guarded = upstream({ endpoints, config: { circuit_breaker: breakerOptions.parse({ max_connections: 3 }) } });
	const reasons = (pool: Upstream, active: number) =>
		pool.endpoints.map((endpoint) => {
			endpoint.state.active = active;
			return pool.ineligible(endpoint);
		});
	expect(reasons(alone, 1)).toEqual([undefined, undefined]);
	expect(reasons(alone, 1_000)).toEqual(["at max_connections", undefined]);
	expect(reasons(guarded, 2)).toEqual(["at max_connections", undefined]);
	expect(reasons(guarded, 3)).toEqual(["at max_connections", "at max_connections"]);
});
