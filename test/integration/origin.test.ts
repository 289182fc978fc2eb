/** Cross-site WebSocket hijacking: which pages may connect, on upgrade and on plain HTTP alike. */
import { expect, test } from "vitest";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";

/** What an origin gets on both kinds of request. */
async function both(guarded: Guarded, headers: Record<string, string | string[]>, host = "app.example.com") {
	const client = await guarded.upgrade("/", { headers, host });
	const answer = await guarded.http("/", { headers, host });
	client.reset();
	return [client.head.status, answer.head.status];
}

test("without a word in the file a page of another site is refused, and nothing reaches the backend", async () => {
	const guarded = await startGuarded("");
	const headers = { Origin: "https://evil.example" };
	const client = await guarded.upgrade("/chat?token=s3cret", { headers });
	const body = await expectRejection(client, client.head, 403, "ORIGIN_DENIED");
	expect(body).toContain("allowed_origins");
	expect(body).not.toContain("evil");
	expect(await guarded.gateway.waitForLog("ws.reject")).toMatchObject({
		code: "ORIGIN_DENIED",
		status: 403,
		origin: "https://evil.example",
		route: "app",
		level: "info",
	});

	for (const method of ["GET", "POST", "DELETE"]) {
		const answer = await guarded.http("/polling", { headers, method });
		expect([answer.head.status, answer.body.split(":")[0]]).toEqual([403, "ORIGIN_DENIED"]);
	}
	expect(await guarded.gateway.waitForLog("http.request")).toMatchObject({ code: "ORIGIN_DENIED", status: 403 });
	expect(guarded.seen).toEqual([]);
});

test("a CORS preflight of a denied origin is refused like the request it asks for", async () => {
	const guarded = await startGuarded("");
	const answer = await guarded.http("/", {
		method: "OPTIONS",
		headers: { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" },
	});
	expect(answer.head.status).toBe(403);
	expect(answer.head.list.map(([name]) => name.toLowerCase())).not.toContain("access-control-allow-origin");
	expect(guarded.seen).toEqual([]);
});

test("a page of the same host and port may connect, and a client without Origin is not a browser", async () => {
	const guarded = await startGuarded("");
	expect(await both(guarded, { Origin: "http://app.example.com" })).toEqual([101, 200]);
	expect(await both(guarded, { Origin: "http://app.example.com:8080" }, "app.example.com:8080")).toEqual([101, 200]);
	expect(await both(guarded, {})).toEqual([101, 200]);
	expect(guarded.seen).toHaveLength(6);
});

test("the same host is not enough: port, sibling, parent, null and anything odd are refused", async () => {
	const guarded = await startGuarded("");
	for (const origin of [
		"http://app.example.com:8080",
		"http://example.com",
		"http://app.example.com.evil.example",
		"http://evilapp.example.com",
		"http://app.example.com@evil.example",
		"http://app.example.com/",
		"ws://app.example.com",
		"file://app.example.com",
		"null",
		"app.example.com",
		"http://app.example.com http://evil.example",
		"*",
		"same-origin",
	]) {
		expect([origin, ...(await both(guarded, { Origin: origin }))]).toEqual([origin, 403, 403]);
	}
	expect(await both(guarded, { Origin: ["http://app.example.com", "https://evil.example"] })).toEqual([403, 403]);
	expect(await both(guarded, { Origin: ["http://app.example.com", "http://app.example.com"] })).toEqual([403, 403]);
	expect(guarded.seen).toEqual([]);
});

test("behind a trusted proxy that ends TLS the scheme is the client's: an http page may not use it", async () => {
	const guarded = await startGuarded("", { top: "trusted_proxies: [127.0.0.1]" });
	const tls = { "X-Forwarded-Proto": "https" };
	expect(await both(guarded, { ...tls, Origin: "https://app.example.com" })).toEqual([101, 200]);
	expect(await both(guarded, { ...tls, Origin: "http://app.example.com" })).toEqual([403, 403]);
	const renamed = { ...tls, "X-Forwarded-Host": "app.example.com" };
	expect(await both(guarded, { ...renamed, Origin: "https://app.example.com" }, "internal:8080")).toEqual([101, 200]);
	expect(await both(guarded, { ...renamed, Origin: "https://internal:8080" }, "internal:8080")).toEqual([403, 403]);
});

test("behind a proxy that is not trusted an https page may connect, and X-Forwarded-Host is nobody's word", async () => {
	const guarded = await startGuarded("");
	expect(await both(guarded, { Origin: "https://app.example.com" })).toEqual([101, 200]);
	const forged = { "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https" };
	expect(await both(guarded, { ...forged, Origin: "https://evil.example" })).toEqual([403, 403]);
});

test("a list takes exact origins and subdomains, and then the own one only if it says so", async () => {
	const guarded = await startGuarded(
		'allowed_origins: ["https://App.Example.com:443", "https://*.example.org", "null"]',
	);
	for (const origin of ["https://app.example.com", "https://a.example.org", "https://b.a.example.org", "null"]) {
		expect([origin, ...(await both(guarded, { Origin: origin }, "other"))]).toEqual([origin, 101, 200]);
	}
	for (const origin of [
		"http://app.example.com",
		"https://app.example.com:8443",
		"https://example.org",
		"https://evilexample.org",
		"https://a.example.org:444",
		"http://a.example.org",
		"https://a.example.org.evil.example",
		"http://other",
	]) {
		expect([origin, ...(await both(guarded, { Origin: origin }, "other"))]).toEqual([origin, 403, 403]);
	}
});

test("* lets every page in, and allow_missing_origin: false nobody without one", async () => {
	const open = await startGuarded('allowed_origins: ["*"]');
	expect(await both(open, { Origin: "https://evil.example" })).toEqual([101, 200]);
	expect(await both(open, { Origin: "null" })).toEqual([101, 200]);
	const browsers = await startGuarded('allowed_origins: ["*"]\nallow_missing_origin: false');
	expect(await both(browsers, { Origin: "https://evil.example" })).toEqual([101, 200]);
	expect(await both(browsers, {})).toEqual([403, 403]);
});
