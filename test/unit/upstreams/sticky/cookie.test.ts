import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../../src/upstreams/endpoint.ts";
import { stickyCookieValue } from "../../../../src/upstreams/sticky/cookie.ts";
import { stickyOptions } from "../../../../src/upstreams/sticky.ts";
import type { Upstream } from "../../../../src/upstreams/upstream.ts";
import { byId, first, request, upstream, weighted } from "../upstream.fixtures.ts";

const sticky = { cookie: {} };

/** The cookie that a browser would send after the answer of `endpoint`. */
function cookieOf(pool: Upstream, endpoint: Endpoint): string {
	const header = pool.stickyCookie(endpoint, request());
	if (header === undefined) throw new Error("no cookie was set");
	return header.split(";")[0] as string;
}
const withCookie = (cookie: string) => request({ headers: { cookie: `theme=dark; ${cookie}` } });

describe("sticky cookie", () => {
	it("brings a client back to its endpoint every time and sets no cookie then", () => {
		const pool = upstream({ endpoints: weighted(1, 1, 1), sticky });
		for (const home of pool.endpoints) {
			const asked = withCookie(cookieOf(pool, home));
			for (let i = 0; i < 50; i++) expect(first(pool, asked)).toBe(home);
			expect(pool.stickyCookie(home, asked)).toBe(undefined);
		}
	});

	it("tries the others by policy when the bound endpoint fails, and binds the client to the one that answers", () => {
		const pool = upstream({ endpoints: weighted(1, 1, 1), sticky });
		const asked = withCookie(cookieOf(pool, byId(pool, "b:1")));
		const candidates = pool.candidates(asked);
		expect(candidates.next()?.id).toBe("b:1");
		const next = candidates.next() as Endpoint;
		expect(["a:1", "c:1"]).toContain(next.id);
		expect(pool.stickyCookie(next, asked)).toContain(cookieOf(pool, next));
		expect(candidates.next()?.id).not.toBe("b:1");
		expect(candidates.next()).toBe(undefined);
	});

	it.each([
		["an unknown value", "clawgate=AAAAAAAAAAAAAAAAAAAAAA"],
		["a value of another length", "clawgate=short"],
		["a value with wide characters", `clawgate=${"\u0142".repeat(22)}`],
		["an empty value", "clawgate="],
		["the endpoint's id in clear", "clawgate=b:1"],
		["a value made with another key", `clawgate=${stickyCookieValue("guessed", "chat", "b:1")}`],
		["the value of another upstream", `clawgate=${stickyCookieValue("a key for tests", "other", "b:1")}`],
		["the right value under another name", `claw=${stickyCookieValue("a key for tests", "chat", "b:1")}`],
	])("ignores %s: the policy picks and a new cookie is set", (_name, cookie) => {
		const pool = upstream({ endpoints: weighted(1, 1, 1), sticky });
		const asked = withCookie(cookie);
		const picked = [first(pool, asked), first(pool, asked), first(pool, asked)];
		expect(picked.map(({ id }) => id)).toEqual(["a:1", "b:1", "c:1"]);
		for (const endpoint of picked) expect(pool.stickyCookie(endpoint, asked)).toContain(cookieOf(pool, endpoint));
	});

	it("accepts the value that the test above forges, when it is the right one", () => {
		const pool = upstream({ endpoints: weighted(1, 1, 1), sticky });
		expect(first(pool, withCookie(`clawgate=${stickyCookieValue("a key for tests", "chat", "b:1")}`)).id).toBe("b:1");
	});

	it("still serves its clients in drain and with weight 0, but not in maint and not when a rule refuses", () => {
		const compile = (b: object, refuse = false) =>
			upstream({
				endpoints: ["ws://a:1", { url: "ws://b:1", ...b }],
				sticky,
				deps: { rules: [{ reason: "unhealthy", allows: ({ id }) => !(refuse && id === "b:1") }] },
			});
		const home = (pool: Upstream) => first(pool, withCookie(cookieOf(pool, byId(pool, "b:1")))).id;
		expect(home(compile({ state: "drain" }))).toBe("b:1");
		expect(home(compile({ weight: 0 }))).toBe("b:1");
		expect(home(compile({ backup: true }))).toBe("b:1");
		expect(home(compile({ state: "maint" }))).toBe("a:1");
		expect(home(compile({ state: "ready" }, true))).toBe("a:1");
	});

	it("stays valid after a restart and another order of endpoints, with the same key only", () => {
		const before = upstream({ endpoints: weighted(1, 1, 1), sticky });
		const cookie = cookieOf(before, byId(before, "c:1"));
		const after = upstream({ endpoints: [...weighted(1, 1, 1)].reverse(), sticky });
		const otherKey = upstream({ endpoints: weighted(1, 1, 1), sticky, deps: { stickySecret: Buffer.from("new") } });
		expect(first(after, withCookie(cookie)).id).toBe("c:1");
		expect(cookieOf(otherKey, byId(otherKey, "c:1"))).not.toBe(cookie);
	});

	it("uses the config's own secret before the gateway's", () => {
		const compile = (stickySecret: string) =>
			upstream({
				endpoints: weighted(1, 1),
				sticky: { cookie: { secret: "sixteen characters" } },
				deps: { stickySecret: Buffer.from(stickySecret) },
			});
		const [one, two] = [compile("one"), compile("two")];
		expect(cookieOf(one, byId(one, "b:1"))).toBe(cookieOf(two, byId(two, "b:1")));
	});

	it("shows no address: 22 characters of base64url", () => {
		const pool = upstream({ endpoints: weighted(1), sticky });
		expect(cookieOf(pool, byId(pool, "a:1"))).toMatch(/^clawgate=[\w-]{22}$/);
	});

	it("writes the attributes that were asked for", () => {
		const header = (cookie: object, secure = false) => {
			const pool = upstream({ endpoints: weighted(1), sticky: { cookie } });
			return pool.stickyCookie(byId(pool, "a:1"), request({ secure }))?.replace(/=[\w-]{22}/, "=V");
		};
		expect(header({})).toBe("clawgate=V; Path=/; HttpOnly; SameSite=Lax");
		expect(header({}, true)).toBe("clawgate=V; Path=/; Secure; HttpOnly; SameSite=Lax");
		expect(header({ secure: true })).toContain("; Secure");
		expect(header({ secure: false }, true)).not.toContain("Secure");
		// Browsers refuse these without Secure, whatever the connection looks like from here.
		expect(header({ same_site: "none" })).toBe("clawgate=V; Path=/; Secure; HttpOnly; SameSite=None");
		expect(header({ partitioned: true })).toBe("clawgate=V; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned");
		expect(header({ ttl: "off" })).not.toContain("Max-Age");
		expect(
			header({ name: "srv", ttl: "1h", path: "/ws", domain: "example.com", http_only: false, same_site: "strict" }),
		).toBe("srv=V; Path=/ws; Domain=example.com; Max-Age=3600; SameSite=Strict");
	});

	it("does not exist without the option", () => {
		const pool = upstream({ endpoints: weighted(1) });
		expect(pool.stickyCookie(byId(pool, "a:1"), request())).toBe(undefined);
	});
});

describe("sticky option", () => {
	it.each([
		"cookie",
		{},
		{ cookie: { nam: "a" } },
		{ cookie: { name: "a b" } },
		{ cookie: { name: "" } },
		{ cookie: { name: "a\r\nSet-Cookie: x" } },
		{ cookie: { path: "ws" } },
		{ cookie: { path: "/; Secure" } },
		{ cookie: { domain: "a;b" } },
		{ cookie: { ttl: "10ms" } },
		{ cookie: { ttl: 60 } },
		{ cookie: { secret: "short" } },
		{ cookie: { same_site: "none", secure: false } },
		{ cookie: { partitioned: true, secure: false } },
		{ cookie: { name: "__Secure-id" } },
		{ cookie: { name: "__Host-id", secure: true, path: "/ws" } },
	])("refuses %j", (written) => {
		expect(stickyOptions.safeParse(written).success).toBe(false);
	});

	it.each(["socketio", { cookie: {} }, { cookie: { name: "__Host-id", secure: true } }])("accepts %j", (written) => {
		expect(stickyOptions.safeParse(written).success).toBe(true);
	});
});
