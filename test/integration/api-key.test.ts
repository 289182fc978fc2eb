/** `auth.api_key`: keys of programs, of which the gateway knows only hashes. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";

const KEY = "k_3f9c0a7d5e1b42689d0c";
const hashed = (key: string) => `sha256:${createHash("sha256").update(key).digest("hex")}`;

async function start(more = "") {
	const { dir } = await temporaryFiles({
		keys: `# programs\n\nbilling ${hashed(KEY)}\nbilling ${hashed("new-key")}\r\nreports\t${hashed("other").toUpperCase().replace("SHA256", "sha256")}\n`,
	});
	return startGuarded(`auth: { api_key: { keys_file: keys${more} } }`, { file: join(dir, "routes.yaml") });
}

test("a known key lets its program in under its name, and goes no further", async () => {
	const guarded = await start(", forward_user: X-Program");
	for (const [key, name] of [
		[KEY, "billing"],
		["new-key", "billing"],
		["other", "reports"],
	] as const) {
		const client = await guarded.upgrade("/", { headers: { "X-Api-Key": key, "X-Program": "root" } });
		expect(client.head.status).toBe(101);
		expect(guarded.seen.at(-1)?.headers["x-program"]).toBe(name);
		expect(JSON.stringify(guarded.seen.at(-1)?.rawHeaders)).not.toContain(key);
		expect((await guarded.http("/", { headers: { "X-Api-Key": key } })).head.status).toBe(200);
		client.reset();
	}
	expect(guarded.gateway.lines.of("ws.open").map(({ user }) => user)).toEqual(["billing", "billing", "reports"]);
});

test("no key and a wrong key are told apart, and neither reaches the backend", async () => {
	const guarded = await start();
	const missing = await guarded.upgrade("/");
	await expectRejection(missing, missing.head, 401, "API_KEY_MISSING");
	expect(missing.head.header("www-authenticate")).toBe("ApiKey");
	for (const key of ["wrong", `${KEY} `.repeat(2), KEY.slice(1), hashed(KEY), hashed(KEY).slice(7), "é", ","]) {
		const client = await guarded.upgrade("/", { headers: { "X-Api-Key": key } });
		await expectRejection(client, client.head, 401, "API_KEY_INVALID");
		expect((await guarded.http("/", { headers: { "X-Api-Key": key } })).head.status).toBe(401);
	}
	expect(guarded.seen).toEqual([]);
});

test("the key can come in a query, a cookie or a subprotocol, and is taken out of it", async () => {
	const guarded = await start(", from: [{ query: key }, { cookie: key }, { subprotocol: key. }]");
	await guarded.upgrade(`/?a=1&key=${KEY}&b=2`);
	await guarded.upgrade("/", { headers: { Cookie: `key=${KEY}` } });
	const client = await guarded.upgrade("/", { subprotocols: [`key.${KEY}`] });
	expect(client.head.header("sec-websocket-protocol")).toBe(`key.${KEY}`);
	expect(guarded.seen).toHaveLength(3);
	expect(guarded.seen[0]?.url).toBe("/?a=1&b=2");
	expect(JSON.stringify(guarded.seen.map(({ url, rawHeaders }) => [url, rawHeaders]))).not.toContain(KEY);
	expect((await guarded.upgrade("/", { headers: { "X-Api-Key": KEY } })).head.status).toBe(401);
});
