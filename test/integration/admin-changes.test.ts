/** The admin API: reloads, revocations, and what every change needs. */

import { join } from "node:path";
import { SignJWT } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { startGateway } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { LogLines } from "../harness/log-lines.ts";
import { freePort } from "../harness/ports.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";

async function chatGateway(more = "") {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(adminYaml({ chat: [backend.url] }, more));
	return { backend, gateway, open: (path = "/chat", ...protocols: string[]) => openWs(gateway.url(path), protocols) };
}

describe("POST reload", () => {
	/** A gateway whose configuration is a variable: nothing but the API can make it read that. */
	const gatewayOf = async (yaml: string) => {
		const text = { now: yaml };
		const { dir } = await temporaryFiles({ "unused.yaml": "" });
		const source = { file: join(dir, "routes.yaml"), load: () => loadConfig(text.now, "routes.yaml", {}) };
		const { config } = source.load();
		if (!config) throw new Error("the test's configuration is not valid");
		const lines = new LogLines();
		const handle = await startGateway({ config, source, write: (line) => lines.writeLine(line) });
		onTestFinished(() => handle.stop({ immediately: true }));
		// The watch on files looks once after the start; then only the API makes it read.
		await lines.waitFor("config.unchanged");
		return { handle, text, reload: () => api(handle, "reload", { method: "POST" }) };
	};

	test("answers what was done, and with 422 and every place when the file is wrong", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml({ chat: [backend.url] }, "log: { level: debug }");
		const { handle, text, reload } = await gatewayOf(yaml);
		expect(await reload()).toMatchObject({ status: 200, json: { result: "unchanged", problems: [] } });
		text.now = yaml.replace("upstream: chat", "upstream: chta").replace("spread: 0s", "spread: 0");
		const rejected = await reload();
		expect(rejected.status).toBe(422);
		expect(rejected.json.result).toBe("rejected");
		expect(rejected.json.problems[0]).toMatch(/^routes\.yaml:\d+:\d+: routes\[0\]\.upstream: /);
		expect(rejected.json.error).toEqual({ code: "CONFIG_REJECTED", message: rejected.json.problems[0] });
		text.now = yaml.replace("spread: 0s", "spread: 1s");
		expect((await reload()).json).toEqual({ result: "success", problems: [] });
		expect((await api(handle, "config")).json.config.routes[0].drain.spread).toBe(1000);
	});

	test("that moves the admin port, or gives it a token, is still answered, and streams on the old port end", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml({ chat: [backend.url] }, "log: { level: debug }");
		const { handle, text, reload } = await gatewayOf(yaml);
		const before = handle.adminPort as number;
		const events = await fetch(`http://127.0.0.1:${before}/api/v1/events`);
		const withToken = (port: number) =>
			yaml.replace('admin: { address: "127.0.0.1:0" }', `admin: { address: "127.0.0.1:${port}", token: letmein }`);
		const free = await freePort();
		text.now = withToken(free);
		expect(await reload()).toMatchObject({ status: 200, json: { result: "success" } });
		expect(handle.adminPort).toBe(free);
		await events.text();
		const headers = { authorization: "Bearer letmein" };
		expect((await api(handle, "routes")).status).toBe(401);
		expect((await api(handle, "routes", { headers })).status).toBe(200);
		// Another token at the same address.
		text.now = withToken(free).replace("letmein", "another");
		expect((await api(handle, "reload", { method: "POST", headers })).json.result).toBe("success");
		expect((await api(handle, "routes", { headers })).status).toBe(401);
		expect((await api(handle, "routes", { headers: { authorization: "Bearer another" } })).status).toBe(200);
	});

	test("to an admin address that cannot be had is rejected: the port stays, and nothing else is taken", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml({ chat: [backend.url] }, "log: { level: debug }");
		const { handle, text, reload } = await gatewayOf(yaml);
		text.now = yaml
			.replace('admin: { address: "127.0.0.1:0" }', `admin: { address: "127.0.0.1:${backend.port}" }`)
			.replace("spread: 0s", "spread: 2s");
		expect((await reload()).json.result).toBe("rejected");
		expect((await api(handle, "config")).json.config.routes[0].drain.spread).toBe(0);
	});
});

describe("changes", () => {
	test("need the media type of JSON, a body of 64 KiB at most, and JSON in it", async () => {
		const { gateway } = await chatGateway();
		const post = async (body: unknown, headers: Record<string, string>) => {
			const { status, json } = await api(gateway.handle, "drain", { method: "POST", body, headers });
			return [status, json.error?.code];
		};
		for (const type of [
			"",
			"text/plain",
			"application/x-www-form-urlencoded",
			"application/jsonp",
			"multipart/form-data",
		]) {
			expect(await post("{}", { "content-type": type }), type).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
		}
		expect(await post("{", {})).toEqual([400, "INVALID"]);
		expect(await post(`{"reason": "${"x".repeat(70_000)}"}`, {})).toEqual([413, "TOO_LARGE"]);
		expect(await post(`{"reason": "${"x".repeat(70_000)}"}`, { "transfer-encoding": "chunked" })).toEqual([
			413,
			"TOO_LARGE",
		]);
		expect(await post("{}", { "content-type": "application/json; charset=utf-8" })).toEqual([202, undefined]);
	});

	test("of other sites' pages are refused, those of the port's own page and of programs are not", async () => {
		const { gateway } = await chatGateway();
		const own = `127.0.0.1:${gateway.handle.adminPort}`;
		const post = async (headers: Record<string, string>) =>
			(await api(gateway.handle, "drain", { method: "POST", headers: { host: own, ...headers } })).status;
		const cross = [
			{ origin: "https://evil.example" },
			{ origin: "null" },
			{ origin: `http://127.0.0.1:${gateway.port}` },
			{ origin: `http://${own}.evil.example` },
			{ "sec-fetch-site": "cross-site" },
			{ "sec-fetch-site": "same-site" },
			{ "sec-fetch-site": "same-site", origin: `http://${own}` },
		];
		for (const headers of cross)
			expect(await post(headers as Record<string, string>), JSON.stringify(headers)).toBe(403);
		expect(await post({ host: "evil.example" })).toBe(421);
		expect(await post({ origin: `http://${own}`, "sec-fetch-site": "same-origin" })).toBe(202);
		expect(await post({})).toBe(202);
		const { headers } = await api(gateway.handle, "routes", { headers: { origin: "https://evil.example" } });
		expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
		expect((await api(gateway.handle, "drain", { method: "OPTIONS" })).status).toBe(405);
	});

	test("need the token where there is one", async () => {
		const backend = await startWsBackend();
		const gateway = await startTestGateway(
			adminYaml({ chat: [backend.url] }).replace(
				'admin: { address: "127.0.0.1:0" }',
				'admin: { address: "127.0.0.1:0", token: t0ken }',
			),
		);
		expect((await api(gateway.handle, "drain", { method: "POST" })).status).toBe(401);
		expect(
			(await api(gateway.handle, "drain", { method: "POST", headers: { authorization: "Bearer t0ken" } })).status,
		).toBe(202);
	});
});

describe("revocations", () => {
	test("close open connections of the subject, and refuse its tokens from then on", async () => {
		const backend = await startWsBackend();
		const gateway = await startTestGateway(
			adminYaml(
				{ chat: [backend.url] },
				"defaults: { auth: { jwt: { secret: a-secret-of-at-least-32-characters, algorithms: [HS256] } } }",
			),
		);
		const token = (sub: string) =>
			new SignJWT({ sub })
				.setProtectedHeader({ alg: "HS256" })
				.setExpirationTime("1h")
				.sign(Buffer.from("a-secret-of-at-least-32-characters"));
		const open = async (sub: string) =>
			openWs(gateway.url("/chat"), [], { headers: { authorization: `Bearer ${await token(sub)}` } });
		const [alice, bob] = [await open("alice"), await open("bob")];
		expect((await api(gateway.handle, "connections?user=alice")).json.total).toBe(1);
		const { json } = await api(gateway.handle, "revocations", { method: "POST", body: { sub: "alice" } });
		expect(json).toMatchObject({ sub: "alice", closed: 1 });
		expect((await alice.waitClosed()).code).toBe(1008);
		await expect(open("alice")).rejects.toThrow();
		expect(bob.closed).toBeUndefined();
		await open("bob");
	});

	test("take one name and a time, and are listed", async () => {
		const { gateway } = await chatGateway();
		const post = (body: unknown) => api(gateway.handle, "revocations", { method: "POST", body });
		const { status, json } = await post({ sub: "alice", until: "2h" });
		expect([status, json.sub, json.closed]).toEqual([201, "alice", 0]);
		expect((await post({ jti: "abc", until: "2999-01-01T00:00:00Z" })).json).toEqual({
			jti: "abc",
			until: "2999-01-01T00:00:00.000Z",
			closed: 0,
		});
		const listed = (await api(gateway.handle, "revocations")).json;
		expect(listed.total).toBe(2);
		expect(listed.revocations.map(({ sub, jti }: { sub?: string; jti?: string }) => sub ?? jti)).toEqual([
			"alice",
			"abc",
		]);
		const message = async (body: unknown) => (await post(body)).json.error.message;
		expect(await message({ until: "1h" })).toContain("give exactly one of sub and jti");
		expect(await message({ sub: "a", jti: "b", until: "1h" })).toContain("give exactly one of sub and jti");
		expect(await message({ sub: "a", until: "2001-01-01T00:00:00Z" })).toBe("until: is in the past");
		expect(await message({ sub: "a", until: "tomorrow" })).toMatch(/^until: expected a time such as/);
		expect(await message({ sub: "a", until: "off" })).toMatch(/^until: expected a time such as/);
	});
});
