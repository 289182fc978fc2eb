import { describe, expect, test } from "vitest";
import { AddressRanges, duration, normaliseIp, OFF, percent, size } from "../../src/options.ts";

describe("address ranges", () => {
	test("keep the families apart: every IPv6 address is not every IPv4 address", () => {
		const everyone6 = new AddressRanges(["::/0"]);
		expect(everyone6.has("2001:db8::1")).toBe(true);
		expect(everyone6.has("192.0.2.1")).toBe(false);
		expect(new AddressRanges(["0.0.0.0/0"]).has("::1")).toBe(false);
	});

	test("hold IPv4 addresses and ranges that are written in IPv4-mapped form", () => {
		for (const range of ["::ffff:6.6.6.6", "::FFFF:0606:0606", "0:0:0:0:0:ffff:6.6.6.0/120", "::ffff:0:0/96"]) {
			expect(new AddressRanges([range]).has("6.6.6.6"), range).toBe(true);
		}
		expect(new AddressRanges(["::ffff:6.6.6.6", "::fffe:0:0/96"]).has("6.6.6.7")).toBe(false);
	});

	test("hold single addresses and ranges of both", () => {
		const ranges = new AddressRanges(["10.0.0.0/8", "192.0.2.7", "fd00::/8", "::1"]);
		for (const ip of ["10.255.0.1", "192.0.2.7", "fd12::1", "::1"]) expect(ranges.has(ip), ip).toBe(true);
		for (const ip of ["11.0.0.1", "192.0.2.8", "fe80::1", "::2"]) expect(ranges.has(ip), ip).toBe(false);
		expect(ranges.empty).toBe(false);
		expect(new AddressRanges([]).empty).toBe(true);
	});
});

test("an address in IPv4-mapped form, or with a zone, is the plain one", () => {
	for (const mapped of [
		...["::ffff:6.6.6.6", "::FFFF:6.6.6.6", "::ffff:0606:0606", "::ffff:606:606", "0:0:0:0:0:ffff:6.6.6.6"],
		...["0000:0000:0000:0000:0000:ffff:0606:0606", "0::ffff:6.6.6.6", "::0:ffff:606:606%eth0"],
	]) {
		expect(normaliseIp(mapped), mapped).toBe("6.6.6.6");
	}
	for (const other of ["::ffff:6.6.6.6.6", "::ffff:", "2001:db8::ffff:1:2", "::fffff:606:606", "::"])
		expect(normaliseIp(other), other).toBe(other);
	expect(normaliseIp("fe80::1%eth0")).toBe("fe80::1");
	expect(normaliseIp("2001:db8::1")).toBe("2001:db8::1");
});

test("durations, sizes and shares are read as the reference says", () => {
	expect(["250ms", "5s", "1.5s", "2m", "1h", "off", 0, false].map((text) => duration.parse(text))).toEqual([
		250,
		5_000,
		1_500,
		120_000,
		3_600_000,
		OFF,
		0,
		OFF,
	]);
	expect([512, "512", "64KiB", "1MiB", "2GiB"].map((text) => size.parse(text))).toEqual([
		512,
		512,
		65_536,
		1_048_576,
		2 * 1024 ** 3,
	]);
	expect(["50%", 50, "0.5%"].map((text) => percent.parse(text))).toEqual([50, 50, 0.5]);
	expect(duration.safeParse(20).error?.issues[0]?.message).toBe("a duration needs a unit: write 20s or 20ms");
	for (const bad of ["5", "5 s", "-1s", "1d"]) expect(duration.safeParse(bad).success, bad).toBe(false);
	for (const bad of ["5KB", "1.5MiB", -1, "x"]) expect(size.safeParse(bad).success, String(bad)).toBe(false);
});
