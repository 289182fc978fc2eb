import { describe, expect, it } from "vitest";
import { compileAnswerRewrite } from "../../../src/routing/answer-rewrite.ts";

const OWN = ["10.0.0.1:8080", "app.internal"];
const one = (prefix: string, name: string, value: string): string | undefined =>
	compileAnswerRewrite(prefix)([name, value], OWN)[1];

describe("rewrite.location", () => {
	it.each([
		["/login?next=/x", "/app/login?next=/x"],
		["/", "/app/"],
		["/app", "/app"],
		["/app/x", "/app/x"],
		["/app?x", "/app?x"],
		["/application", "/app/application"],
		["login", "login"],
		["?x", "?x"],
		["http://10.0.0.1:8080/x", "/app/x"],
		["HTTP://App.Internal:80/x", "/app/x"],
		["https://app.internal", "/app/"],
		["//app.internal//evil.test/x", "/app/evil.test/x"],
		["http://app.internal?x=1", "/app/?x=1"],
		["http://10.0.0.1:8081/x", "http://10.0.0.1:8081/x"],
		["https://id.example.com/login", "https://id.example.com/login"],
		["//other.test/x", "//other.test/x"],
		["http://app.internal@evil.test/x", "http://app.internal@evil.test/x"],
	])("makes of Location %s %s", (value, expected) => {
		expect(one("/app", "LOCATION", value)).toBe(expected);
	});

	it.each([
		["sid=1; Path=/; HttpOnly", "sid=1; Path=/app; HttpOnly"],
		["sid=1; path = /x", "sid=1; path = /app/x"],
		["sid=1; Path=/app/y;Secure", "sid=1; Path=/app/y;Secure"],
		["path=/x; Secure", "path=/x; Secure"],
		["sid=1", "sid=1"],
	])("makes of Set-Cookie %s %s", (value, expected) => {
		expect(one("/app", "Set-Cookie", value)).toBe(expected);
	});

	it("without a prefix hides the backend's own host, and leaves the rest", () => {
		expect(one("", "Location", "http://10.0.0.1:8080/x")).toBe("/x");
		expect(one("", "Location", "/x")).toBe("/x");
		expect(one("", "Set-Cookie", "a=1; Path=/")).toBe("a=1; Path=/");
	});

	it("leaves other headers, and the list that it was given", () => {
		const raw = ["X-Location", "/x", "Location", "/y"];
		expect(compileAnswerRewrite("/app")(raw, OWN)).toEqual(["X-Location", "/x", "Location", "/app/y"]);
		expect(raw).toEqual(["X-Location", "/x", "Location", "/y"]);
		const other = ["Content-Type", "text/html"];
		expect(compileAnswerRewrite("/app")(other, OWN)).toBe(other);
	});
});
