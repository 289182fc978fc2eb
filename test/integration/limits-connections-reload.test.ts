/** What checks remember outlives a reload: counters by route name, revocations, keys; files are read again. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { publicJwk, rsaKeys, SECRET, startKeyServer, token } from "../harness/tokens.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

const yaml = (backend: string, route: string) => `
	listeners: [{ address: "127.0.0.1:0" }]
	upstreams: { app: { endpoints: ["${backend}"] } }
	routes: [{ name: app, upstream: app, ${route} }]
`;

async function status(port: number, headers: Record<string, string> = {}): Promise<number> {
	const client = await connectRaw({ port });
	const { status } = await client.handshake("/", { headers });
	client.reset();
	return status;
}

test("open connections count on after a reload, against the new number", async () => {
	const backend = await startWsBackend();
	const gateway = await startReloadable(yaml(backend.url, "limits: { connections_per_ip: 2 }"));
	const kept = await connectRaw({ port: gateway.port });
	await kept.open();
	const other = await connectRaw({ port: gateway.port });
	await other.open();
	expect(await status(gateway.port)).toBe(429);
	await gateway.change(yaml(backend.url, "limits: { connections_per_ip: 3 }"));
	const third = await connectRaw({ port: gateway.port });
	await third.open();
	expect(await status(gateway.port)).toBe(429);
	await gateway.change(yaml(backend.url, "limits: { connections_per_ip: 1 }"));
	kept.sendFrame(OPCODE.text, "still here");
	expect((await kept.readFrame()).payload.toString()).toBe("still here");
	for (const client of [kept, other, third]) client.reset();
	await until(() => gateway.handle.connectionCount() === 0, { what: "all to be over" });
	expect(await status(gateway.port)).toBe(101);
});

test("a revocation holds after a reload", async () => {
	const backend = await startWsBackend();
	const route = (more = "") => yaml(backend.url, `auth: { jwt: { secret: "${SECRET}"${more} } }`);
	const gateway = await startReloadable(route());
	gateway.handle.revoke({ sub: "ada" });
	await gateway.change(route(", clock_tolerance: 1s"));
	expect(await status(gateway.port, { Authorization: `Bearer ${await token({ sub: "ada" })}` })).toBe(401);
	expect(await status(gateway.port, { Authorization: `Bearer ${await token({ sub: "eve" })}` })).toBe(101);
});

test("keys from a URL are not fetched again, and not lost when the URL fails just then", async () => {
	const backend = await startWsBackend();
	const { publicKey, privateKey } = rsaKeys();
	const keys = await startKeyServer([await publicJwk(publicKey, "one")]);
	const route = (more = "") => yaml(backend.url, `auth: { jwt: { jwks_url: "${keys.url}"${more} } }`);
	const gateway = await startReloadable(route());
	const headers = { Authorization: `Bearer ${await token({}, privateKey, { alg: "RS256", kid: "one" })}` };
	expect(await status(gateway.port, headers)).toBe(101);
	keys.serve(500);
	await gateway.change(route(", clock_tolerance: 1s"));
	expect(await status(gateway.port, headers)).toBe(101);
	expect(keys.asked).toBe(1);
});

test("keys_file is read again, and one that is broken keeps the old keys", async () => {
	const backend = await startWsBackend();
	const line = (name: string, key: string) => `${name} sha256:${createHash("sha256").update(key).digest("hex")}\n`;
	const text = yaml(backend.url, "auth: { api_key: { keys_file: keys.txt } }");
	const gateway = await startReloadable(text, (folder) => writeFileSync(join(folder, "keys.txt"), line("a", "one")));
	expect(await status(gateway.port, { "X-Api-Key": "one" })).toBe(101);
	expect(await status(gateway.port, { "X-Api-Key": "two" })).toBe(401);
	writeFileSync(join(gateway.folder, "keys.txt"), line("a", "two"));
	await gateway.handle.reload("api");
	await until(async () => (await status(gateway.port, { "X-Api-Key": "two" })) === 101, { what: "the new key" });
	expect(await status(gateway.port, { "X-Api-Key": "one" })).toBe(401);
	writeFileSync(join(gateway.folder, "keys.txt"), "a plain-text-key\n");
	await gateway.handle.reload("api");
	const rejected = await gateway.lines.waitFor("config.rejected");
	expect(JSON.stringify(rejected)).toMatch(/keys_file.*line 1 has no hash/);
	expect(JSON.stringify(rejected)).not.toContain("plain-text-key");
	expect(await status(gateway.port, { "X-Api-Key": "two" })).toBe(101);
});
