import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import {
	applyHeaderRules,
	backendRequestHead,
	clientAnswerHead,
	compileHeaderRules,
	forwardedHeaders,
	headerRulesOptions,
	stripHopByHop,
} from "../../../src/protocol/headers.ts";
import type { GatewayRequest } from "../../../src/protocol/request.ts";

/** A request with these raw headers, from an untrusted client at 203.0.113.7 over TLS on port 8443. */
function request(rawHeaders: string[], facts: Partial<GatewayRequest> = {}): GatewayRequest {
	const headers: Record<string, string> = {};
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const name = (rawHeaders[i] as string).toLowerCase();
		headers[name] =
			headers[name] === undefined ? (rawHeaders[i + 1] as string) : `${headers[name]}, ${rawHeaders[i + 1]}`;
	}
	return {
		method: "GET",
		httpVersion: "1.1",
		path: "/ws",
		matchPath: "/ws",
		query: undefined,
		rawHeaders,
		headers,
		authority: headers.host ?? "",
		host: "chat.example.com",
		subprotocols: [],
		clientIp: "203.0.113.7",
		peerIp: "203.0.113.7",
		secure: true,
		port: 8443,
		trustedPeer: false,
		listener: "public",
		websocket: true,
		...facts,
	};
}

const behindProxy = { trustedPeer: true, peerIp: "10.0.0.1", clientIp: "203.0.113.7" };

/** The lines of a head as name and value pairs, without its first line. */
function fields(head: string): [string, string][] {
	expect(head.endsWith("\r\n\r\n")).toBe(true);
	return head
		.slice(0, -4)
		.split("\r\n")
		.slice(1)
		.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]);
}

function values(head: string, name: string): string[] {
	return fields(head)
		.filter(([each]) => each.toLowerCase() === name)
		.map(([, value]) => value);
}

function headOf(rawHeaders: string[], options: Partial<Parameters<typeof backendRequestHead>[0]> = {}): string {
	return backendRequestHead({
		request: request(rawHeaders),
		target: "/ws?room=1",
		host: "chat.example.com",
		connectionId: "id-1",
		...options,
	});
}

describe("stripping hop-by-hop headers", () => {
	it("keeps the order and case of what remains", () => {
		expect(stripHopByHop(["X-b", "1", "Keep-Alive", "timeout=5", "x-A", "2", "X-b", "3"])).toEqual([
			...["X-b", "1"],
			...["x-A", "2"],
			...["X-b", "3"],
		]);
	});

	it.each([
		"Connection",
		"Proxy-Connection",
		"Keep-Alive",
		"TE",
		"Trailer",
		"Transfer-Encoding",
		"Upgrade",
		"Proxy-Authenticate",
		"Proxy-Authorization",
	])("removes %s in any case", (name) => {
		expect(stripHopByHop([name, "a", name.toUpperCase(), "b", name.toLowerCase(), "c", "Other", "d"])).toEqual([
			"Other",
			"d",
		]);
	});

	it("removes every header that any Connection header nominates, whatever stands first", () => {
		expect(
			stripHopByHop([
				"X-Secret",
				"1",
				"Connection",
				"close, x-SECRET",
				"connection",
				"\tX-Other ,",
				"x-other",
				"2",
				"Z",
				"3",
			]),
		).toEqual(["Z", "3"]);
	});

	it("does not let a nomination take the handshake's own headers out", () => {
		const raw = ["Connection", "Upgrade, Sec-WebSocket-Key, Sec-WebSocket-Version", "Sec-WebSocket-Key", "k"];
		expect(stripHopByHop(raw)).toEqual(["Sec-WebSocket-Key", "k"]);
	});

	it("does not change the list it was given", () => {
		const raw = Object.freeze(["Connection", "close", "A", "b"]) as string[];
		expect(stripHopByHop(raw)).toEqual(["A", "b"]);
	});
});

describe("forwarding headers", () => {
	it("replaces everything a stranger says about itself", () => {
		const head = headOf([
			...["Host", "chat.example.com"],
			...["X-Forwarded-For", "1.1.1.1"],
			...["x-forwarded-proto", "http"],
			...["X-Forwarded-Host", "evil.example"],
			...["X-Forwarded-Port", "1"],
			...["X-Forwarded-Prefix", "/admin"],
			...["X-Real-IP", "1.1.1.1"],
			...["X-Request-Id", "mine"],
			...["Forwarded", "for=1.1.1.1"],
		]);
		expect(fields(head)).toEqual([
			["Host", "chat.example.com"],
			["X-Forwarded-For", "203.0.113.7"],
			["X-Forwarded-Proto", "https"],
			["X-Forwarded-Host", "chat.example.com"],
			["X-Forwarded-Port", "8443"],
			["X-Real-IP", "203.0.113.7"],
			["X-Request-Id", "id-1"],
			["Connection", "Upgrade"],
			["Upgrade", "websocket"],
		]);
	});

	it("takes names with underscores for the same names, as CGI-like backends do", () => {
		const head = headOf(["X_Forwarded_For", "1.1.1.1", "x_user", "root", "My_Header", "kept"], {
			keepUnderscores: true,
			reserved: new Set(["x-user"]),
		});
		expect(values(head, "x_forwarded_for")).toEqual([]);
		expect(values(head, "x_user")).toEqual([]);
		expect(values(head, "my_header")).toEqual(["kept"]);
	});

	it("adds the peer to what a trusted proxy sent and keeps its host and request id", () => {
		const raw = [
			...["X-Forwarded-For", "203.0.113.7, 10.0.0.9"],
			...["X-Forwarded-Host", "public.example"],
			...["X-Request-Id", "abc"],
			...["X-Forwarded-Prefix", "/app"],
		];
		const head = headOf(raw, { request: request(raw, behindProxy) });
		expect(values(head, "x-forwarded-for")).toEqual(["203.0.113.7, 10.0.0.9, 10.0.0.1"]);
		expect(values(head, "x-forwarded-host")).toEqual(["public.example"]);
		expect(values(head, "x-request-id")).toEqual(["abc"]);
		expect(values(head, "x-forwarded-prefix")).toEqual(["/app"]);
		expect(values(head, "x-real-ip")).toEqual(["203.0.113.7"]);
	});

	it("says http or https, never ws", () => {
		expect(forwardedHeaders(request([], { secure: false }), "id")).toContain("http");
		expect(forwardedHeaders(request([], { secure: true }), "id")).toContain("https");
	});

	it("names the client that another header told in X-Forwarded-For, and passes on only what that header vouches for", () => {
		const raw = ["Host", "chat.example.com", "Forwarded", "for=203.0.113.7"];
		raw.push("X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test");
		const list = forwardedHeaders(request(raw, { ...behindProxy, clientIpHeader: "forwarded" }), "id");
		expect(list[list.indexOf("X-Forwarded-Host") + 1]).toBe("chat.example.com");
		const head = headOf([...raw, "X-Forwarded-Prefix", "/x"], {
			request: request([...raw, "X-Forwarded-Prefix", "/x"], { ...behindProxy, clientIpHeader: "forwarded" }),
		});
		expect(values(head, "x-forwarded-prefix")).toEqual([]);
		expect(values(headOf(raw, { request: request(raw, behindProxy) }), "forwarded")).toEqual([]);
		const stranger = ["CF-Connecting-IP", "6.6.6.6"];
		const facts = { clientIpHeader: "cf-connecting-ip" };
		expect(values(headOf(stranger, { request: request(stranger, facts) }), "cf-connecting-ip")).toEqual([]);
		const peer = { ...facts, ...behindProxy };
		expect(values(headOf(stranger, { request: request(stranger, peer) }), "cf-connecting-ip")).toEqual(["6.6.6.6"]);
		expect(list[list.indexOf("X-Forwarded-For") + 1]).toBe("203.0.113.7, 10.0.0.1");
	});

	it("writes Forwarded only when asked, or when a trusted peer sent one", () => {
		expect(forwardedHeaders(request(["Forwarded", "for=1.1.1.1"]), "id")).not.toContain("Forwarded");
		const asked = forwardedHeaders(request(["Host", "a.example:8443"], { clientIp: "2001:db8::1" }), "id", true);
		expect(asked.at(-1)).toBe('for="[2001:db8::1]";host="a.example:8443";proto=https');
		const appended = forwardedHeaders(
			request(["Forwarded", "for=203.0.113.7", "Host", "a.example"], { ...behindProxy, clientIpHeader: "forwarded" }),
			"id",
		);
		expect(appended.at(-1)).toBe("for=203.0.113.7, for=10.0.0.1;host=a.example;proto=https");
	});

	it("leaves out what a unix socket does not have", () => {
		const list = forwardedHeaders(request([], { clientIp: "", peerIp: "", port: 0 }), "id");
		expect(list).toEqual(["X-Forwarded-Proto", "https", "X-Request-Id", "id"]);
	});
});

describe("the opening handshake for a backend", () => {
	it("has Host first, then the client's headers in order and case, then the gateway's", () => {
		const head = headOf([
			...["Sec-WebSocket-Version", "13"],
			...["host", "chat.example.com"],
			...["sec-websocket-KEY", "dGhlIHNhbXBsZSBub25jZQ=="],
			...["Upgrade", "websocket"],
			...["Connection", "keep-alive, Upgrade"],
			...["Sec-WebSocket-Protocol", "chat.v2, x"],
			...["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
			...["Cookie", "a=1"],
		]);
		expect(head.startsWith("GET /ws?room=1 HTTP/1.1\r\nHost: chat.example.com\r\n")).toBe(true);
		expect(fields(head).map(([name]) => name)).toEqual([
			"Host",
			"Sec-WebSocket-Version",
			"sec-websocket-KEY",
			"Sec-WebSocket-Protocol",
			"Sec-WebSocket-Extensions",
			"Cookie",
			"X-Forwarded-For",
			"X-Forwarded-Proto",
			"X-Forwarded-Host",
			"X-Forwarded-Port",
			"X-Real-IP",
			"X-Request-Id",
			"Connection",
			"Upgrade",
		]);
		expect(values(head, "sec-websocket-extensions")).toEqual(["permessage-deflate; client_max_window_bits"]);
	});

	it("keeps its own headers when the client nominates them", () => {
		const head = headOf(
			[
				...["Host", "chat.example.com"],
				...["Connection", "Upgrade, Host, X-Forwarded-For, X-Real-IP, X-User, Upgrade, Connection"],
			],
			{ checkHeaders: ["X-User", "ann"] },
		);
		expect(values(head, "host")).toEqual(["chat.example.com"]);
		expect(values(head, "x-forwarded-for")).toEqual(["203.0.113.7"]);
		expect(values(head, "x-real-ip")).toEqual(["203.0.113.7"]);
		expect(values(head, "x-user")).toEqual(["ann"]);
		expect(values(head, "connection")).toEqual(["Upgrade"]);
	});

	it("never has a body's framing", () => {
		const head = headOf(["Content-Length", "0", "Transfer-Encoding", "chunked", "Expect", "100-continue"]);
		expect(fields(head).map(([name]) => name.toLowerCase())).not.toContain("content-length");
		expect(head.toLowerCase()).not.toMatch(/transfer-encoding|expect/);
	});

	it("replaces a header that a check sets, and removes a reserved one that no check set", () => {
		const raw = ["X-User", "root", "x-user", "admin", "X-Role", "boss"];
		const head = headOf(raw, { checkHeaders: ["X-User", "ann"], reserved: new Set(["x-user", "x-role"]) });
		expect(values(head, "x-user")).toEqual(["ann"]);
		expect(values(head, "x-role")).toEqual([]);
	});

	it("refuses a check's header that would split the head", () => {
		expect(() => headOf([], { checkHeaders: ["X-User", "a\r\nX-Admin: 1"] })).toThrow(GatewayError);
	});

	it("does not let a check write the message framing", () => {
		expect(headOf([], { checkHeaders: ["Content-Length", "5", "Transfer-Encoding", "chunked"] })).not.toMatch(
			/chunked|: 5/,
		);
	});

	it("lets the route's rules change the forwarding headers", () => {
		const rules = compileHeaderRules({ set: { "X-Forwarded-Proto": "http" }, remove: ["X-Real-IP"] });
		const head = headOf([], { rules });
		expect(values(head, "x-forwarded-proto")).toEqual(["http"]);
		expect(values(head, "x-real-ip")).toEqual([]);
	});

	it.each(["/a b", "/a\r\nX: 1", "/\u010d", "/\u010a", "", "/\x7f", "/\0"])("refuses the target %j", (target) => {
		expect(() => headOf([], { target })).toThrow(expect.objectContaining({ code: "BAD_TARGET" }));
	});

	it("refuses a Host that would split the head", () => {
		expect(() => headOf([], { host: "a\r\nX: 1" })).toThrow(expect.objectContaining({ code: "BAD_TARGET" }));
	});
});

describe("the 101 for a client", () => {
	it("has Connection and Upgrade once, then the backend's end-to-end headers", () => {
		const head = clientAnswerHead(101, "Switching Protocols", [
			...["upgrade", "WebSocket"],
			...["Connection", "keep-alive, Upgrade, X-Internal"],
			...["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
			...["X-Internal", "1"],
			...["Content-Length", "0"],
			...["Set-Cookie", "a=1"],
			...["Set-Cookie", "b=2"],
		]);
		expect(head).toBe(
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
		);
	});

	it("applies the route's rules and adds what the gateway sends", () => {
		const rules = compileHeaderRules({ set: { "X-Via": "gw" }, remove: ["Server"] });
		const head = clientAnswerHead(101, "", ["Server", "x", "A", "b"], rules, ["Set-Cookie", "sticky=1"]);
		expect(fields(head).slice(2)).toEqual([
			["A", "b"],
			["X-Via", "gw"],
			["Set-Cookie", "sticky=1"],
		]);
	});
});

describe("header rules", () => {
	it("replace every occurrence at the place of the first, add what was not there, remove the rest", () => {
		const rules = compileHeaderRules({ set: { "X-A": "new", "X-New": "1" }, remove: ["Cookie"] });
		expect(applyHeaderRules(["x-a", "1", "B", "2", "X-A", "3", "cookie", "c", "COOKIE", "d"], rules)).toEqual([
			...["X-A", "new"],
			...["B", "2"],
			...["X-New", "1"],
		]);
	});

	it("cost nothing when there are none", () => {
		const raw = ["A", "b"];
		expect(compileHeaderRules({ set: {}, remove: [] })).toBeUndefined();
		expect(applyHeaderRules(raw, undefined)).toBe(raw);
		const added = compileHeaderRules({ set: {}, add: { "X-A": ["2", "3"], Vary: ["é"] }, remove: ["x-b"] });
		expect(applyHeaderRules(["x-a", "1", "X-B", "2"], added)).toEqual([
			...["x-a", "1", "X-A", "2", "X-A", "3"],
			...["Vary", "Ã©"],
		]);
	});

	it("send text beyond ASCII as UTF-8", () => {
		const rules = compileHeaderRules({ set: { "X-Name": "Ĉu ŝi" }, remove: [] });
		const value = applyHeaderRules([], rules)[1] as string;
		expect(Buffer.from(value, "latin1").toString("utf8")).toBe("Ĉu ŝi");
	});

	it.each([
		["Host", /use rewrite\.host/],
		["connection", /cannot be changed/],
		["Upgrade", /cannot be changed/],
		["Sec-WebSocket-Key", /opening handshake/],
		["Sec-WebSocket-Version", /opening handshake/],
		["Sec-WebSocket-Accept", /opening handshake/],
		["sec-websocket-extensions", /opening handshake/],
		["Content-Length", /cannot be changed/],
		["Transfer-Encoding", /cannot be changed/],
		["Bad Name", /letters, digits and hyphens/],
		["", /letters, digits and hyphens/],
	])("cannot set or remove %j", (name, message) => {
		// Zod wraps what is wrong with a key of a record.
		const wrong = (input: object) =>
			headerRulesOptions
				.safeParse(input)
				.error?.issues.flatMap((issue) => (issue.code === "invalid_key" ? [issue, ...issue.issues] : [issue]))
				.map((issue) => issue.message)
				.join("; ");
		expect(wrong({ set: { [name]: "x" } })).toMatch(message);
		expect(JSON.stringify(headerRulesOptions.safeParse({ remove: [name] }).error?.issues)).toMatch(message);
	});

	it.each(["a\r\nb", "a\nb", "\0", "\x7f"])("cannot hold the value %j", (value) => {
		expect(headerRulesOptions.safeParse({ set: { "X-A": value } }).success).toBe(false);
	});

	it("cannot set and remove the same header, nor have unknown keys", () => {
		expect(headerRulesOptions.safeParse({ set: { "X-A": "1" }, remove: ["x-a"] }).success).toBe(false);
		expect(headerRulesOptions.safeParse({ append: {} }).success).toBe(false);
		expect(headerRulesOptions.parse({})).toEqual({ set: {}, remove: [] });
	});
});

it("no client header whatever adds a line to the backend's head or strips one of the gateway's", () => {
	const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
	const name = fc.oneof(token, fc.constantFrom("Connection", "host", "Upgrade", "X-Forwarded-For", "TE", "Forwarded"));
	const value = fc.oneof(
		fc.stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,20}$/),
		fc.constantFrom("Host, X-Forwarded-For", "upgrade, connection", "X-Request-Id"),
	);
	fc.assert(
		fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (pairs) => {
			const head = headOf(pairs.flat());
			const lines = fields(head);
			expect(lines.length).toBeLessThanOrEqual(pairs.length + 9);
			for (const [own, count] of [
				["host", 1],
				["connection", 1],
				["upgrade", 1],
				["x-forwarded-for", 1],
				["x-request-id", 1],
				["content-length", 0],
				["forwarded", 0],
			] as const) {
				expect(values(head, own)).toHaveLength(count);
			}
		}),
	);
});
