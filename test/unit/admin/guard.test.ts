import { describe, expect, it } from "vitest";
import { isOwnHost, tokenCheck } from "../../../src/admin/guard.ts";

describe("the admin port's own host", () => {
	it.each([
		["localhost", undefined],
		["127.0.0.1:9090", undefined],
		["[::1]", undefined],
		["[::1]:9090", undefined],
		["gateway.internal:9090", "gateway.internal"],
		["GATEWAY.internal", "Gateway.Internal"],
		["10.0.0.5:9090", "10.0.0.5"],
		["[fd00::5]:9090", "fd00::5"],
	])("is %s when %s is configured", (header, configured) => {
		expect(isOwnHost(header, configured)).toBe(true);
	});

	it.each([
		[undefined, undefined],
		["", ""],
		["evil.example", "127.0.0.1"],
		["127.evil.example", undefined],
		["127.0.0.1@evil.example", undefined],
		["evil.example/localhost", undefined],
		["localhost:80:80", undefined],
		["[::1", undefined],
		["10.0.0.6", "10.0.0.5"],
	])("is not %s when %s is configured", (header, configured) => {
		expect(isOwnHost(header, configured)).toBe(false);
	});
});

describe("the token check", () => {
	it("takes exactly the token", () => {
		const hasToken = tokenCheck("a.b-c_d~e+f/g=");
		expect(hasToken("Bearer a.b-c_d~e+f/g=")).toBe(true);
		for (const wrong of [undefined, "", "Bearer", "Bearer a.b-c_d~e+f/g", "Bearer a.b-c_d~e+f/g= x", "x Bearer a"]) {
			expect(hasToken(wrong), wrong).toBe(false);
		}
	});
});
