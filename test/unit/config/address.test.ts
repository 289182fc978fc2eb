import { describe, expect, it } from "vitest";
import { addressesClash, isLoopback, type ListenAddress, parseListenAddress } from "../../../src/config/address.ts";

function at(text: string): ListenAddress {
	return parseListenAddress(text) as ListenAddress;
}

describe("an address", () => {
	it.each([
		[":8080", { port: 8080 }],
		[":0", { port: 0 }],
		["127.0.0.1:80", { host: "127.0.0.1", port: 80 }],
		["localhost:65535", { host: "localhost", port: 65535 }],
		["[::1]:443", { host: "::1", port: 443 }],
		["unix:/run/clawgate.sock", { path: "/run/clawgate.sock" }],
	])("%s is read", (text, address) => {
		expect(parseListenAddress(text)).toEqual(address);
	});

	it.each([
		"",
		"8080",
		"a",
		"a:",
		":65536",
		":-1",
		"::1:443",
		"[::1]",
		"[a]:1",
		"1.2.3:80",
		"1.2.3.400:80",
		"unix:",
		"unix:run/x",
		"*:80",
		"a b:1",
		"http://a:1",
	])("%j is refused", (text) => {
		expect(parseListenAddress(text)).toBeUndefined();
	});
});

it("is on loopback for 127/8, ::1, localhost and a unix socket only", () => {
	for (const text of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/x"])
		expect(isLoopback(at(text)), text).toBe(true);
	for (const text of [":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.example:1", "example.com:1"])
		expect(isLoopback(at(text)), text).toBe(false);
});

describe("two addresses clash", () => {
	it.each([
		[":80", ":80"],
		[":80", "127.0.0.1:80"],
		["0.0.0.0:80", "10.0.0.1:80"],
		["[::]:80", "0.0.0.0:80"],
		["[::1]:80", "[0:0:0:0:0:0:0:1]:80"],
		["LOCALHOST:80", "localhost:80"],
		["unix:/a", "unix:/a"],
	])("%s and %s", (a, b) => {
		expect(addressesClash(at(a), at(b))).toBe(true);
		expect(addressesClash(at(b), at(a))).toBe(true);
	});

	it.each([
		[":80", ":81"],
		[":0", ":0"],
		["127.0.0.1:80", "127.0.0.2:80"],
		["0.0.0.0:80", "[::1]:80"],
		["unix:/a", "unix:/b"],
		["unix:/a", ":80"],
	])("not %s and %s", (a, b) => {
		expect(addressesClash(at(a), at(b))).toBe(false);
		expect(addressesClash(at(b), at(a))).toBe(false);
	});
});
