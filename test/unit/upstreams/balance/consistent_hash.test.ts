import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { orderAll } from "../../../../src/upstreams/candidates.ts";
import { byId, first, request, upstream, weighted } from "../upstream.fixtures.ts";

const ten = Array.from({ length: 10 }, (_, i) => `ws://10.0.0.${i + 1}:8080`);
const byRoom = { policy: "consistent_hash", hash_on: { query: "room" } };
const room = (name: string) => request({ query: `room=${encodeURIComponent(name)}` });

describe("consistent_hash", () => {
	it("sends the same key to the same endpoint ten thousand times out of ten thousand", () => {
		const pool = upstream({ endpoints: ten, load_balancing: byRoom });
		const home = first(pool, room("lobby"));
		for (let i = 0; i < 10_000; i++) {
			const endpoint = first(pool, room("lobby"));
			expect(endpoint).toBe(home);
			endpoint.state.active++;
		}
	});

	it("moves only the keys of an endpoint that is removed, whatever the weights", () => {
		const endpoints = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 10, maxLength: 10 });
		fc.assert(
			fc.property(endpoints, fc.nat(9), (weights, gone) => {
				const all = ten.map((url, index) => ({ url, weight: weights[index] }));
				const before = upstream({ endpoints: all, load_balancing: byRoom });
				const after = upstream({ endpoints: all.toSpliced(gone, 1), load_balancing: byRoom });
				for (let i = 0; i < 200; i++) {
					const home = first(before, room(`room-${i}`)).id;
					if (home !== before.endpoints[gone]?.id) expect(first(after, room(`room-${i}`)).id).toBe(home);
				}
			}),
		);
	});

	it("sends a key whose endpoint is removed where its failover went before", () => {
		const pool = upstream({ endpoints: ten, load_balancing: byRoom });
		const [home, second] = orderAll(pool.candidates(room("lobby")));
		const without = upstream({ endpoints: ten.filter((url) => url !== home?.url), load_balancing: byRoom });
		expect(first(without, room("lobby")).id).toBe(second?.id);
	});

	it("does not depend on the order in which endpoints are written", () => {
		const forwards = upstream({ endpoints: ten, load_balancing: byRoom });
		const backwards = upstream({ endpoints: ten.toReversed(), load_balancing: byRoom });
		for (let i = 0; i < 500; i++) expect(first(backwards, room(`${i}`)).id).toBe(first(forwards, room(`${i}`)).id);
	});

	it("hashes the key once for a handshake, however many attempts it needs", () => {
		let reads = 0;
		const counted = request();
		Object.defineProperty(counted, "clientIp", { get: () => `192.0.2.${++reads}` });
		orderAll(upstream({ endpoints: ten, load_balancing: { policy: "consistent_hash" } }).candidates(counted));
		expect(reads).toBe(1);
	});
});

describe("hash_on", () => {
	const keyed = (hash_on: unknown) => {
		const pool = upstream({ endpoints: ten, load_balancing: { policy: "consistent_hash", hash_on } });
		return (facts: Parameters<typeof request>[0]) => first(pool, request(facts)).id;
	};
	/** The endpoint of a key, found through another source: keys are hashed alike wherever they come from. */
	const expected = (key: string) => keyed("client_ip")({ clientIp: key });

	it("reads a cookie, a query parameter, a header, the path or the client's address", () => {
		expect(keyed({ cookie: "session" })({ headers: { cookie: "a=b; session=s1" } })).toBe(expected("s1"));
		expect(keyed({ query: "room" })({ query: "x=1&room=caf%C3%A9" })).toBe(expected("café"));
		expect(keyed({ header: "X-User" })({ headers: { "x-user": "ann" } })).toBe(expected("ann"));
		expect(keyed("path")({ path: "/r/%41", matchPath: "/r/A" })).toBe(expected("/r/A"));
	});

	it("takes the first source that is present; an empty value is not", () => {
		const pick = keyed([{ cookie: "session" }, { header: "X-User" }, "path"]);
		expect(pick({ headers: { cookie: "session=s1", "x-user": "ann" } })).toBe(expected("s1"));
		expect(pick({ headers: { cookie: "session=", "x-user": "ann" } })).toBe(expected("ann"));
		expect(pick({ headers: {}, matchPath: "/p" })).toBe(expected("/p"));
	});

	it("falls back to the client's address when no source is present", () => {
		expect(keyed({ cookie: "session" })({ clientIp: "192.0.2.77" })).toBe(expected("192.0.2.77"));
	});

	it("uses the whole of an IPv6 address", () => {
		const homes = new Set<string>();
		for (let i = 0; i < 100; i++) homes.add(expected(`2001:db8::${i.toString(16)}`));
		expect(homes.size).toBe(10);
	});
});

describe("hash_balance_factor", () => {
	it("keeps every endpoint within the factor of its weighted share while connections pile up on one key", () => {
		const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 10 });
		const factors = fc.integer({ min: 100, max: 300 });
		fc.assert(
			fc.property(weights, factors, fc.boolean(), (given, factor, oneKey) => {
				const load_balancing = { ...byRoom, hash_balance_factor: factor };
				const pool = upstream({ endpoints: weighted(...given), load_balancing });
				const totalWeight = given.reduce((sum, weight) => sum + weight);
				for (let total = 1; total <= 120; total++) {
					const endpoint = first(pool, room(oneKey ? "lobby" : `room-${total}`));
					endpoint.state.active++;
					const limit = Math.ceil(((factor / 100) * endpoint.weight * total) / totalWeight + 1e-9);
					expect(endpoint.state.active).toBeLessThanOrEqual(limit);
				}
			}),
			{ numRuns: 60 },
		);
	});

	it("passes a full endpoint over for the next one of the key's own order, and comes back when there is room", () => {
		const order = orderAll(upstream({ endpoints: ten, load_balancing: byRoom }).candidates(room("lobby")));
		const pool = upstream({ endpoints: ten, load_balancing: { ...byRoom, hash_balance_factor: "150%" } });
		const home = byId(pool, order[0]?.id ?? "");
		expect(first(pool, room("lobby"))).toBe(home);
		for (const endpoint of pool.endpoints) endpoint.state.active = 10;
		home.state.active = 17;
		expect(first(pool, room("lobby")).id).toBe(order[1]?.id);
		home.state.active = 10;
		expect(first(pool, room("lobby"))).toBe(home);
	});

	it("is off by default: one key may take everything", () => {
		const pool = upstream({ endpoints: ten, load_balancing: byRoom });
		const home = first(pool, room("lobby"));
		home.state.active = 100_000;
		expect(first(pool, room("lobby"))).toBe(home);
	});
});
