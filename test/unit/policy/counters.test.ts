import { describe, expect, it } from "vitest";
import { type CounterKey, LocalCounters } from "../../../src/policy/counters.ts";
import { clientKey } from "../../../src/protocol/client-key.ts";

const key = (name = "a", route = "r"): CounterKey => ({ limit: "new_connections_per_ip", route, key: name });

describe("rates", () => {
	it("give the burst at once, then exactly the rate, and say how long to wait", () => {
		let now = 1_000;
		const counters = new LocalCounters(() => now);
		const rate = { perSecond: 10, burst: 5 };
		for (let i = 0; i < 5; i++) expect(counters.take(key(), rate)).toBe(0);
		expect(counters.take(key(), rate)).toBeCloseTo(100);
		now += 40;
		expect(counters.take(key(), rate)).toBeCloseTo(60);
		now += 60;
		expect(counters.take(key(), rate)).toBe(0);
		expect(counters.take(key(), rate)).toBeGreaterThan(0);
	});

	it("let no more through in the long run than rate and burst allow, and no less", () => {
		let now = 0;
		const counters = new LocalCounters(() => now);
		let taken = 0;
		for (; now < 60_000; now += 7) if (counters.take(key(), { perSecond: 3, burst: 10 }) === 0) taken++;
		expect(taken).toBeGreaterThanOrEqual(3 * 60 + 9);
		expect(taken).toBeLessThanOrEqual(3 * 60 + 10);
	});

	it("keep keys and routes apart", () => {
		const counters = new LocalCounters(() => 0);
		const rate = { perSecond: 1, burst: 1 };
		expect([counters.take(key("a"), rate), counters.take(key("b"), rate), counters.take(key("a", "s"), rate)]).toEqual([
			0, 0, 0,
		]);
		expect(counters.take(key("a"), rate)).toBeGreaterThan(0);
	});

	it("follow a changed rate at once", () => {
		const counters = new LocalCounters(() => 0);
		expect(counters.take(key(), { perSecond: 1, burst: 1 })).toBe(0);
		expect(counters.take(key(), { perSecond: 1, burst: 1 })).toBeGreaterThan(0);
		expect(counters.take(key(), { perSecond: 1, burst: 3 })).toBe(0);
	});

	it("are forgotten beyond the bound, the longest unseen first, and report their number", () => {
		const counters = new LocalCounters(() => 0, 1_000);
		const rate = { perSecond: 0.001, burst: 1 };
		for (let i = 0; i < 100_000; i++) counters.take(key(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), rate);
		expect([...counters.sizes()]).toEqual([{ limit: "new_connections_per_ip", entries: 1_000 }]);
		expect(counters.take(key("10.1.134.159"), rate)).toBeGreaterThan(0);
		expect(counters.take(key("10.0.0.0"), rate)).toBe(0);
	});

	it("stay within a few megabytes for 300 000 addresses", () => {
		const counters = new LocalCounters(() => 0);
		const heap = () => {
			globalThis.gc?.();
			return process.memoryUsage().heapUsed;
		};
		const before = heap();
		for (let i = 0; i < 300_000; i++)
			counters.take(key(clientKey(`2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`)), {
				perSecond: 1,
				burst: 5,
			});
		expect([...counters.sizes()][0]?.entries).toBe(100_000);
		expect(heap() - before).toBeLessThan(120 * 1024 * 1024);
	});
});

describe("places", () => {
	it("are given up to the maximum and given back; a key without any is forgotten", () => {
		const counters = new LocalCounters(() => 0);
		const place: CounterKey = { limit: "connections_per_ip", route: "r", key: "a" };
		expect([counters.acquire(place, 2), counters.acquire(place, 2), counters.acquire(place, 2)]).toEqual([
			true,
			true,
			false,
		]);
		counters.release(place);
		expect(counters.acquire(place, 2)).toBe(true);
		counters.release(place);
		counters.release(place);
		expect([...counters.sizes()]).toEqual([{ limit: "connections_per_ip", entries: 0 }]);
		counters.release(place);
		expect(counters.acquire(place, 1)).toBe(true);
	});
});

describe("clientKey", () => {
	it.each([
		["203.0.113.7", "203.0.113.7"],
		["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
		["2001:db8:1:2::", "2001:db8:1:2::/64"],
		["2001:db8::1", "2001:db8:0:0::/64"],
		["2001:0db8:0:0:ffff::", "2001:db8:0:0::/64"],
		["::1", "0:0:0:0::/64"],
		["::", "0:0:0:0::/64"],
		["fe80::1", "fe80:0:0:0::/64"],
		["64:ff9b::203.0.113.7", "64:ff9b:0:0::/64"],
		["1:2:3:4:5:6:7::", "1:2:3:4::/64"],
		["", ""],
	])("of %s is %s", (ip, expected) => {
		expect(clientKey(ip)).toBe(expected);
	});
});
