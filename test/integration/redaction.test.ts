/** Nothing secret is ever written down: not in a log line, a metric, an answer, nor in what the backend gets. */
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { bcrypt } from "hash-wasm";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { rawToken, SECRET, token } from "../harness/tokens.ts";
import { listen } from "../harness/ws-backend.ts";

const PASSWORD = "pw-5b1e0f2c";
const KEY = "key-77d0a1c9e2";
const ADMIN = 'admin: { address: "127.0.0.1:0" }\nlog: { level: debug }';

/** Every log line of a run and all metrics, as one text. */
async function written({ gateway }: Guarded): Promise<string> {
	const metrics = await (await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
	return `${gateway.logs.map((record) => JSON.stringify(record)).join("\n")}\n${gateway.lines.other.join("\n")}\n${metrics}`;
}

function expectNone(text: string, secrets: readonly string[]): void {
	expect(text.length).toBeGreaterThan(500);
	for (const secret of secrets) {
		expect(secret.length).toBeGreaterThan(7);
		expect(text).not.toContain(secret);
		expect(text).not.toContain(encodeURIComponent(secret));
	}
}

test("a token in header, query, cookie or subprotocol: let in, refused, closed and relayed", async () => {
	const guarded = await startGuarded(
		`auth: { jwt: { secret: "${SECRET}", from: [header, { query: token }, { cookie: jwt }, { subprotocol: bearer. }] } }`,
		{ top: ADMIN },
	);
	const good = await token({ sub: "ada" });
	const bad = rawToken({ alg: "none" }, { sub: "root" });
	const bodies: string[] = [];
	for (const text of [good, bad]) {
		for (const [target, options] of [
			[
				"/",
				{
					headers: {
						Authorization: `Bearer ${text}`,
						Cookie: "session=cookie-secret-1",
						Origin: "http://gateway.test",
					},
				},
			],
			[`/a?token=${text}&other=query-secret-2`, {}],
			["/", { headers: { Cookie: `jwt=${text}` } }],
			["/", { subprotocols: [`bearer.${text}`] }],
			["/", { subprotocols: ["chat", `bearer.${text}`] }],
		] as const) {
			const client = await guarded.upgrade(target, options as Parameters<Guarded["upgrade"]>[1]);
			if (client.head.status === 101) {
				client.sendFrame(OPCODE.text, "payload-secret-3");
				client.sendClose(1000, "bye");
				client.end();
			} else {
				bodies.push(await client.readBody(client.head));
			}
			bodies.push((await guarded.http(target, { headers: "headers" in options ? options.headers : {} })).body);
		}
	}
	expect(guarded.gateway.lines.of("ws.open").length).toBe(5);
	expect(guarded.gateway.lines.of("ws.reject").length).toBe(5);
	guarded.gateway.handle.revoke({ sub: "ada" });
	const parts = [good, bad].flatMap((text) => text.split(".").filter((part) => part.length > 20));
	const secrets = [SECRET, "cookie-secret-1", "query-secret-2", "payload-secret-3", ...parts];
	expectNone(await written(guarded), secrets);
	expectNone(bodies.join("\n"), secrets);
	const beyond = guarded.seen.map(({ url, rawHeaders }) => JSON.stringify([url, rawHeaders])).join("\n");
	expectNone(beyond, parts);
});

test("passwords and API keys, right and wrong ones", async () => {
	const { dir } = await temporaryFiles({
		keys: `billing sha256:${createHash("sha256").update(KEY).digest("hex")}\n`,
		users: `ada:${await bcrypt({ password: PASSWORD, salt: randomBytes(16), costFactor: 4, outputType: "encoded" })}\n`,
	});
	const guarded = await startGuarded(
		"auth: { basic: { users_file: users }, api_key: { keys_file: keys, from: [{ header: X-Api-Key }, { query: key }] } }",
		{ top: ADMIN, file: join(dir, "routes.yaml") },
	);
	const bodies: string[] = [];
	const basic = (password: string) => `Basic ${Buffer.from(`ada:${password}`).toString("base64")}`;
	for (const [key, password] of [
		[KEY, PASSWORD],
		[KEY, "wrong-password-4"],
		["wrong-key-5", PASSWORD],
	] as const) {
		const headers = { Authorization: basic(password) };
		for (const [target, extra] of [
			["/", { "X-Api-Key": key }],
			[`/?key=${key}`, {}],
		] as const) {
			const client = await guarded.upgrade(target, { headers: { ...headers, ...extra } });
			if (client.head.status !== 101) bodies.push(await client.readBody(client.head));
			bodies.push((await guarded.http(target, { headers: { ...headers, ...extra } })).body);
			client.reset();
		}
	}
	const secrets = [
		PASSWORD,
		KEY,
		"wrong-password-4",
		"wrong-key-5",
		...[PASSWORD, "wrong-password-4"].map((p) => basic(p).slice(6)),
	];
	expectNone(`${await written(guarded)}\n${bodies.join("\n")}`, secrets);
	expectNone(guarded.seen.map(({ url, rawHeaders }) => JSON.stringify([url, rawHeaders])).join("\n"), secrets);
});

test("an authentication server that fails or refuses leaves no trace of the client's secrets in the log", async () => {
	const server = createServer((request, response) => {
		if (request.headers["x-original-uri"]?.includes("fail")) request.socket.destroy();
		else response.writeHead(403).end("no");
	});
	const { port } = await listen(server);
	const guarded = await startGuarded(
		`auth: { forward: { url: "http://127.0.0.1:${port}/check?client_secret=url-secret-6" } }`,
		{
			top: ADMIN,
		},
	);
	for (const path of ["/fail", "/deny"]) {
		const headers = { Authorization: "Bearer header-secret-7", Cookie: "sid=cookie-secret-8" };
		await guarded.upgrade(`${path}?token=query-secret-9`, { headers });
		await guarded.http(`${path}?token=query-secret-9`, { headers });
	}
	await guarded.gateway.waitForLog("forward_auth.unavailable");
	expectNone(await written(guarded), ["url-secret-6", "header-secret-7", "cookie-secret-8", "query-secret-9"]);
});
