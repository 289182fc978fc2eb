/** Plain HTTP passes as it is: bytes of headers, trailers, interim answers, sizes; and a wait for everything that may not come. */
import { beforeAll, expect, test } from "vitest";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { type RawBackend, type Script, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, type RawClient } from "../harness/raw-client.ts";
import type { Head } from "../harness/raw-peer.ts";

const UTF8 = Buffer.from('attachment; filename="日本 naïve.txt"').toString("latin1");
const LATIN1 = 'attachment; filename="na\xefve.txt"';
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BIG = "x".repeat(100_000);

/** What the backend sends for a path. */
const ANSWERS: Readonly<Record<string, string>> = {
	"/utf8": `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Disposition: ${UTF8}\r\nX-Raw: \xff\x80 \xe9\r\n\r\nok`,
	"/latin1": `HTTP/1.1 200 \xe9t\xe9\r\nContent-Length: 2\r\nContent-Disposition: ${LATIN1}\r\n\r\nok`,
	"/stream": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Raw: \xff\x80 \xe9\r\n\r\n",
	"/trailers":
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"2\r\nok\r\n0\r\nX-Sum: \xc3\xa9\r\nX-Secret: 1\r\nConnection: x\r\n\r\n",
	"/hints":
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n" +
		`HTTP/1.1 102 Processing\r\n\r\n${OK}`,
	"/upgrade-required":
		"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.3, HTTP/1.1\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno",
	"/more-than-announced": `${OK}surplus\r\n\r\nHTTP/1.1 200 Second\r\nContent-Length: 0\r\n\r\n`,
	"/big-head": `HTTP/1.1 200 OK\r\nX-Big: ${BIG}\r\nContent-Length: 2\r\n\r\nok`,
	"/hints-with-length":
		"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n" +
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n",
	"/304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"/many-headers": `HTTP/1.1 200 OK\r\n${"a: 1\r\n".repeat(3_000)}X-Frame-Options: DENY\r\nContent-Length: 2\r\n\r\nok`,
	"/999": "HTTP/1.1 999 Request denied\r\nContent-Length: 2\r\n\r\nok",
};

const answeringByPath: Script = async (peer) => {
	for (;;) {
		const request = await peer.readHead(60_000);
		peer.request = request;
		peer.write(Buffer.from(ANSWERS[request.target] ?? OK, "latin1"));
	}
};

let backend: RawBackend;
let second: RawBackend;
let silentTls: RawBackend;
let gateway: TestGateway;

beforeAll(async () => {
	backend = await startRawBackend(answeringByPath, { autoClose: false });
	second = await startRawBackend(answeringByPath, { autoClose: false });
	silentTls = await startRawBackend(() => undefined, { autoClose: false });
	const refusing = await startRawBackend(
		async (peer) => {
			for (;;) {
				await peer.readHead(60_000);
				peer.write("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
			}
		},
		{ autoClose: false },
	);
	gateway = await startTestGateway(
		`
		listeners: [{ address: "127.0.0.1:0", max_header_size: 256KiB }]
		upstreams:
			app: { endpoints: ["${backend.url}"] }
			busy: { endpoints: ["${refusing.url}", "${second.url}"] }
			allbusy: { endpoints: ["${refusing.url}"] }
			tls: { endpoints: ["${silentTls.url.replace("ws:", "wss:")}"], tls: { verify: false } }
		routes:
			- { name: busy, match: { path_prefix: /busy }, upstream: busy }
			- { name: allbusy, match: { path_prefix: /allbusy }, upstream: allbusy }
			- { name: tls, match: { path_prefix: /tls }, upstream: tls, timeouts: { connect: 200ms, handshake: 300ms }, retries: { attempts: 1 } }
			- { name: app, match: { path_prefix: / }, upstream: app, response_headers: { remove: [X-Secret] } }
	`,
		{ autoStop: false },
	);
	return async () => {
		await gateway.stop({ immediately: true });
		await Promise.all([backend, second, silentTls, refusing].map((each) => each.close()));
	};
});

async function ask(path: string, extra = "", method = "GET"): Promise<{ client: RawClient; head: Head }> {
	const client = await connectRaw({ port: gateway.port });
	client.write(Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${extra}\r\n`, "latin1"));
	return { client, head: await client.readHead() };
}

const lineOf = (path: string) =>
	gateway.waitForLog(({ event, path: logged }) => event === "http.request" && logged === path);

test.each([
	["/utf8", UTF8, "OK"],
	["/latin1", LATIN1, "\xe9t\xe9"],
])(
	"the bytes of the answer's headers and reason pass unchanged, Content-Disposition behind Content-Length too: %s",
	async (path, value, reason) => {
		const { client, head } = await ask(path);
		expect(head.header("content-disposition")).toBe(value);
		expect(head.raw.split("\r\n")[0]).toBe(`HTTP/1.1 200 ${reason}`);
		if (path === "/utf8") expect(head.header("x-raw")).toBe("\xff\x80 \xe9");
		expect(await client.readBody(head)).toBe("ok");
	},
);

test("the bytes of the request's headers pass unchanged, repeated ones apart and in their order", async () => {
	const extra = `Content-Disposition: ${UTF8}\r\nX-A: \xff\x80\r\n1: one\r\nX-B: 2\r\nx-a: again\r\nContent-Length: 0\r\n`;
	await ask("/names", extra, "POST");
	const peer = await until(() => backend.connections.find(({ request }) => request?.target === "/names"), {
		what: "the request",
	});
	const request = peer.request as Head;
	expect(request.raw).toContain(`Content-Disposition: ${UTF8}\r\nX-A: \xff\x80\r\n1: one\r\nX-B: 2\r\nx-a: again\r\n`);
});

test("they pass when the body comes later, or not at all yet", async () => {
	const { client, head } = await ask("/stream");
	expect(head.header("x-raw")).toBe("\xff\x80 \xe9");
	client.reset();
	await ask("/body", "X-A: \xff\x80\r\nContent-Length: 0\r\n", "POST");
	const uploading = await connectRaw({ port: gateway.port });
	uploading.write(
		Buffer.from("POST /later HTTP/1.1\r\nHost: x\r\nX-A: \xff\x80\r\nContent-Length: 2\r\n\r\n", "latin1"),
	);
	const peer = await until(() => backend.connections.find(({ request }) => request?.target === "/later"), {
		what: "the request before its body",
	});
	expect(peer.request?.header("x-a")).toBe("\xff\x80");
	uploading.reset();
});

test("trailers pass, but for those that the route removes and those of the connection", async () => {
	const { client, head } = await ask("/trailers", "Connection: close\r\n");
	expect(head.header("trailer")).toBe("X-Sum");
	await client.ended();
	expect(client.unread.toString("latin1")).toBe("2\r\nok\r\n0\r\nX-Sum: \xc3\xa9\r\n\r\n");
});

test("interim answers pass without hop-by-hop headers; a 100 that nobody asked for does not, and HTTP/1.0 gets none", async () => {
	const { client, head } = await ask("/hints");
	expect([head.status, head.header("link"), head.header("x-hop")]).toEqual([103, "</a.css>; rel=preload", undefined]);
	expect((await client.readHead()).status).toBe(102);
	const final = await client.readHead();
	expect([final.status, await client.readBody(final)]).toEqual([200, "ok"]);
	const old = await connectRaw({ port: gateway.port });
	old.write("GET /hints HTTP/1.0\r\nHost: x\r\n\r\n");
	expect((await old.readHead()).status).toBe(200);
});

test("answers that have no body have no Content-Length either: interim ones and 204", async () => {
	const { client, head } = await ask("/hints-with-length");
	expect([head.status, head.header("content-length"), head.header("link")]).toEqual([103, undefined, "</a>"]);
	const final = await client.readHead();
	expect([final.status, final.header("content-length"), final.header("x-a")]).toEqual([204, undefined, "1"]);
	expect((await ask("/304")).head.header("content-length")).toBe("5");
});

test("an answer with thousands of headers keeps all of them", async () => {
	const { client, head } = await ask("/many-headers");
	expect([head.all("a").length, head.header("x-frame-options")]).toEqual([3_000, "DENY"]);
	expect(await client.readBody(head)).toBe("ok");
});

test("a 426 of the backend keeps its Upgrade, which Connection nominates", async () => {
	const { head } = await ask("/upgrade-required");
	expect([head.status, head.header("upgrade"), head.header("connection")]).toEqual([
		426,
		"TLS/1.3, HTTP/1.1",
		"Upgrade",
	]);
});

test("a refused handshake that is a 426 keeps it too", async () => {
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake("/upgrade-required");
	expect([head.status, head.header("upgrade"), head.header("connection")]).toEqual([
		426,
		"TLS/1.3, HTTP/1.1",
		"Upgrade, close",
	]);
});

test("a complete answer with bytes behind it is delivered, and those bytes are nobody's answer", async () => {
	const { client, head } = await ask("/more-than-announced");
	expect([head.status, await client.readBody(head)]).toEqual([200, "ok"]);
	expect(await lineOf("/more-than-announced")).toMatchObject({ status: 200, bytes_out: 2 });
	client.write("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
	const next = await client.readHead();
	expect([next.status, next.raw.includes("Second"), await client.readBody(next)]).toEqual([200, false, "ok"]);
});

test("heads up to max_header_size pass, the answer's too", async () => {
	const { client, head } = await ask("/big-head", `X-Mine: ${BIG}\r\n`);
	expect([head.status, head.header("x-big")?.length, await client.readBody(head)]).toEqual([200, BIG.length, "ok"]);
	const peer = await until(() => backend.connections.find(({ request }) => request?.target === "/big-head"), {
		what: "the request",
	});
	expect(peer.request?.header("x-mine")).toBe(BIG);
});

test("a status above 599 is passed on", async () => {
	expect((await ask("/999")).head.status).toBe(999);
});

test("an endpoint whose status is in retries.on is passed over for a GET, not for a POST", async () => {
	const statuses = async (method: string) => {
		const all: number[] = [];
		for (let i = 0; i < 4; i++) all.push((await ask("/busy", "", method)).head.status);
		return all;
	};
	expect(await statuses("GET")).toEqual([200, 200, 200, 200]);
	expect((await statuses("POST")).sort()).toEqual([200, 200, 503, 503]);
});

test("the last endpoint's answer passes as it is", async () => {
	const { client, head } = await ask("/allbusy");
	expect([head.status, await client.readBody(head)]).toEqual([503, "busy"]);
	expect((await lineOf("/allbusy")).code).toBeUndefined();
});

test.each(["GET", "POST"])(
	"a TLS backend that takes the connection and says nothing is 504 in time (%s)",
	async (method) => {
		const startedAt = performance.now();
		const { head } = await ask("/tls", method === "POST" ? "Content-Length: 2\r\n\r\nhi" : "", method);
		expect(head.status).toBe(504);
		expect(performance.now() - startedAt).toBeLessThan(3_000);
		expect(await lineOf("/tls")).toMatchObject({ code: "HANDSHAKE_TIMEOUT" });
		await until(() => silentTls.openCount() === 0, { what: "the connection to close" });
	},
);

test("TRACE is not forwarded", async () => {
	const { client, head } = await ask("/trace", "Cookie: secret=1\r\n", "TRACE");
	expect([head.status, head.header("allow")]).toEqual([405, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]);
	expect(await client.readBody(head)).toMatch(/^METHOD_NOT_ALLOWED: TRACE is not forwarded/);
	expect(backend.connections.some(({ request }) => request?.target === "/trace")).toBe(false);
});
