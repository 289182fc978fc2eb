/** Cross-site WebSocket hijacking: which pages may connect; and posts of other sites, where that is asked for. */
import { expect, test } from "vitest";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";

const BOTH = "origin_check: [websocket, http]";

/** What an origin gets with a handshake, and with a post that has cookies. */
async function both(guarded: Guarded, headers: Record<string, string | string[]>, host = "app.example.com") {
	const client = await guarded.upgrade("/", { headers, host });
	const answer = await guarded.http("/", { headers: { ...headers, Cookie: "session=1" }, host, method: "POST" });
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
		message:
			'pages of https://evil.example may not connect; if this page is yours, write in the route: allowed_origins: [same-origin, "https://evil.example"]',
	});
	expect(guarded.seen).toEqual([]);
});

test("the line that the log suggests lets the page in", async () => {
	for (const origin of [
		"https://app.example.org",
		"null",
		"file://",
		"app://.",
		"capacitor://localhost",
		"http://localhost:5173",
	]) {
		const refusing = await startGuarded('allowed_origins: ["https://*.example.com", same-origin]');
		const { head } = await refusing.upgrade("/", { headers: { Origin: origin } });
		const { message } = await refusing.gateway.waitForLog("ws.reject");
		const line = String(message).split("write in the route: ")[1] as string;
		const open = await startGuarded(line);
		expect([origin, head.status, (await open.upgrade("/", { headers: { Origin: origin } })).head.status]).toEqual([
			origin,
			403,
			101,
		]);
	}
});

test("plain HTTP is not asked for its origin: other sites may link, embed and sign in by post", async () => {
	const guarded = await startGuarded("allow_missing_origin: false");
	const foreign = { Origin: "https://idp.example", "Sec-Fetch-Site": "cross-site", Cookie: "session=1" };
	for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
		expect((await guarded.http("/saml/acs", { headers: foreign, method })).head.status).toBe(200);
	}
	const own = { Origin: "null", "Sec-Fetch-Site": "same-origin" };
	expect((await guarded.http("/login", { headers: own, method: "POST" })).head.status).toBe(200);
	expect((await guarded.http("/", { headers: {} })).head.status).toBe(200);
});

test("with origin_check http a request of another site that has cookies and can change something is refused", async () => {
	const guarded = await startGuarded(BOTH);
	const ask = async (method: string, headers: Record<string, string>): Promise<number> =>
		(await guarded.http("/", { method, headers: { Origin: "https://evil.example", ...headers } })).head.status;
	const Cookie = "session=1";
	for (const method of ["POST", "PUT", "PATCH", "DELETE"])
		expect([method, await ask(method, { Cookie })]).toEqual([method, 403]);
	for (const method of ["GET", "HEAD", "OPTIONS"])
		expect([method, await ask(method, { Cookie })]).toEqual([method, 200]);
	expect(await ask("POST", {})).toBe(200);
	expect(await ask("POST", { Cookie, Origin: "null", "Sec-Fetch-Site": "same-origin" })).toBe(200);
	expect(await ask("POST", { Cookie, Origin: "null", "Sec-Fetch-Site": "cross-site" })).toBe(403);
	expect(await ask("POST", { Cookie, Origin: "http://gateway.test" })).toBe(200);
	expect(await guarded.gateway.waitForLog("http.request")).toMatchObject({ code: "ORIGIN_DENIED", status: 403 });
});

test("a page of the same host and port may connect, and a client without Origin is not a browser", async () => {
	const guarded = await startGuarded(BOTH);
	expect(await both(guarded, { Origin: "http://app.example.com" })).toEqual([101, 200]);
	expect(await both(guarded, { Origin: "http://app.example.com:8080" }, "app.example.com:8080")).toEqual([101, 200]);
	expect(await both(guarded, {})).toEqual([101, 200]);
	expect(guarded.seen).toHaveLength(6);
});

test("the same host is not enough: port, sibling, parent, null and anything odd are refused", async () => {
	const guarded = await startGuarded(BOTH);
	for (const origin of [
		"http://app.example.com:8080",
		"http://example.com",
		"http://app.example.com.evil.example",
		"http://evilapp.example.com",
		"http://app.example.com@evil.example",
		"http://app.example.com/",
		"gopher://app.example.com",
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

test("the scheme makes no difference: libraries write http, ws or wss where a browser writes https", async () => {
	const guarded = await startGuarded(BOTH);
	for (const scheme of ["http", "https", "ws", "wss"]) {
		expect(await both(guarded, { Origin: `${scheme}://app.example.com` })).toEqual([101, 200]);
		expect(await both(guarded, { Origin: `${scheme}://app.example.com:9443` }, "app.example.com:9443")).toEqual([
			101, 200,
		]);
	}
});

test("behind a trusted proxy the host is the client's", async () => {
	const guarded = await startGuarded(BOTH, { top: "trusted_proxies: [127.0.0.1]" });
	const tls = { "X-Forwarded-Proto": "https" };
	expect(await both(guarded, { ...tls, Origin: "https://app.example.com" })).toEqual([101, 200]);
	const renamed = { ...tls, "X-Forwarded-Host": "app.example.com" };
	expect(await both(guarded, { ...renamed, Origin: "https://app.example.com" }, "internal:8080")).toEqual([101, 200]);
	expect(await both(guarded, { ...renamed, Origin: "https://internal:8080" }, "internal:8080")).toEqual([403, 403]);
});

test("behind a proxy that is not trusted an https page may connect, and X-Forwarded-Host is nobody's word", async () => {
	const guarded = await startGuarded(BOTH);
	expect(await both(guarded, { Origin: "https://app.example.com" })).toEqual([101, 200]);
	const forged = { "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https" };
	expect(await both(guarded, { ...forged, Origin: "https://evil.example" })).toEqual([403, 403]);
});

test("a list takes exact origins and subdomains, and then the own one only if it says so", async () => {
	const guarded = await startGuarded(
		'origin_check: [http, websocket]\nallowed_origins: ["https://App.Example.com:443", "https://*.example.org", "null"]',
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
	const open = await startGuarded(`${BOTH}\nallowed_origins: ["*"]`);
	expect(await both(open, { Origin: "https://evil.example" })).toEqual([101, 200]);
	expect(await both(open, { Origin: "null" })).toEqual([101, 200]);
	const browsers = await startGuarded(`${BOTH}\nallowed_origins: ["*"]\nallow_missing_origin: false`);
	expect(await both(browsers, { Origin: "https://evil.example" })).toEqual([101, 200]);
	expect(await both(browsers, {})).toEqual([403, 403]);
});
