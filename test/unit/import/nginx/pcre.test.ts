import { describe, expect, it } from "vitest";
import { matchesPattern, translatePattern } from "../../../../src/import/nginx/patterns.ts";
import { patternProblem } from "../../../../src/protocol/regex.ts";
import { parseTarget } from "../../../../src/protocol/target.ts";
import { imported, server } from "./import.fixtures.ts";

describe("a pattern of nginx", () => {
	it.each([
		["^/rooms/\\d+/[^/]+\\.(js|css)$", "^/rooms/\\d+/[^/]+\\.(js|css)$"],
		["\\Q.git\\E", "\\.git"],
		["^/\\x{61}\\x62\\o{143}\\0144$", "^/abc%0C4$"],
		["^/\\N+$", "^/.+$"],
		["[[:xdigit:]]{2}", "[0-9A-Fa-f]{2}"],
		["[[:^digit:]a]", "(?:[^%0-9]|%[0-9A-F][0-9A-F])"],
		["\\A/a\\z", "^/a$"],
		["(?x) ^/a # the start\n b", "^/ab"],
		["^/(?i:ab)c", "^/(?:[Aa][Bb])c"],
		["^/(?i)a|b", "^/[Aa]|[Bb]"],
		["a\\Kb", "ab"],
		["(?P<n>a)(?'m'b)", "(?<n>a)(?<m>b)"],
		["^/a b$", "^/a%20b$"],
		["a++b++$", "a+b+$"],
		["(?U)a+b+?", "a+?b+"],
		["a(?#words)b", "ab"],
		["^/.{3}$", "^/(?:[^%]|(?!%0A)%[0-9A-F][0-9A-F]){3}$"],
	])("%s is %s for a path", (source, expected) => {
		expect(translatePattern(source, false, "path")).toEqual({ pattern: { source: expected, ignoreCase: false } });
	});

	it.each([
		["^/[]a]$", ["/]", "/%5D", "/a"], ["/b", "/%5Da"]],
		["^/[^]/]+$", ["/a", "/a%20b", "/%C3%A9"], ["/a]b", "/a%5Db", "/a/b"]],
		["^/a b@$", ["/a%20b@", "/a%20b%40", "/%61%20b@"], ["/a+b@", "/ab@"]],
		["^/é$", ["/%C3%A9", "/%c3%a9", "/\xc3\xa9"], ["/e", "/%E9"]],
		["^/a;b$", ["/a;b", "/a%3Bb"], ["/a"]],
		["^/.$", ["/a", "/%20", "/@", "/%40"], ["/ab", "/%20a", "/%0A"]],
		["^/[\\h~]+$", ["/%20%09~", "/~"], ["/+"]],
		["^/\\PL$", ["/1", "/%20", "/@"], ["/a", "/%C3"]],
	])("%s fits a path however its characters are sent", (source, fitting, others) => {
		const { pattern } = translatePattern(source, false, "path");
		const fits = (target: string) =>
			pattern !== undefined && matchesPattern(pattern, parseTarget(target)?.matchPath ?? "");
		expect(fitting.filter((target) => !fits(target))).toEqual([]);
		expect(others.filter(fits)).toEqual([]);
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
