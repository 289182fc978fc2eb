/** `auth.forward`: another server decides. */

import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { bcrypt } from "hash-wasm";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { startGuarded } from "../harness/guarded.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { SECRET, token } from "../harness/tokens.ts";
import { listen } from "../harness/ws-backend.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An authentication server whose answer can be changed. */
async function startAuth(answer: Answer) {
	const asked: IncomingMessage[] = [];
	const server = createServer((request, response) => {
		asked.push(request);
		auth.answer(request, response);
	});
	const auth = { server, asked, answer, connections: 0, open: 0, url: "" };
	server.on("connection", (socket) => {
		auth.connections++;
		auth.open++;
		socket.once("close", () => auth.open--);
	});
	const { port } = await listen(server);
	auth.url = `http://127.0.0.1:${port}/check?realm=chat`;
	return auth;
}

const yes: Answer = (_, response) =>
	response.writeHead(204, { "X-User": "ada", "X-Roles": ["a", "b"], "X-Secret": "s" }).end();
const rule = (url: string, more = "") => `auth: { forward: { url: "${url}"${more} } }`;

test("a 2xx lets the client in with the headers that are to be copied, and no client can forge these", async () => {
	const auth = await startAuth(yes);
	const guarded = await startGuarded(rule(auth.url, ", copy_headers: [X-User, X-Roles, X-Team], user_header: X-User"));
	const forged = { "X-User": "root", "X-Team": "root", x_team: "root" };
	const client = await guarded.upgrade("/room/1?a=b", { headers: { Cookie: "session=1", ...forged } });
	expect(client.head.status).toBe(101);
	const { headers } = guarded.seen[0] as IncomingMessage;
	expect([headers["x-user"], headers["x-roles"], headers["x-team"], headers.x_team, headers["x-secret"]]).toEqual([
		"ada",
		"a, b",
		undefined,
		undefined,
		undefined,
	]);
	expect(headers.cookie).toBe("session=1");
	expect((await guarded.gateway.waitForLog("ws.open")).user).toBe("ada");
	expect((await guarded.http("/poll", { headers: forged })).head.status).toBe(200);
	expect(guarded.seen[1]?.headers["x-user"]).toBe("ada");
});

test.each([
	[
		"jwt",
		`jwt: { secret: "${SECRET}", forward_claims: { sub: X-Sub } }`,
		async (): Promise<string> => `Bearer ${await token({ sub: "alice" })}`,
		"alice",
	],
	[
		"basic",
		"basic: { users_file: users, forward_user: X-Sub }",
		async (): Promise<string> => `Basic ${btoa("bob:secret")}`,
		"bob",
	],
	[
		"a token that is missing",
		`jwt: { secret: "${SECRET}", required: false, forward_claims: { sub: X-Sub } }`,
		async (): Promise<string> => "",
		undefined,
	],
] as const)(
	"the question behind %s names whom the gateway found, not whom the client says it is",
	async (_, other, authorization, user) => {
		const auth = await startAuth(yes);
		const files = await temporaryFiles({
			users: `bob:${await bcrypt({ password: "secret", salt: randomBytes(16), costFactor: 4, outputType: "encoded" })}\n`,
		});
		const guarded = await startGuarded(`auth: { ${other}, forward: { url: "${auth.url}", copy_headers: [X-User] } }`, {
			file: join(files.dir, "test.yaml"),
		});
		const headers = { "X-Sub": "admin", x_sub: "admin", "X-User": "admin", Authorization: await authorization() };
		expect((await guarded.upgrade("/", { headers })).head.status).toBe(101);
		expect((await guarded.http("/", { headers })).head.status).toBe(200);
		for (const { headers } of auth.asked)
			expect([headers["x-sub"], headers.x_sub, headers["x-user"]]).toEqual([user, undefined, undefined]);
		expect(auth.asked).toHaveLength(2);
	},
);

test("the question has the client's headers and what it asked for, without handshake, body and forged words", async () => {
	const auth = await startAuth(yes);
	const guarded = await startGuarded(rule(auth.url));
	await guarded.upgrade("/room/1?a=%20", {
		host: "chat.example.com",
		subprotocols: ["chat"],
		headers: {
			Cookie: "session=1",
			Authorization: "Bearer x",
			"X-Own": "kept",
			"X-Hop": "dropped",
			Connection: "Upgrade, X-Hop",
			"X-Original-URI": "/admin",
			"X-Forwarded-Uri": "/admin",
			"X-Forwarded-For": "6.6.6.6",
			X_Original_URI: "/admin",
		},
	});
	const { method, url, headers } = auth.asked[0] as IncomingMessage;
	expect([method, url]).toEqual(["GET", "/check?realm=chat"]);
	expect(headers).toMatchObject({
		host: new URL(auth.url).host,
		cookie: "session=1",
		authorization: "Bearer x",
		"x-own": "kept",
		"x-original-method": "GET",
		"x-original-uri": "/room/1?a=%20",
		"x-original-url": "http://chat.example.com/room/1?a=%20",
		"x-forwarded-method": "GET",
		"x-forwarded-uri": "/room/1?a=%20",
		"x-forwarded-host": "chat.example.com",
		"x-forwarded-proto": "http",
		"x-forwarded-for": "127.0.0.1",
	});
	for (const name of Object.keys(headers)) expect(name).not.toMatch(/^sec-websocket|^upgrade$|^x-hop$|_/);

	const post = await connectRaw({ port: guarded.gateway.port });
	post.write(
		"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
	);
	expect((await post.readHead()).status).toBe(200);
	expect(auth.asked[1]?.headers).toMatchObject({ "x-original-method": "POST" });
	expect(Object.keys(auth.asked[1]?.headers ?? {}).filter((name) => name.startsWith("content-"))).toEqual([]);
	expect(auth.asked[1]?.method).toBe("GET");
});

test("request_headers of the question are written over what the client sent, and go to nobody else", async () => {
	const auth = await startAuth(yes);
	const rules = ", request_headers: { set: { X-Required-Role: admin }, remove: [Cookie] }";
	const guarded = await startGuarded(rule(auth.url, rules));
	const headers = { "X-Required-Role": "guest", Cookie: "a=1" };
	expect((await guarded.http("/", { headers })).head.status).toBe(200);
	const asked = auth.asked[0] as IncomingMessage;
	expect([asked.headers["x-required-role"], asked.headers.cookie]).toEqual(["admin", undefined]);
	expect([guarded.seen[0]?.headers["x-required-role"], guarded.seen[0]?.headers.cookie]).toEqual(["guest", "a=1"]);
});

test("a refusal is passed on with status, headers and body, for both kinds of request", async () => {
	const auth = await startAuth((_, response) => {
		response.writeHead(401, {
			"WWW-Authenticate": "Custom x=1",
			"Set-Cookie": ["a=1", "b=2"],
			Connection: "X-Hop",
			"X-Hop": "1",
		});
		response.end("please sign in");
	});
	const guarded = await startGuarded(rule(auth.url));
	const client = await guarded.upgrade("/");
	const plain = await guarded.http("/");
	for (const { head, body } of [{ head: client.head, body: await client.readBody(client.head) }, plain]) {
		expect([head.status, head.header("www-authenticate"), body]).toEqual([401, "Custom x=1", "please sign in"]);
		expect(head.all("set-cookie")).toEqual(["a=1", "b=2"]);
		expect(head.header("x-hop")).toBeUndefined();
	}
	expect(await guarded.gateway.waitForLog("ws.reject")).toMatchObject({ code: "FORWARD_AUTH_DENIED", status: 401 });
	expect(await guarded.gateway.waitForLog("http.request")).toMatchObject({ code: "FORWARD_AUTH_DENIED", status: 401 });

	auth.answer = (_, response) => response.writeHead(302, { Location: "https://id.example.com/login" }).end();
	const redirected = await guarded.http("/");
	expect([redirected.head.status, redirected.head.header("location")]).toEqual([302, "https://id.example.com/login"]);
	auth.answer = (_, response) => response.writeHead(403).end(Buffer.alloc(200_000, "x"));
	expect((await guarded.http("/")).body).toHaveLength(64 * 1024);
	expect(guarded.seen).toEqual([]);
});

test("no answer, a 5xx and an odd one keep clients out, unless failure_mode says otherwise", async () => {
	const auth = await startAuth(() => undefined);
	const closed = await startGuarded(rule(auth.url, ", timeout: 100ms"));
	const open = await startGuarded(rule(auth.url, ", timeout: 100ms, failure_mode: allow, copy_headers: [X-User]"));
	const answers: Answer[] = [
		() => undefined,
		(_, response) => response.writeHead(500).end(),
		(request) => request.socket.destroy(),
		(request) => request.socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
		(request) => request.socket.end("nonsense\r\n\r\n"),
	];
	for (const answer of answers) {
		auth.answer = answer;
		const client = await closed.upgrade("/");
		await expectRejection(client, client.head, 503, "FORWARD_AUTH_UNAVAILABLE");
		expect(client.head.header("retry-after")).toBe("1");
		expect((await closed.http("/")).head.status).toBe(503);
		const other = await open.upgrade("/", { headers: { "X-User": "root" } });
		expect(other.head.status).toBe(101);
		expect(open.seen.at(-1)?.headers["x-user"]).toBeUndefined();
		other.reset();
	}
	expect(closed.seen).toEqual([]);
	expect(closed.gateway.lines.of("forward_auth.unavailable")).toHaveLength(1);
	auth.answer = yes;
	expect((await closed.upgrade("/")).head.status).toBe(101);
	await closed.gateway.waitForLog("forward_auth.available");

	const nobody = await startGuarded(rule(`http://127.0.0.1:${await closedPort()}/`));
	expect((await nobody.upgrade("/")).head.status).toBe(503);
});

test("an answer that cannot be passed on keeps clients out with 502, and hurts nobody", async () => {
	const auth = await startAuth((request) => request.socket.end("HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok"));
	const { upgrade, http, seen } = await startGuarded(rule(auth.url));
	const client = await upgrade("/");
	await expectRejection(client, client.head, 502, "BAD_BACKEND_ANSWER");
	expect((await http("/")).head.status).toBe(502);
	expect(seen).toEqual([]);
});

test("a client that leaves while it waits takes its question along", async () => {
	const auth = await startAuth(() => undefined);
	const guarded = await startGuarded(rule(auth.url, ", timeout: 10s"));
	const client = await connectRaw({ port: guarded.gateway.port });
	client.write(client.handshakeHead("/"));
	const question = await until(() => auth.asked[0], { what: "the question" });
	client.reset();
	expect(await guarded.gateway.waitForLog("ws.reject")).toMatchObject({ code: "CLIENT_GONE" });
	await until(() => question.socket.destroyed, { what: "the question to be given up" });
	const plain = await connectRaw({ port: guarded.gateway.port });
	plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	await until(() => auth.asked[1], { what: "the second question" });
	plain.reset();
	expect(await guarded.gateway.waitForLog("http.request")).toMatchObject({ code: "CLIENT_GONE", status: 499 });
});

test("questions share connections, also when the server closes an idle one just then", async () => {
	const auth = await startAuth(yes);
	const guarded = await startGuarded(rule(auth.url));
	for (let i = 0; i < 10; i++) expect((await guarded.http("/")).head.status).toBe(200);
	expect(auth.connections).toBe(1);
	auth.answer = (request, response) => {
		if (auth.connections === 1) request.socket.destroy();
		else yes(request, response);
	};
	expect((await guarded.http("/")).head.status).toBe(200);
});

test("during the connection it is asked again: a refusal closes with 1008, a failure does not", async () => {
	const auth = await startAuth(yes);
	const guarded = await startGuarded(rule(auth.url, ", recheck: 100ms, timeout: 100ms, user_header: X-User"));
	const client = await guarded.upgrade("/room?a=1", { headers: { Cookie: "session=1" } });
	expect(client.head.status).toBe(101);
	await until(() => auth.asked.length >= 3, { what: "two rechecks" });
	expect(auth.asked[2]?.headers).toMatchObject({ cookie: "session=1", "x-original-uri": "/room?a=1" });
	auth.answer = (_, response) => response.writeHead(500).end();
	const failedAt = auth.asked.length;
	await until(() => auth.asked.length >= failedAt + 3, { what: "rechecks that fail" });
	client.sendFrame(OPCODE.text, "still here");
	expect((await client.readFrameOf(OPCODE.text)).payload.toString()).toBe("still here");

	auth.answer = (_, response) => response.writeHead(403).end();
	const { payload } = await client.readFrameOf(OPCODE.close);
	expect([payload.readUInt16BE(0), payload.subarray(2).toString()]).toEqual([1008, "access was withdrawn"]);
	client.sendClose(1008);
	client.end();
	expect(await guarded.gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1008,
		termination: "killed",
		user: "ada",
	});
	const after = auth.asked.length;
	await new Promise((resolve) => setTimeout(resolve, 300));
	expect(auth.asked.length).toBe(after);
});

test("an answer whose body never ends is an answer, and holds up nobody: its connection is given back at the deadline", async () => {
	const endless =
		(status: number): Answer =>
		(_, response) => {
			response.writeHead(status, { "X-User": "ada" });
			const timer = setInterval(() => response.write("x"), 20);
			response.once("close", () => clearInterval(timer));
		};
	const auth = await startAuth(endless(200));
	const guarded = await startGuarded(rule(auth.url, ", timeout: 400ms, failure_mode: allow"));
	// As many as there are connections to one server at once.
	const allowed = await Promise.all(Array.from({ length: 64 }, () => guarded.http("/")));
	expect(new Set(allowed.map(({ head }) => head.status))).toEqual(new Set([200]));
	await until(() => auth.open === 0, { what: "no connection to the authentication server" });
	auth.answer = endless(403);
	expect((await guarded.http("/")).head.status).toBe(403);
	auth.answer = (_, response) => response.writeHead(403, { "Content-Length": "10" }).write("half");
	const half = await guarded.http("/");
	expect([half.head.status, half.body], "a refusal, whatever failure_mode says").toEqual([403, "half"]);
	for (const rest of ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n"]) {
		auth.answer = ({ socket }) => socket.end(`HTTP/1.1 403 Forbidden\r\n${rest}`);
		expect((await guarded.http("/")).head.status, "a refusal that breaks off is one").toBe(403);
	}
	auth.answer = (_, response) => response.writeHead(200).end(Buffer.alloc(1_000_000));
	expect((await guarded.http("/")).head.status).toBe(200);
	auth.answer = yes;
	expect((await guarded.http("/")).head.status).toBe(200);
	await until(() => auth.open <= 1, { what: "only the kept connection" });
});

test("connections to a server that keeps them for ever are given up when nobody has asked for some seconds", async () => {
	const auth = await startAuth((_, response) => void setTimeout(() => response.writeHead(204).end(), 50));
	auth.server.keepAliveTimeout = 0;
	const guarded = await startGuarded(rule(auth.url));
	await Promise.all(Array.from({ length: 10 }, () => guarded.http("/")));
	expect(auth.open).toBeGreaterThan(1);
	await until(() => auth.open === 0, { timeout: 8_000, what: "no connection to the authentication server" });
});
