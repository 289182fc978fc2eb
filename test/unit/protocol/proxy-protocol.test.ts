import { BlockList, isIP, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { MAX_PROXY_HEADER, parseProxyHeader } from "../../../src/protocol/proxy-protocol.ts";
import { localProxyHeader, proxyHeader } from "../../../src/protocol/proxy-protocol-header.ts";
import { anyAddress, tlv, V2_SIGNATURE, v2 } from "./proxy-protocol.fixtures.ts";

const SOURCE = { sourceIp: "192.0.2.1", sourcePort: 56324, destinationIp: "198.51.100.2", destinationPort: 443 };
const IPV4 = Buffer.from("c0000201c6336402dc0401bb", "hex");
const IPV6 = Buffer.from(`20010db8${"0".repeat(22)}0120010db8${"0".repeat(22)}02dc0401bb`, "hex");

function read(bytes: Buffer | string) {
	return parseProxyHeader(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
}

function refusal(bytes: Buffer | string): string {
	try {
		return `accepted ${JSON.stringify(read(bytes))}`;
	} catch (error) {
		expect(error).toBeInstanceOf(GatewayError);
		expect((error as GatewayError).code).toBe("PROXY_HEADER_INVALID");
		return (error as GatewayError).message;
	}
}

describe("version 1", () => {
	it.each([
		["PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", SOURCE],
		[
			"PROXY TCP6 2001:DB8:0:0::1 ::1 0 65535\r\n",
			{ sourceIp: "2001:db8::1", sourcePort: 0, destinationIp: "::1", destinationPort: 65535 },
		],
		[
			"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
			{ sourceIp: "192.0.2.1", sourcePort: 1, destinationIp: "::1", destinationPort: 2 },
		],
	])("reads %j", (line, address) => {
		expect(read(`${line}GET /`)).toEqual({ length: line.length, address });
	});

	it.each(["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f:ffff 1 2\r\n"])("%j names nobody", (line) => {
		expect(read(line)).toEqual({ length: line.length, address: undefined });
	});

	it("takes the longest line there is, and none that is longer", () => {
		const longest = `PROXY UNKNOWN ${"f".repeat(107 - 16)}\r\n`;
		expect(longest).toHaveLength(107);
		expect(read(longest)?.length).toBe(107);
		expect(refusal(`PROXY UNKNOWN ${"f".repeat(107 - 15)}\r\n`)).toMatch(/longer than 107/);
		expect(refusal("PROXY ".padEnd(107, "x"))).toMatch(/longer than 107/);
	});

	it.each([
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
		"PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
		"PROXY TCP4 192.0.2.256 198.51.100.2 1 443\r\n",
		"PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n",
		"PROXY TCP4 ::1 ::1 1 443\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 1 443\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
		"PROXY UNKNOWNX\r\n",
		"PROXY \r\n",
		"proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		"GET / HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n",
		"\x16\x03\x01",
	])("refuses %j", (line) => {
		expect(refusal(line)).toMatch(/^PROXY protocol header: /);
	});

	it("refuses the first byte that cannot be part of one", () => {
		expect(read("")).toBeUndefined();
		expect(read("PROXY TCP4 1")).toBeUndefined();
		expect(refusal("PRX")).toMatch(/there is none/);
		expect(refusal("\r\n\r\nG")).toMatch(/there is none/);
	});
});

describe("version 2", () => {
	it("reads TCP over IPv4 and IPv6", () => {
		expect(read(v2(0x21, 0x11, IPV4))).toEqual({ length: 28, address: SOURCE });
		expect(read(v2(0x21, 0x21, IPV6))).toEqual({
			length: 52,
			address: { ...SOURCE, sourceIp: "2001:db8::1", destinationIp: "2001:db8::2" },
		});
	});

	it("gives IPv4 in IPv6 as IPv4, as sockets do", () => {
		const mapped = Buffer.from(`${"0".repeat(20)}ffffc0000201${"0".repeat(20)}ffffc6336402dc0401bb`, "hex");
		expect(read(v2(0x21, 0x21, mapped))?.address).toEqual(SOURCE);
	});

	it.each([
		["LOCAL", v2(0x20, 0x00, Buffer.alloc(0))],
		["LOCAL with a family that does not exist, which is to be ignored", v2(0x20, 0xff, Buffer.alloc(7))],
		["an unspecified family", v2(0x21, 0x00, Buffer.alloc(0))],
		["an unspecified transport", v2(0x21, 0x10, IPV4)],
		["UDP", v2(0x21, 0x12, IPV4)],
		["a unix socket", v2(0x21, 0x31, Buffer.alloc(216))],
	])("%s names nobody", (_, bytes) => {
		expect(read(bytes)).toEqual({ length: bytes.length, address: undefined });
	});

	it("skips extensions, up to its limit", () => {
		const some = v2(0x21, 0x11, Buffer.concat([IPV4, tlv(0x04, Buffer.alloc(0)), tlv(0x02, Buffer.from("host"))]));
		expect(read(some)).toEqual({ length: some.length, address: SOURCE });
		const most = v2(0x21, 0x11, Buffer.concat([IPV4, tlv(0x04, Buffer.alloc(MAX_PROXY_HEADER - 28 - 3))]));
		expect(most).toHaveLength(MAX_PROXY_HEADER);
		expect(read(most)?.length).toBe(MAX_PROXY_HEADER);
		expect(refusal(v2(0x21, 0x11, IPV4, MAX_PROXY_HEADER - 15))).toMatch(/longer than 4096/);
	});

	it.each([
		["another version", v2(0x11, 0x11, IPV4), /version is not 2/],
		["a command that does not exist", v2(0x22, 0x11, IPV4), /neither LOCAL nor PROXY/],
		["a family that does not exist", v2(0x21, 0x41, IPV4), /no such address family/],
		["a transport that does not exist", v2(0x21, 0x13, IPV4), /no such address family/],
		["addresses that are cut off", v2(0x21, 0x11, IPV4.subarray(1)), /cut off/],
		["IPv6 with the length of IPv4", v2(0x21, 0x21, IPV4), /cut off/],
		["half an extension", v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([4, 0])])), /extension is cut off/],
		[
			"an extension that is longer than the rest",
			v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([4, 0, 9])])),
			/extension/,
		],
	])("refuses %s", (_, bytes, why) => {
		expect(refusal(bytes)).toMatch(why);
	});

	it("refuses a wrong version before the rest is there", () => {
		expect(refusal(Buffer.concat([V2_SIGNATURE, Buffer.from([0x31])]))).toMatch(/version is not 2/);
		expect(read(V2_SIGNATURE)).toBeUndefined();
	});
});

describe("any header", () => {
	const written = fc.tuple(anyAddress, fc.constantFrom("v1" as const, "v2" as const));

	it("that the gateway writes is read back as it was meant, wherever it is cut", () => {
		fc.assert(
			fc.property(written, fc.uint8Array({ maxLength: 50 }), ([address, version], rest) => {
				const header = proxyHeader(version, address);
				const bytes = Buffer.concat([header, rest]);
				for (let end = 0; end < header.length; end++) expect(parseProxyHeader(bytes.subarray(0, end))).toBeUndefined();
				const read = parseProxyHeader(bytes);
				expect(read?.length).toBe(header.length);
				expect(read?.address).toMatchObject({
					sourcePort: address.sourcePort,
					destinationPort: address.destinationPort,
				});
				for (const end of ["sourceIp", "destinationIp"] as const) {
					const list = new BlockList();
					list.addAddress(new SocketAddress(socketAddress(address[end])));
					expect(list.check(new SocketAddress(socketAddress(read?.address?.[end] ?? "")))).toBe(true);
				}
			}),
			{ numRuns: 300 },
		);
	});

	it("that was changed is refused, or read within its bounds, and never anything else", () => {
		fc.assert(
			fc.property(
				written,
				fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
				fc.nat(120),
				([address, version], changes, length) => {
					const bytes = Buffer.concat([proxyHeader(version, address), Buffer.alloc(80)]).subarray(0, length);
					for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
					try {
						const header = parseProxyHeader(bytes);
						if (header === undefined) return;
						expect(header.length).toBeLessThanOrEqual(bytes.length);
						if (header.address) expect(isIP(header.address.sourceIp)).not.toBe(0);
					} catch (error) {
						expect(error).toBeInstanceOf(GatewayError);
					}
				},
			),
			{ numRuns: 5_000 },
		);
	});

	it("of random bytes is refused or needs more, whatever they are", () => {
		fc.assert(
			fc.property(
				fc.constantFrom(Buffer.from("PROXY "), V2_SIGNATURE),
				fc.uint8Array({ maxLength: 300 }),
				(start, rest) => {
					try {
						const header = parseProxyHeader(Buffer.concat([start, rest]));
						if (header) expect(header.length).toBeLessThanOrEqual(start.length + rest.length);
					} catch (error) {
						expect(error).toBeInstanceOf(GatewayError);
					}
				},
			),
			{ numRuns: 5_000 },
		);
	});
});

describe("a header for a backend", () => {
	it("says UNKNOWN or nothing when nobody stands behind the connection", () => {
		expect(proxyHeader("v1", undefined).toString()).toBe("PROXY UNKNOWN\r\n");
		expect(proxyHeader("v1", { ...SOURCE, sourceIp: "" }).toString()).toBe("PROXY UNKNOWN\r\n");
		expect(proxyHeader("v2", undefined)).toEqual(v2(0x21, 0x00, Buffer.alloc(0)));
		expect(localProxyHeader("v1").toString()).toBe("PROXY UNKNOWN\r\n");
		expect(localProxyHeader("v2")).toEqual(v2(0x20, 0x00, Buffer.alloc(0)));
	});

	it("is the one of the specification", () => {
		expect(proxyHeader("v1", SOURCE).toString()).toBe("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
		expect(proxyHeader("v2", SOURCE)).toEqual(v2(0x21, 0x11, IPV4));
		const six = { ...SOURCE, sourceIp: "2001:db8::1", destinationIp: "2001:db8::2" };
		expect(proxyHeader("v2", six)).toEqual(v2(0x21, 0x21, IPV6));
	});

	it("takes IPv6 for both when the two are of different families", () => {
		const mixed = { ...SOURCE, destinationIp: "2001:db8::2" };
		expect(proxyHeader("v1", mixed).toString()).toBe("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 56324 443\r\n");
		expect(proxyHeader("v2", mixed)[13]).toBe(0x21);
	});
});

function socketAddress(ip: string): { address: string; family: "ipv4" | "ipv6" } {
	return { address: ip, family: isIP(ip) === 6 ? "ipv6" : "ipv4" };
}
