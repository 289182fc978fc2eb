import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withoutCookie, withoutHeader, withoutQueryParameter, withoutSubprotocols } from "../../../src/policy/strip.ts";
import { requestFor } from "../routing/request.ts";

const queryOf = (query: string, name = "token") => withoutQueryParameter({ ...requestFor(), query }, name).query;

describe("withoutQueryParameter", () => {
	it.each([
		["token=x", undefined],
		["token", undefined],
		["token=x&token=y", undefined],
		["a=1&token=x", "a=1"],
		["token=x&a=1", "a=1"],
		["a=%2F&token=x&b=+&&c", "a=%2F&b=+&&c"],
		["%74oken=x&a", "a"],
		["a=token&tokens=1&to=ken", "a=token&tokens=1&to=ken"],
		["", ""],
		["TOKEN=x", "TOKEN=x"],
		["a=1;token=x&b=2", "b=2"],
		["a;%74oken&b;c=token", "b;c=token"],
	])("makes %j to %j", (query, rest) => {
		expect(queryOf(query)).toBe(rest);
	});

	it("gives the same request back when there is nothing to take out", () => {
		const request = requestFor({ target: "/?a=1" });
		expect(withoutQueryParameter(request, "token")).toBe(request);
		const none = requestFor({ target: "/" });
		expect(withoutQueryParameter(none, "token")).toBe(none);
	});

	it("leaves no parameter of the name for any reader, and the others as they were", () => {
		const part = fc.constantFrom(
			"token",
			"%74oken",
			"tok%65n",
			"a",
			"b=1",
			"=",
			"%zz",
			"token=x",
			"+token",
			"to+ken",
			"&",
		);
		fc.assert(
			fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
				const query = parts.join("&");
				const rest = queryOf(query);
				expect(new URLSearchParams(rest ?? "").has("token")).toBe(false);
				const others = (text: string) => [...new URLSearchParams(text)].filter(([name]) => name !== "token");
				expect(others(rest ?? "")).toEqual(others(query));
			}),
		);
	});
});

describe("withoutCookie", () => {
	const cookies = (...lines: string[]) => {
		const rawHeaders = lines.flatMap((line) => ["Cookie", line]);
		return { ...requestFor({ rawHeaders }), headers: { cookie: lines.join("; ") } };
	};

	it.each([
		[["jwt=x"], undefined],
		[["a=1; jwt=x; b=2"], "a=1; b=2"],
		[["jwt=x; a=1"], "a=1"],
		[["a=1; jwt=x"], "a=1"],
		[['a="q;'], 'a="q;'],
		[["ajwt=1; jwtb=2"], "ajwt=1; jwtb=2"],
		[["a=1 jwt=x; b=2, jwt=x; c=3\tjwt =x; d=4"], "d=4"],
		[['a="x"jwt=x; jwt\xa0=x; b=\xa0jwt=x; c=jwt; d=xjwt=1'], "c=jwt; d=xjwt=1"],
		[["jwt=x", "a=1; jwt=y", "b=2"], "a=1; b=2"],
		[["a=1;jwt=x;b=2"], "a=1;b=2"],
	])("makes %j to %j", (lines, rest) => {
		const request = withoutCookie(cookies(...lines), "jwt");
		expect(request.headers.cookie).toBe(rest);
		const raw = request.rawHeaders.filter((_, index) => index % 2 === 1).join("; ");
		expect(raw).toBe(rest ?? "");
	});
});

describe("withoutSubprotocols", () => {
	it("takes tokens out of every line and keeps the order of the others", () => {
		const rawHeaders = ["Sec-WebSocket-Protocol", "a, bearer.x", "sec-websocket-protocol", "bearer.y", "X", "1"];
		const request = requestFor({ rawHeaders, subprotocols: ["a", "bearer.x", "bearer.y"] });
		const stripped = withoutSubprotocols(request, (token) => token.startsWith("bearer."));
		expect(stripped.subprotocols).toEqual(["a"]);
		expect(stripped.rawHeaders).toEqual(["Sec-WebSocket-Protocol", "a", "X", "1"]);
		expect(stripped.headers["sec-websocket-protocol"]).toBe("a");
	});
});

describe("withoutHeader", () => {
	it("takes every line of the name, or only those with a value that is meant", () => {
		const rawHeaders = ["AUTHORIZATION", "Bearer x", "Authorization", "Basic y", "A", "1"];
		const request = requestFor({ rawHeaders });
		expect(withoutHeader(request, "authorization").rawHeaders).toEqual(["A", "1"]);
		const some = withoutHeader(request, "authorization", (value) => value.startsWith("Bearer"));
		expect(some.rawHeaders).toEqual(["Authorization", "Basic y", "A", "1"]);
		expect(some.headers.authorization).toBe("Basic y");
		expect(withoutHeader(request, "x-none")).toBe(request);
	});
});
