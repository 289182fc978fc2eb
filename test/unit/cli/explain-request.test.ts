import { describe, expect, it } from "vitest";
import { chooseListener } from "../../../src/cli/explain-listener.ts";
import { parseRequest, readHeader, readUrl, requestHead } from "../../../src/cli/explain-request.ts";
import { loadConfig } from "../../../src/config/load.ts";

describe("readUrl", () => {
	it.each([
		["ws://a.test/ws", { websocket: true, secure: false, port: 80, authority: "a.test", target: "/ws" }],
		[
			"wss://A.test:8443/ws?x=1",
			{ websocket: true, secure: true, hostname: "a.test", port: 8443, authority: "A.test:8443", target: "/ws?x=1" },
		],
		["wss://a.test:443", { port: 443, authority: "a.test", target: "/" }],
		["WS://a.test?x", { target: "/?x" }],
		["https://[::1]:81/", { websocket: false, secure: true, hostname: "[::1]", port: 81, authority: "[::1]:81" }],
		["ws://a/x/../y//%2e", { target: "/x/../y//%2e" }],
		["ws://a/ü b", { target: "/%C3%BC%20b" }],
	])("%s", (text, expected) => {
		expect(readUrl(text)).toMatchObject(expected);
	});

	it.each(["", "a.test", "ws:/a", "ws://", "ws://a b/", "ws://u@a/", "ws://a:70000/", "ws://a/#x", "ftp://a/"])(
		"says what is wrong with %s",
		(text) => {
			expect(readUrl(text)).toEqual(expect.any(String));
		},
	);
});

describe("readHeader", () => {
	it("takes what a request can have, and nothing that would be another header", () => {
		expect(readHeader("Origin: https://a.test")).toEqual(["Origin", "https://a.test"]);
		expect(readHeader("X:")).toEqual(["X", ""]);
		for (const text of ["no colon", ": x", "A b: c", "A: b\r\nC: d", "A: b\nC: d", "A: \0", "A: \u{1f600}"]) {
			expect(readHeader(text), text).toEqual(expect.any(String));
		}
	});
});

describe("parseRequest", () => {
	const question = readUrl("ws://a.test:8080/ws?x=1");
	if (typeof question === "string") throw new Error(question);
	const arrival = { remoteAddress: "192.0.2.1", localPort: 8080, encrypted: false, maxHeaderSize: 1024 };

	it("reads a handshake as a listener would", async () => {
		const head = requestHead(question, {
			headers: [
				["cookie", "a=b"],
				["host", "b.test"],
			],
			subprotocols: ["x", "y"],
		});
		const arrived = await parseRequest({ ...arrival, head });
		expect(arrived).toMatchObject({
			websocket: true,
			message: {
				method: "GET",
				url: "/ws?x=1",
				headers: { host: "b.test", cookie: "a=b", "sec-websocket-protocol": "x, y" },
			},
			socket: { remoteAddress: "192.0.2.1", localPort: 8080 },
		});
	});

	it("says when Node would not take it", async () => {
		const head = requestHead(question, { headers: [["x", "y".repeat(2000)]], subprotocols: [] });
		expect(await parseRequest({ ...arrival, head })).toBe("the request head is larger than max_header_size");
		expect(await parseRequest({ ...arrival, head: "GET / HTTP/1.1\r\nHost: a\r\nbad header: \u0001\r\n\r\n" })).toMatch(
			/Parse Error/,
		);
	});
});

describe("chooseListener", () => {
	const { config } = loadConfig(
		`
listeners:
  - { name: plain, address: ":8080" }
  - { name: other, address: "127.0.0.1:8081" }
upstreams: { chat: { endpoints: ["ws://a:1"] } }
routes: [{ upstream: chat }]
`,
		"test.yaml",
		{},
	);
	const listeners = config?.listeners ?? [];

	it("goes by the port, then by what speaks the URL's language, and says what it assumed", () => {
		expect(chooseListener(listeners, { secure: false, port: 8081 })).toEqual({ listener: listeners[1] });
		expect(chooseListener(listeners, { secure: false, port: 80 })).toEqual({
			listener: listeners[0],
			note: "no listener has port 80; assumed that something in front passes it on to :8080",
		});
		expect(chooseListener(listeners, { secure: true, port: 443 })).toEqual({
			listener: listeners[0],
			note: "no listener has port 443; assumed that something in front passes it on to :8080, and that TLS ends there",
		});
		expect(chooseListener(listeners, { secure: true, port: 8080 })).toContain("has no TLS");
		expect(chooseListener(listeners, { secure: true, port: 443 }, "other")).toEqual({ listener: listeners[1] });
		expect(chooseListener(listeners, { secure: true, port: 443 }, "x")).toBe(
			"there is no listener x; there are plain, other",
		);
	});
});
