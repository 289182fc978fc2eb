import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressRanges, normaliseIp } from "../../../src/options.ts";
import { clientAddress } from "../../../src/protocol/client.ts";

const TRUSTED = new AddressRanges(["10.0.0.0/8", "fd00::/8"]);

function find(
	headers: Record<string, string>,
	{ peerIp = "10.0.0.1", secure = false, port = 8080, header = "x-forwarded-for" } = {},
) {
	return clientAddress(peerIp, headers, TRUSTED, secure, port, header);
}

describe("a peer that is not trusted", () => {
	const lies = {
		"x-forwarded-for": "1.1.1.1",
		"x-forwarded-proto": "https",
		"x-forwarded-port": "443",
		forwarded: "for=1.1.1.1;proto=https",
	};

	it("is the client, whatever it says", () => {
		expect(find(lies, { peerIp: "203.0.113.7" })).toEqual({
			clientIp: "203.0.113.7",
			secure: false,
			port: 8080,
			trustedPeer: false,
		});
	});

	it("is every peer when nobody is trusted, unix sockets too", () => {
		expect(clientAddress("10.0.0.1", lies, undefined, true, 1).clientIp).toBe("10.0.0.1");
		expect(clientAddress("10.0.0.1", lies, new AddressRanges([]), true, 1).clientIp).toBe("10.0.0.1");
		expect(clientAddress("", lies, new AddressRanges([]), true, 0).clientIp).toBe("");
		expect(clientAddress("", lies, undefined, true, 0)).toEqual({
			clientIp: "",
			secure: true,
			port: 0,
			trustedPeer: false,
		});
	});
});

describe("X-Forwarded-For from a trusted peer", () => {
	it.each([
		["203.0.113.7", "203.0.113.7"],
		["1.1.1.1, 203.0.113.7", "203.0.113.7"],
		["1.1.1.1, 203.0.113.7, 10.1.1.1,10.2.2.2", "203.0.113.7"],
		["10.3.3.3, 10.2.2.2", "10.3.3.3"],
		["203.0.113.7:4711, fd00::9", "203.0.113.7"],
		["[2001:DB8::1]:443", "2001:db8::1"],
		["[2001:db8::1]", "2001:db8::1"],
		["2001:db8::1", "2001:db8::1"],
		["::ffff:203.0.113.7", "203.0.113.7"],
		["203.0.113.7, unknown", "10.0.0.1"],
		["203.0.113.7, _hidden, 10.2.2.2", "10.2.2.2"],
		["garbage", "10.0.0.1"],
		["", "10.0.0.1"],
		["203.0.113.7,,10.2.2.2", "10.2.2.2"],
		["203.0.113.7:port", "10.0.0.1"],
		["1.2.3.4.5", "10.0.0.1"],
	])("%j means the client is %s", (value, client) => {
		expect(find({ "x-forwarded-for": value })).toMatchObject({ clientIp: client, trustedPeer: true });
	});

	it("is the only header that counts, as is any other that the operator names", () => {
		const headers = {
			"x-forwarded-for": "203.0.113.1",
			"x-real-ip": "203.0.113.2",
			"cf-connecting-ip": "203.0.113.3",
			forwarded: "for=203.0.113.4",
		};
		expect(find(headers).clientIp).toBe("203.0.113.1");
		expect(find(headers, { header: "x-real-ip" }).clientIp).toBe("203.0.113.2");
		expect(find(headers, { header: "cf-connecting-ip" }).clientIp).toBe("203.0.113.3");
		expect(find(headers, { header: "forwarded" }).clientIp).toBe("203.0.113.4");
		expect(find(headers, { header: "true-client-ip" }).clientIp).toBe("10.0.0.1");
		expect(find({ forwarded: "for=203.0.113.4" }).clientIp).toBe("10.0.0.1");
	});

	it("is believed from a unix socket when proxies are trusted at all", () => {
		expect(find({ "x-forwarded-for": "203.0.113.7" }, { peerIp: "" })).toMatchObject({
			clientIp: "203.0.113.7",
			trustedPeer: true,
		});
	});

	it("is not walked for ever", () => {
		const value = `203.0.113.7, ${Array(5_000).fill("10.0.0.1").join(",")}`;
		expect(find({ "x-forwarded-for": value }).clientIp).toBe("10.0.0.1");
	});
});

describe("Forwarded from a trusted peer", () => {
	it.each([
		["for=203.0.113.7", "203.0.113.7"],
		['For="[2001:db8::1]:47011";proto=https', "2001:db8::1"],
		['for="203.0.113.7:1234" ; by=10.0.0.1', "203.0.113.7"],
		["for=1.1.1.1, for=203.0.113.7, for=10.2.2.2", "203.0.113.7"],
		['for=203.0.113.7;host="a,b;for=1.1.1.1", for=10.2.2.2', "203.0.113.7"],
		['for=203.0.113.7;host="a\\",", for=10.2.2.2', "203.0.113.7"],
		["for=203.0.113.7, for=unknown", "10.0.0.1"],
		["for=203.0.113.7, proto=https", "10.0.0.1"],
		["for=_gazonk", "10.0.0.1"],
	])("%j means the client is %s", (value, client) => {
		expect(find({ forwarded: value }, { header: "forwarded" }).clientIp).toBe(client);
	});

	it("tells the scheme of the client's own hop", () => {
		const value = "for=203.0.113.7;proto=https, for=10.2.2.2;proto=http";
		const others = { "x-forwarded-proto": "http", "x-forwarded-port": "1", "x-forwarded-host": "a:2" };
		expect(find({ ...others, forwarded: value }, { header: "forwarded" })).toMatchObject({ secure: true, port: 443 });
		expect(find({ ...others, forwarded: "for=203.0.113.7" }, { header: "forwarded" })).toMatchObject({ port: 8080 });
		expect(find(others, { header: "forwarded" })).toMatchObject({ secure: false, port: 8080 });
	});
});

describe("scheme and port from a trusted peer", () => {
	it.each([
		[{ "x-forwarded-proto": "https" }, { secure: true, port: 443 }],
		[{ "x-forwarded-proto": "WSS" }, { secure: true, port: 443 }],
		[{ "x-forwarded-proto": "ws" }, { secure: false, port: 80 }],
		[
			{ "x-forwarded-proto": "https", "x-forwarded-port": "8443" },
			{ secure: true, port: 8443 },
		],
		[
			{ "x-forwarded-proto": "https", host: "a.example:9443" },
			{ secure: true, port: 9443 },
		],
		[
			{ "x-forwarded-proto": "https", "x-forwarded-host": "a.example:7443", host: "b:1" },
			{ secure: true, port: 7443 },
		],
		[{ "x-forwarded-proto": "gopher" }, { secure: false, port: 8080 }],
		[{ "x-forwarded-port": "70000" }, { secure: false, port: 8080 }],
		[{ "x-forwarded-port": "443" }, { secure: false, port: 443 }],
		[{}, { secure: false, port: 8080 }],
	])("%j gives %j", (headers, expected) => {
		expect(find({ "x-forwarded-for": "203.0.113.7", ...headers })).toMatchObject(expected);
	});

	it("takes the value at the client's place when there is one for each hop", () => {
		const headers = {
			"x-forwarded-for": "1.1.1.1, 203.0.113.7, 10.2.2.2",
			"x-forwarded-proto": "http, https, http",
			"x-forwarded-port": "1, 443, 8080",
		};
		expect(find(headers)).toMatchObject({ clientIp: "203.0.113.7", secure: true, port: 443 });
	});

	it("takes the rightmost value otherwise, since the client may have written the others", () => {
		expect(find({ "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https, http" }).secure).toBe(false);
		expect(find({ "x-forwarded-proto": "http, https" }).secure).toBe(true);
	});
});

it("the client is never an address left of one that is not trusted", () => {
	const ip = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("10.0.0.2", "10.9.9.9", "unknown", "", "fd00::1"));
	fc.assert(
		fc.property(fc.array(ip, { minLength: 1, maxLength: 8 }), (entries) => {
			const { clientIp } = find({ "x-forwarded-for": entries.join(", ") });
			const known = entries.map((each) => normaliseIp(each.toLowerCase()));
			const stranger = known.findLastIndex((each) => isIP(each) === 0 || !TRUSTED.has(each));
			expect(["10.0.0.1", ...known.slice(Math.max(0, stranger))]).toContain(clientIp);
		}),
	);
});
