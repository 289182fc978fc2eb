import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import {
	checkHandshake,
	countHeader,
	type HandshakeHead,
	hasToken,
	offeredSubprotocols,
	wantsWebSocket,
} from "../../../src/protocol/handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** A correct handshake whose headers are changed; undefined takes one away. */
function head(change: Record<string, string | undefined> = {}, extra: string[] = [], rest = {}): HandshakeHead {
	const all: Record<string, string | undefined> = {
		Host: "example.com",
		Upgrade: "websocket",
		Connection: "Upgrade",
		"Sec-WebSocket-Key": KEY,
		"Sec-WebSocket-Version": "13",
		...change,
	};
	const rawHeaders = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
	rawHeaders.push(...extra);
	const headers: Record<string, string> = {};
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const name = (rawHeaders[i] as string).toLowerCase();
		const value = rawHeaders[i + 1] as string;
		// As Node does it: the first Host counts, other repeated ones are joined.
		if (headers[name] === undefined) headers[name] = value;
		else if (name !== "host") headers[name] += `, ${value}`;
	}
	return { method: "GET", httpVersion: "1.1", headers, rawHeaders, ...rest };
}

function refusal(handshake: HandshakeHead): GatewayError {
	try {
		checkHandshake(handshake);
	} catch (error) {
		if (error instanceof GatewayError) return error;
		throw error;
	}
	throw new Error("it was taken");
}

describe("checkHandshake", () => {
	it("takes a correct one and gives its key and subprotocols in the client's order", () => {
		expect(checkHandshake(head())).toEqual({ key: KEY, subprotocols: [], draft: false });
		expect(checkHandshake(head({ "Sec-WebSocket-Protocol": "b, a" })).subprotocols).toEqual(["b", "a"]);
		for (const empty of ["", " ", ",", " , "]) {
			expect(checkHandshake(head({ "Sec-WebSocket-Protocol": empty })).subprotocols).toEqual([]);
		}
		expect(checkHandshake(head({ "Sec-WebSocket-Protocol": ",b,, a," })).subprotocols).toEqual(["b", "a"]);
		expect(checkHandshake(head({ "Sec-WebSocket-Version": "13, 13" })).key).toBe(KEY);
	});

	it.each([
		["Connection in any case and place", { Connection: "keep-alive, uPGRADE" }],
		["Content-Length: 0", { "Content-Length": "0" }],
		["Content-Length: 000", { "Content-Length": "000" }],
		["an empty Host", { Host: "" }],
	])("takes %s", (_, change) => {
		expect(checkHandshake(head(change)).key).toBe(KEY);
	});

	it.each<[string, HandshakeHead]>([
		["HTTP/1.0", head({}, [], { httpVersion: "1.0" })],
		["HTTP/2.0", head({}, [], { httpVersion: "2.0" })],
		["no Host", head({ Host: undefined })],
		["two Hosts", head({}, ["host", "b"])],
		["no Connection", head({ Connection: undefined })],
		["Connection: close", head({ Connection: "close" })],
		["Connection: upgrade-insecure", head({ Connection: "upgrade-insecure" })],
		["a body by Content-Length", head({ "Content-Length": "1" })],
		["a Content-Length that is no number", head({ "Content-Length": "0x0" })],
		["an empty Content-Length", head({ "Content-Length": "" })],
		["a body by Transfer-Encoding", head({ "Transfer-Encoding": "chunked" })],
		["an empty Transfer-Encoding", head({ "Transfer-Encoding": "" })],
		["no key", head({ "Sec-WebSocket-Key": undefined })],
		["an empty key", head({ "Sec-WebSocket-Key": "" })],
		["two keys", head({}, ["sec-websocket-key", KEY])],
		["a short key", head({ "Sec-WebSocket-Key": "AAAA" })],
		["a long key", head({ "Sec-WebSocket-Key": `A${KEY}` })],
		["base64url", head({ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25-_w==" })],
		["a key without padding", head({ "Sec-WebSocket-Key": KEY.slice(0, 22) })],
		["a key with a line break behind it", head({ "Sec-WebSocket-Key": `${KEY}\n` })],
		["a subprotocol with a blank", head({ "Sec-WebSocket-Protocol": "a b" })],
		["a subprotocol in quotes", head({ "Sec-WebSocket-Protocol": '"a"' })],
	])("refuses %s with BAD_HANDSHAKE", (_, handshake) => {
		const error = refusal(handshake);
		expect([error.code, error.status]).toEqual(["BAD_HANDSHAKE", 400]);
		expect(error.hint).toMatch(/^[^\n]{10,}$/);
	});

	it.each(["POST", "HEAD", "CONNECT", "get", undefined])(
		"refuses the method %s with 405 and says Allow: GET",
		(method) => {
			expect(refusal(head({}, [], { method }))).toMatchObject({ status: 405, headers: { Allow: "GET" } });
		},
	);

	it.each([undefined, "", "8", "12", "14", "013", "13, 8", " 13"])(
		"refuses version %s with 426 and says 13",
		(version) => {
			const error = refusal(head({ "Sec-WebSocket-Version": version }));
			expect(error).toMatchObject({ code: "BAD_VERSION", status: 426, headers: { "Sec-WebSocket-Version": "13" } });
		},
	);

	it("never tells the client what it sent", () => {
		fc.assert(
			fc.property(
				fc.string({ minLength: 4 }),
				fc.constantFrom("Sec-WebSocket-Key", "Connection", "Sec-WebSocket-Protocol"),
				(text, name) => {
					const value = `secret-${text}`;
					const handshake = head({ [name]: value });
					try {
						checkHandshake(handshake);
					} catch (error) {
						expect((error as GatewayError).hint).not.toContain("secret-");
					}
				},
			),
		);
	});

	it("throws nothing but GatewayErrors, whatever stands in the headers", () => {
		fc.assert(
			fc.property(
				fc.dictionary(
					fc.constantFrom("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"),
					fc.string(),
				),
				(change) => {
					try {
						checkHandshake(head(change));
					} catch (error) {
						expect(error).toBeInstanceOf(GatewayError);
					}
				},
			),
		);
	});
});

describe("hasToken", () => {
	it.each([
		["upgrade", true],
		["Upgrade", true],
		["keep-alive, Upgrade", true],
		[" keep-alive ,\tUPGRADE ", true],
		["upgrades", false],
		["not upgrade", false],
		["", false],
		[undefined, false],
	])("in %s: %s", (header, found) => {
		expect(hasToken(header, "upgrade")).toBe(found);
	});
});

describe("wantsWebSocket", () => {
	it.each([
		["websocket", true],
		["WebSocket", true],
		["h2c, websocket", true],
		["h2c", false],
		["websocket/13", false],
		[undefined, false],
	])("Upgrade: %s: %s", (upgrade, wanted) => {
		expect(wantsWebSocket({ upgrade })).toBe(wanted);
	});
});

describe("offeredSubprotocols", () => {
	it("splits any list of tokens, blanks around the commas or not", () => {
		const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/);
		fc.assert(
			fc.property(fc.array(token, { minLength: 1 }), fc.constantFrom(",", ", ", " ,\t"), (tokens, comma) => {
				expect(offeredSubprotocols(tokens.join(comma))).toEqual(tokens);
			}),
		);
		expect(offeredSubprotocols(undefined)).toEqual([]);
	});
});

describe("countHeader", () => {
	it("counts names in any case and never values", () => {
		expect(countHeader(["Host", "a", "HOST", "b", "X", "host"], "host")).toBe(2);
		expect(countHeader([], "host")).toBe(0);
	});
});
