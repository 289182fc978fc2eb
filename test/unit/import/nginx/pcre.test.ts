import { describe, expect, it } from "vitest";
import { matchesPattern, translatePattern } from "../../../../src/import/nginx/patterns.ts";
import { patternProblem } from "../../../../src/protocol/regex.ts";
import { imported, server } from "./import.fixtures.ts";

describe("a pattern of nginx", () => {
	it.each([
		["^/rooms/\\d+/[^/]+\\.(js|css)$", "^/rooms/\\d+/[^/]+\\.(js|css)$"],
		["\\Q.git\\E", "\\.git"],
		["^/\\x{61}\\x62\\o{143}\\0144$", "^/abc%0C4$"],
		["^/\\N+$", "^/.+$"],
		["[]a]", "(?:[\\]a]|%5D)"],
		["[^]/]+x", "(?:[^%/\\]]|(?!%5D)%[0-9A-F][0-9A-F])+x"],
		["[[:xdigit:]]{2}", "[0-9A-Fa-f]{2}"],
		["[[:^digit:]a]", "(?:[^%0-9]|%[0-9A-F][0-9A-F])"],
		["\\A/a\\z", "^/a$"],
		["(?x) ^/a # the start\n b", "^/ab"],
		["^/(?i:ab)c", "^/(?:[Aa][Bb])c"],
		["^/(?i)a|b", "^/[Aa]|[Bb]"],
		["a\\Kb", "ab"],
		["(?P<n>a)(?'m'b)", "(?<n>a)(?<m>b)"],
		["^/a b@$", "^/a%20b(?:@|%40)$"],
		["^/é", "^/(?:\\xc3|%C3)(?:\\xa9|%A9)"],
		["a++b++$", "a+b+$"],
		["(?U)a+b+?", "a+?b+"],
		["a(?#words)b", "ab"],
		["^/.{3}$", "^/(?:[^%]|(?!%0A)%[0-9A-F][0-9A-F]){3}$"],
	])("%s is %s for a path", (source, expected) => {
		expect(translatePattern(source, false, "path")).toEqual({ pattern: { source: expected, ignoreCase: false } });
	});

	it.each([
		["^[[:alpha:]]\\s$", "^[A-Za-z][\\x09-\\x0d\\x20]$"],
		["é", "\\xc3\\xa9"],
		["^\\p{Lu}\\h", "^[A-Z\\xc0-\\xd6\\xd8-\\xde][\\x09\\x20\\xa0]"],
		["\\bfoo\\B", "\\bfoo\\B"],
	])("%s is %s for a header", (source, expected) => {
		expect(translatePattern(source, false, "header")).toEqual({ pattern: { source: expected, ignoreCase: false } });
	});

	it.each([
		["^/a/(b)\\1", "^/a/", "/a/bb"],
		["^/a/(?R)?", "^/a/", "/a/x"],
		["^/x(?<!y)a", "^/xa", "/xa"],
		["^/(?>a+)b", "^/(?:a+)b", "/aab"],
		["^/a++ab", "^/a+ab", "/aab"],
		["(*SKIP)a", "^", "a"],
		["^/(?!x\\1)y", "^/", "/y"],
		["^/\\bfoo", "^/foo", "/foo"],
		["^/(?!\\bx)y", "^/y", "/y"],
		["(?1)|b", "^", "b"],
		["^/a(?m)b$", "^/a", "/ab"],
		["^/[[.x.]]", "^/", "/x"],
		["^/(a*)*b", "^/", "/b"],
	])("%s has no counterpart, and what it could match is known", (source, wider, text) => {
		const translated = translatePattern(source, false, "path");
		expect(translated).toEqual({
			problem: expect.stringMatching(/.{10}/),
			wider: { source: wider, ignoreCase: false },
		});
		expect(translated.problem !== undefined && matchesPattern(translated.wider, text)).toBe(true);
		expect(patternProblem(wider)).toBeUndefined();
	});
});

describe("a pattern without a counterpart", () => {
	it("closes what it could match, so that a deny never opens", async () => {
		const { config, lines } = await imported(server("location ~ ^/admin/(a|b)\\1 { deny all; }"));
		expect(config.routes.map(({ match, upstream }) => [match.path_regex, upstream])).toEqual([
			[["^/admin/"], "refused"],
			[undefined, "127.0.0.1-9001"],
		]);
		expect(lines.find((line) => line.startsWith("nginx.conf:6: location"))).toContain("backreferences");
	});

	it("closes hosts that it could be about, and rewrites and conditions that it decides", async () => {
		const { config } = await imported(
			`http { server { listen 80; server_name a.test; location / { proxy_pass http://127.0.0.1:1; } }
			server { listen 80; server_name ~^(?<x>.)\\k<x>$; deny all; location / { proxy_pass http://127.0.0.1:2; } } }`,
		);
		expect(config.routes.map(({ match, upstream }) => [match.host, match.headers, upstream])).toEqual([
			[["a.test"], undefined, "127.0.0.1-1"],
			[undefined, { Host: { regex: "(?i)^" } }, "refused"],
			[undefined, undefined, "127.0.0.1-1"],
		]);
		for (const line of [
			"rewrite ^/(a)\\1 /b;",
			'if ($uri ~ "^/(a)\\1") { return 403; }',
			'if ($request_uri ~ "union.*select") { return 403; }',
		]) {
			const closed = await imported(server(`location /x { ${line} proxy_pass http://127.0.0.1:2; }`));
			expect(closed.route("/x (refused)").upstream).toBe("refused");
		}
	});

	it("fits before a newline at the end of what it guards", async () => {
		const { route } = await imported(server("location ~ ^/admin$ { deny 10.0.0.0/8; proxy_pass http://127.0.0.1:2; }"));
		expect(route("~ ^/admin$").match.path_regex).toEqual(["^/admin(?:%0A)?$"]);
	});
});
