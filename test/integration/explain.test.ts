/** `clawgate explain`: what it says. That a gateway then does it is explain-property.test.ts's subject. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Explanation } from "../../src/gateway/explain.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { startCli } from "../harness/child.ts";
import { dedent, startTestGateway } from "../harness/gateway.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { runCli, type Said } from "./cli.fixtures.ts";

const explain = (cwd: string, ...argv: string[]): Promise<Said> => runCli(["explain", ...argv], { cwd });

async function folderWith(yaml: string): Promise<string> {
	return (await temporaryFiles({ "routes.yaml": dedent(yaml) })).dir;
}

const YAML = `
	trusted_proxies: [10.0.0.1]
	listeners:
	  - { name: plain, address: ":8080" }
	  - { name: secure, address: ":8443", tls: { self_signed: [localhost] } }
	upstreams:
	  chat:
	    endpoints: ["ws://10.1.0.1:1", { url: "ws://10.1.0.2:1", state: drain }, { url: "ws://10.1.0.3:1", backup: true }]
	  canary: { endpoints: ["ws://10.2.0.1:1"] }
	  empty: { endpoints: [{ url: "ws://10.3.0.1:1", state: maint }] }
	routes:
	  - { name: api, match: { host: api.example.com, path_prefix: /v1 }, upstream: chat, http: reject }
	  - { name: empty, match: { path: /empty }, upstream: empty }
	  - name: chat
	    match: { path_prefix: /ws, subprotocol: chat.v2 }
	    split: [{ upstream: chat, weight: 3 }, { upstream: canary, weight: 1 }]
	    rewrite: { strip_prefix: /ws }
	    deny: [192.0.2.0/24]
	    retries: { attempts: 1 }
`;

describe("clawgate explain", () => {
	test("waits for a password to be checked, although nothing else keeps the process", async () => {
		const { dir } = await temporaryFiles({
			// "secret", by openssl passwd -apr1
			htpasswd: "ada:$apr1$eXoswvAJ$kNTFMfioQnCvSMxt9bWl7.\n",
			"routes.yaml": dedent(`
				listeners: [{ address: ":8080" }]
				upstreams: { chat: { endpoints: ["ws://10.1.0.1:1"] } }
				routes: [{ upstream: chat, auth: { basic: { users_file: htpasswd } } }]
			`),
		});
		const credentials = Buffer.from("ada:secret").toString("base64");
		const child = startCli(["explain", "ws://localhost:8080/", "-H", `Authorization: Basic ${credentials}`], {
			cwd: dir,
		});
		expect(await child.exit()).toEqual({ code: 0, signal: null });
		expect(child.stdout()).toMatch(/^ +basic: passed$/m);
	});

	test("tells the listener, why routes did not match, the checks, and the endpoints in their order", async () => {
		const dir = await folderWith(YAML);
		const { code, out, err } = await explain(
			dir,
			"ws://chat.example.com:8080/ws/room?token=secret",
			"--subprotocol",
			"chat.v2",
		);
		expect([code, err]).toEqual([0, ""]);
		expect(out).toBe(
			[
				"listener   plain (:8080)",
				"client     127.0.0.1",
				"routes     api: host is not api.example.com",
				"           empty: path is not /empty",
				"           chat: matches",
				"checks     address: passed",
				"           origin: passed",
				"upstream   chat (75% of the connections, round_robin, the order of one handshake)",
				"           1.  10.1.0.1:1",
				"           2.  10.1.0.3:1 (backup), beyond retries.attempts (1)",
				"           -   10.1.0.2:1: drain",
				"upstream   canary (25% of the connections, round_robin)",
				"           1.  10.2.0.1:1",
				"backend    is asked for /room?…",
				"result     passed on to the backend",
				"",
			].join("\n"),
		);
	});

	test("tells as JSON what stands in the way, with the status and code that the client would get", async () => {
		const dir = await folderWith(YAML);
		const ask = async (...argv: string[]): Promise<Explanation> =>
			JSON.parse((await explain(dir, "--json", ...argv)).out);
		const chat = ["ws://x:8080/ws", "--subprotocol", "chat.v2"];
		const denied = await ask(...chat, "--client-ip", "192.0.2.7");
		expect(denied).toMatchObject({
			route: "chat",
			client_ip: "192.0.2.7",
			refusal: { status: 403, code: "ADDRESS_DENIED" },
		});
		expect(denied.checks.map(({ name, outcome }) => [name, outcome])).toEqual([
			["address", "refused"],
			["origin", "not_reached"],
		]);
		expect(await ask(...chat, "--client-ip", "10.0.0.1", "-H", "X-Forwarded-For: 192.0.2.9")).toMatchObject({
			client_ip: "192.0.2.9",
			refusal: { code: "ADDRESS_DENIED" },
		});
		expect(await ask(...chat, "-H", "Origin: https://evil.example")).toMatchObject({
			refusal: { status: 403, code: "ORIGIN_DENIED" },
		});
		expect(await ask("ws://x:8080/empty")).toMatchObject({
			route: "empty",
			refusal: { status: 503, code: "NO_ENDPOINT" },
		});
		expect(await ask("http://api.example.com:8080/v1/x")).toMatchObject({
			route: "api",
			refusal: { status: 426, code: "UPGRADE_REQUIRED" },
		});
		expect(await ask("ws://x:8080/a/../b")).toMatchObject({ routes: [], refusal: { status: 400, code: "BAD_TARGET" } });
		expect(await ask(...chat, "-H", "Sec-WebSocket-Version: 8")).toMatchObject({
			refusal: { status: 426, code: "BAD_VERSION" },
		});
	});

	test("exits with 0 when a route matches, 1 when none does, 2 for wrong arguments", async () => {
		const dir = await folderWith(YAML);
		expect((await explain(dir, "ws://api.example.com:8080/v1")).code).toBe(0);
		const none = await explain(dir, "ws://x:8080/nowhere");
		expect(none.code).toBe(1);
		expect(none.out).toContain("result     404 NO_ROUTE: ");
		for (const argv of [
			[],
			["chat.example.com"],
			["ftp://x/"],
			["ws://x/#top"],
			["ws://user:pass@x/"],
			["ws://x:99999/"],
			["ws://x/", "ws://y/"],
			["ws://x/", "-H", "no colon"],
			["ws://x/", "-H", "A: b\r\nEvil: 1"],
			["ws://x/", "--client-ip", "localhost"],
			["ws://x/", "--unknown"],
		]) {
			const { code, err } = await explain(dir, ...argv);
			expect(code, argv.join(" ")).toBe(2);
			expect(err, argv.join(" ")).toMatch(/^clawgate explain: \S/);
		}
		expect((await explain(dir, "--help")).out).toMatch(/^Usage: clawgate explain /);
	});

	test("finds the listener by port, assumes something in front where no listener has it, and takes one by name", async () => {
		const dir = await folderWith(YAML);
		const listener = async (...argv: string[]) => (await explain(dir, ...argv)).out.split("client")[0];
		expect(await listener("wss://api.example.com:8443/v1")).toBe("listener   secure (:8443)\n");
		expect(await listener("wss://api.example.com/v1")).toContain(
			"no listener has port 443; assumed that something in front passes it on to :8443",
		);
		expect(await listener("ws://api.example.com/v1", "--listener", "secure")).toBe("listener   secure (:8443)\n");
		const wrong = await explain(dir, "wss://api.example.com:8080/v1");
		expect([wrong.code, wrong.err]).toEqual([
			1,
			"clawgate explain: listener plain (:8080) has no TLS: it takes ws:// and http://, not wss://\n",
		]);
		expect((await explain(dir, "ws://x/", "--listener", "none")).err).toContain(
			"there is no listener none; there are plain, secure",
		);
	});

	test("says what is wrong with the file, and where", async () => {
		const dir = await folderWith(YAML.replace("upstream: empty", "upstream: emty"));
		const { code, err } = await explain(dir, "ws://x:8080/");
		expect(code).toBe(1);
		expect(err).toMatch(/^routes\.yaml:\d+:\d+: routes\[1\]\.upstream: /);
	});

	test("asks the checks of a token as the gateway does, and never asks another server", async () => {
		let asked = 0;
		const auth = await startWsBackend({
			onRequest: (_, response) => {
				asked++;
				response.writeHead(200).end();
			},
		});
		const dir = await folderWith(`
			listeners: [{ address: ":8080" }]
			upstreams: { chat: { endpoints: ["ws://10.1.0.1:1"] } }
			routes:
			  - name: chat
			    upstream: chat
			    auth:
			      jwt: { secret: a-secret-of-at-least-thirty-two-bytes, algorithms: [HS256] }
			      forward: { url: "http://127.0.0.1:${auth.port}/check" }
		`);
		const missing: Explanation = JSON.parse((await explain(dir, "--json", "ws://x:8080/")).out);
		expect(missing.refusal?.status).toBe(401);
		expect(missing.checks.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
			"origin passed",
			"jwt refused",
			"forward not_reached",
		]);
		const withoutJwt = dedent(`
			listeners: [{ address: ":8080" }]
			upstreams: { chat: { endpoints: ["ws://10.1.0.1:1"] } }
			routes: [{ name: chat, upstream: chat, auth: { forward: { url: "http://127.0.0.1:${auth.port}/check" } } }]
		`);
		writeFileSync(join(dir, "routes.yaml"), withoutJwt);
		const skipped: Explanation = JSON.parse((await explain(dir, "--json", "ws://x:8080/")).out);
		expect(skipped.checks.at(-1)).toEqual({ name: "forward", outcome: "not_asked" });
		expect(skipped.refusal).toBeUndefined();
		expect(asked).toBe(0);
	});

	test("knows to which endpoint a sticky cookie leads", async () => {
		const backends = [await startWsBackend(), await startWsBackend(), await startWsBackend()];
		const yaml = `
			listeners: [{ name: main, address: "127.0.0.1:0" }]
			upstreams: { chat: { endpoints: ${JSON.stringify(backends.map(({ url }) => url))}, sticky: { cookie: {} } } }
			routes: [{ name: chat, upstream: chat }]
		`;
		const gateway = await startTestGateway(yaml);
		const dir = await folderWith(yaml);
		for (let i = 0; i < 3; i++) {
			const client = await connectRaw({ port: gateway.port });
			const head = await client.open("/");
			const cookie = String(head.header("set-cookie")).split(";")[0];
			const found: Explanation = JSON.parse(
				(await explain(dir, "--json", gateway.url(), "-H", `Cookie: ${cookie}`)).out,
			);
			expect(found.upstreams[0]).toMatchObject({ sticky: true });
			expect(found.upstreams[0]?.endpoints[0]?.id).toBe(
				gateway.logs.filter(({ event }) => event === "ws.open").at(-1)?.endpoint,
			);
		}
	});
});
