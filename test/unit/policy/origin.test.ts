import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { originCheck } from "../../../src/policy/origin.ts";
import { requestFor } from "../routing/request.ts";

function allows(origins: string[], origin: string, authority = "chat.example.com", secure = false): boolean {
	const check = originCheck({ allowed_origins: origins, allow_missing_origin: true, origin_check: ["websocket"] });
	const request = { ...requestFor({ authority, rawHeaders: ["Origin", origin] }), secure };
	try {
		void check?.check({
			request,
			route: "r",
			connectionId: "c",
			user: undefined,
			headers: undefined,
			policy: { reserved: undefined, keepUnderscores: false },
			signal: new AbortController().signal,
		});
		return true;
	} catch {
		return false;
	}
}

describe("same-origin", () => {
	it.each([
		["http://chat.example.com", "chat.example.com", false, true],
		["http://CHAT.example.com", "chat.EXAMPLE.com", false, true],
		["http://chat.example.com:80", "chat.example.com", false, true],
		["http://chat.example.com", "chat.example.com:80", false, true],
		["http://chat.example.com", "chat.example.com.", false, true],
		["https://chat.example.com", "chat.example.com", true, true],
		["https://chat.example.com", "chat.example.com:443", true, true],
		["https://chat.example.com:8443", "chat.example.com:8443", true, true],
		["https://[2001:db8::1]:8443", "[2001:db8::1]:8443", true, true],
		["https://chat.example.com", "chat.example.com", false, true],
		["http://chat.example.com", "chat.example.com", true, true],
		["wss://chat.example.com", "chat.example.com", true, true],
		["ws://chat.example.com:8080", "chat.example.com:8080", false, true],
		["ws://chat.example.com:8081", "chat.example.com:8080", false, false],
		["http://chat.example.com", "chat.example.com:443", false, false],
		["https://chat.example.com", "chat.example.com:80", false, false],
		["https://chat.example.com:444", "chat.example.com", true, false],
		["capacitor://chat.example.com", "chat.example.com", false, false],
		["http://chat.example.com", "", false, false],
	])("page %s, Host %s, TLS %s: %s", (origin, authority, secure, expected) => {
		expect(allows(["same-origin"], origin, authority, secure)).toBe(expected);
	});
});

describe("a list", () => {
	it.each([
		["https://app.example.com", "https://app.example.com", true],
		["https://app.example.com", "https://app.example.com:443", true],
		["https://app.example.com", "https://app.example.com.", false],
		["capacitor://localhost", "capacitor://localhost", true],
		["capacitor://localhost", "ionic://localhost", false],
		["chrome-extension://abcdef", "chrome-extension://abcdef", true],
		["http://localhost:3000", "http://localhost:3000", true],
		["http://localhost:3000", "http://localhost:3001", false],
		["http://localhost:*", "http://localhost:3001", true],
		["http://localhost:*", "http://localhost", true],
		["http://localhost:*", "https://localhost:3001", false],
		["http://localhost:*", "http://localhost.evil.example:3001", false],
		["http://localhost:*", "http://localhost:*", false],
		["http://[::1]:*", "http://[::1]:3001", true],
		["https://*.example.com:*", "https://a.example.com:8443", true],
		["null", "null", true],
		["file://", "file://", true],
		["file://", "file://evil.example", false],
		["app://.", "app://.", true],
		["app://.", "app://x", false],
		["https://*.example.com:8443", "https://a.example.com:8443", true],
		["https://*.example.com:8443", "https://a.example.com", false],
		["https://*.example.com", "https://.example.com", false],
		["https://*.example.com", "https://a.b.example.com", true],
		["https://*.example.com", "https://a.example.com\\.evil.example", false],
		["https://*.example.com", "https://evil.example#.example.com", false],
		["https://*.example.com", "https://evil.example?.example.com", false],
		["https://*.example.com", "https://evil.example/.example.com", false],
		["https://*.example.com", "https://u@a.example.com", false],
	])("%s and page %s: %s", (pattern, origin, expected) => {
		expect(allows([pattern], origin)).toBe(expected);
	});

	it("with a wildcard takes only origins whose host a browser, too, puts below that name", () => {
		const text = fc.string({
			unit: fc.constantFrom(..."ab.:/@#?\\[]*%-_ ", ".example.com", "https://"),
			maxLength: 12,
		});
		fc.assert(
			fc.property(text, (middle) => {
				const origin = `https://${middle}.example.com`;
				if (!allows(["https://*.example.com"], origin)) return;
				const { hostname, protocol } = new URL(origin);
				expect(protocol).toBe("https:");
				expect(hostname.endsWith(".example.com")).toBe(true);
			}),
			{ numRuns: 2_000 },
		);
	});
});
