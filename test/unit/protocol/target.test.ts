import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTarget, splitAbsolute, splitHost } from "../../../src/protocol/target.ts";
import { processorTime } from "../../harness/clock.ts";

describe("splitAbsolute", () => {
	it.each([
		["http://a.example/x?y#z", "a.example", "/x?y#z"],
		["WSS://a.example:8443", "a.example:8443", "/"],
		["ws://[::1]:80?q", "[::1]:80", "/?q"],
		["https://u:p@a.example//x", "u:p@a.example", "//x"],
	])("takes %s apart", (text, authority, target) => {
		expect(splitAbsolute(text)).toEqual({ authority, target });
	});

	it.each(["/x", "*", "", "ftp://a/x", "http:///x", "http:/a/x", "a.example:443", " http://a/x"])(
		"leaves %j alone",
		(text) => {
			expect(splitAbsolute(text)).toBeUndefined();
		},
	);
});

describe("parseTarget", () => {
	it.each([
		["/", "/", undefined],
		["/ws/room", "/ws/room", undefined],
		["/ws?a=1&b=%zz", "/ws", "a=1&b=%zz"],
		["/ws?", "/ws", ""],
		["/ws?a=/../x?y", "/ws", "a=/../x?y"],
		["/.well-known/x", "/.well-known/x", undefined],
		["/a.b/.c", "/a.b/.c", undefined],
		["/x{y}|z^", "/x{y}|z^", undefined],
	])("leaves %s as it is", (target, path, query) => {
		expect(parseTarget(target)).toEqual({ path, matchPath: path, query });
	});

	it.each([
		["/%61dmin", "/admin"],
		["//admin", "/admin"],
		["///a////b//", "/a/b/"],
		["/%2D%2E%5F%7ex", "/-._~x"],
		["/caf%c3%a9", "/caf%C3%A9"],
		["/%40x/%3a%2c", "/@x/:,"],
		["/caf\xe9", "/caf%E9"],
		["/%252e%252e/x", "/%252e%252e/x"],
		["/a%0d%0ab", "/a%0D%0Ab"],
	])("matches %s as %s and forwards the bytes as sent", (target, matchPath) => {
		expect(parseTarget(target)).toEqual({ path: target, matchPath, query: undefined });
	});

	it.each([
		["/a%2fb", "/a/b", ["/a%2Fb"]],
		["/a%2F%2fb", "/a/b", ["/a%2F%2Fb"]],
		["/a%5cb", "/a\\b", ["/a/b", "/a%5Cb"]],
		["/a;v=1/b", "/a;v=1/b", ["/a/b"]],
		["/a%3bv=1/b", "/a;v=1/b", ["/a/b"]],
		["/;/a", "/;/a", ["/a"]],
		["/a./b%20%09/x.%2e", "/a./b%20%09/x..", ["/a/b/x"]],
		["/a%3fb", "/a%3Fb", ["/a"]],
		["/a%2f;b%23c", "/a/;b%23c", ["/a/", "/a/;b", "/a%2F;b%23c", "/a%2F"]],
	])("knows how else servers may read %s", (target, matchPath, readings) => {
		const result = parseTarget(target);
		expect([result?.path, result?.matchPath]).toEqual([target, matchPath]);
		expect(result?.otherReadings).toEqual(expect.arrayContaining(readings));
	});

	it("reads a long path of dots and blanks in time that grows with its length only", () => {
		expect(processorTime(() => void parseTarget(`/a./${"%20.".repeat(4_000)}x`))).toBeLessThan(500);
	});

	it.each([
		["empty", ""],
		["absolute-form", "http://evil.example/x"],
		["absolute-form of a WebSocket", "ws://evil.example/"],
		["authority-form", "evil.example:443"],
		["asterisk-form", "*"],
		["a query alone", "?x"],
		["a backslash", "/a\\b"],
		["a backslash first", "\\evil\\x"],
		["a backslash as the second slash", "/\\evil/x"],
		["NUL", "/a\0b"],
		["encoded NUL", "/a%00b"],
		["CR", "/a\rb"],
		["LF", "/a\nb"],
		["CR and LF in the query", "/a?b\r\nX: y"],
		["tab", "/a\tb"],
		["space", "/a b"],
		["a fragment", "/a#b"],
		["a fragment in the query", "/a?b#c"],
		["DEL", "/a\x7f"],
		["a character beyond Latin-1", "/\u{1f600}"],
		["malformed percent-encoding", "/a%zz"],
		["half a percent-encoding", "/a%4"],
		["a percent sign at the end", "/a%"],
	])("refuses %s", (_name, target) => {
		expect(parseTarget(target)).toBeUndefined();
	});

	it.each([
		"/..",
		"/.",
		"/../",
		"/./x",
		"/a/../b",
		"/a/.",
		"/a/..?q",
		"/a/%2e%2E/b",
		"/a/.%2e/b",
		"/a/%2e/b",
		"/a%2f..%2fb",
		"/a%2F../b",
		"/a/..%2fb",
		"/a%5c..%5cb",
		"/a/..%5Cb",
		"//../x",
		"/ws/..;/admin",
		"/ws/..;v=1/admin",
		"/ws/%2e%2e%3b/admin",
		"/ws/.;x",
	])("refuses the dot segment in %s", (target) => {
		expect(parseTarget(target)).toBeUndefined();
	});

	const pieces = fc.constantFrom(
		"/",
		"//",
		".",
		"..",
		"%2e",
		"%2F",
		"%5c",
		"%61",
		"a",
		"%",
		";",
		"ws",
		"~",
		"%7e",
		"\\",
	);
	const target = fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join("")}`);

	it("never lets a dot segment through, however its dots and separators are written", () => {
		fc.assert(
			fc.property(target, (text) => {
				const result = parseTarget(text);
				if (!result) return;
				const decoded = result.path.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
				const segments = decoded.split(/[/\\]/).map((segment) => segment.split(";")[0]);
				expect(segments).not.toContain(".");
				expect(segments).not.toContain("..");
			}),
			{ numRuns: 3000 },
		);
	});

	it("forwards the bytes that came, and its matchPath is a fixed point without double slashes", () => {
		fc.assert(
			fc.property(target, fc.option(fc.constantFrom("", "a=b", "x?y//../")), (path, query) => {
				const text = query === null ? path : `${path}?${query}`;
				const result = parseTarget(text);
				if (!result) return;
				expect(result.query === undefined ? result.path : `${result.path}?${result.query}`).toBe(text);
				expect(result.matchPath).not.toContain("//");
				// An encoded backslash is decoded for matching; as it stands there nobody may send one.
				if (!result.matchPath.includes("\\")) expect(parseTarget(result.matchPath)?.matchPath).toBe(result.matchPath);
			}),
			{ numRuns: 2000 },
		);
	});

	it("agrees with a URL parser on every plain path that it takes", () => {
		fc.assert(
			fc.property(fc.array(fc.stringMatching(/^[a-z0-9._~%;=-]{1,8}$/), { minLength: 1 }), (segments) => {
				const text = `/${segments.join("/")}`;
				const result = parseTarget(text);
				if (result) expect(new URL(text, "http://x").pathname).toBe(text);
			}),
		);
	});

	it("takes time in proportion to the length of a hostile target", () => {
		const took = processorTime(() => {
			for (const piece of ["/", "/.a", "%2e", "%2f", "..%2f%2", "%", ";"]) parseTarget(`/${piece.repeat(100_000)}`);
		});
		expect(took).toBeLessThan(2_000);
	});
});

describe("splitHost", () => {
	it.each([
		["Example.COM", { host: "example.com" }],
		["example.com.", { host: "example.com" }],
		["example.com.:8080", { host: "example.com", port: 8080 }],
		["example.com:", { host: "example.com" }],
		["localhost:80", { host: "localhost", port: 80 }],
		["my_service-1", { host: "my_service-1" }],
		["127.0.0.1:9", { host: "127.0.0.1", port: 9 }],
		["[::1]", { host: "::1" }],
		["[2001:DB8::1]:443", { host: "2001:db8::1", port: 443 }],
		["[::ffff:10.0.0.1]:1", { host: "::ffff:10.0.0.1", port: 1 }],
	])("splits %s", (authority, parts) => {
		expect(splitHost(authority)).toEqual(parts);
	});

	it.each([
		"",
		".",
		":80",
		"a..b",
		".a",
		"a b",
		"a/b",
		"a\\b",
		"user@host",
		"a,b",
		"a%41",
		"a\0b",
		"a\r\nb",
		"a\n",
		"caf\xe9.example",
		"::1",
		"[::1",
		"[::1]x",
		"[1.2.3.4]",
		"[:::]",
		"[::1%eth0]",
		"a:b",
		"a:99999",
		"a:123456",
		"a:-1",
		"a:80:80",
		"*.example.com",
		"a".repeat(300),
	])("refuses %j", (authority) => {
		expect(splitHost(authority)).toBeUndefined();
	});
});
