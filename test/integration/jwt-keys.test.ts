/** `auth.jwt.jwks_url`: keys are fetched when needed, rotated, and kept when their URL fails. */
import { expect, test } from "vitest";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { publicJwk, rawToken, rsaKeys, SECRET, startKeyServer, token } from "../harness/tokens.ts";

const one = rsaKeys();
const two = rsaKeys();
const RS = { alg: "RS256" };

async function code(guarded: Guarded, text: string): Promise<string> {
	const client = await guarded.upgrade("/", { headers: { Authorization: `Bearer ${text}` } });
	if (client.head.status === 101) {
		client.reset();
		return "ok";
	}
	expect(client.head.status).toBe(401);
	expect(client.head.header("www-authenticate")).toMatch(/^Bearer/);
	return /^[A-Z_]+/.exec(await client.readBody(client.head))?.[0] as string;
}

function jwks(url: string, more = ""): string {
	return `auth: { jwt: { jwks_url: "${url}"${more} } }`;
}

test("an unknown key id is looked for once the keys were rotated, but not more often than the cooldown", async () => {
	const keys = await startKeyServer([await publicJwk(one.publicKey, "one")]);
	const guarded = await startGuarded(jwks(keys.url, ", jwks_cooldown: 300ms"));
	const first = await token({ sub: "ada" }, one.privateKey, { ...RS, kid: "one" });
	const second = await token({ sub: "ada" }, two.privateKey, { ...RS, kid: "two" });
	expect(await code(guarded, first)).toBe("ok");
	expect(await code(guarded, second)).toBe("JWT_INVALID");
	expect(keys.asked).toBe(1);

	// A hundred invented ids cost one fetch each cooldown at most.
	await Promise.all(
		Array.from({ length: 100 }, async (_, index) => {
			const invented = await token({}, two.privateKey, { ...RS, kid: `invented-${index}` });
			expect(await code(guarded, invented)).toBe("JWT_INVALID");
		}),
	);
	expect(keys.asked).toBeLessThan(30);

	keys.serve([await publicJwk(two.publicKey, "two")]);
	await until(async () => (await code(guarded, second)) === "ok", { what: "the rotated key to be found" });
	expect(await code(guarded, first)).toBe("JWT_INVALID");
	expect(guarded.seen).toHaveLength(2);
});

test("without any keys nobody is let in, and the log says why; once they are there everybody is", async () => {
	const keys = await startKeyServer([]);
	for (const broken of [500, "not json", "{}", '{"keys":1}', "x".repeat(300_000)]) {
		keys.serve(broken);
		const guarded = await startGuarded(jwks(keys.url, ", jwks_cooldown: 20ms"));
		const good = await token({ sub: "ada" }, one.privateKey, { ...RS, kid: "one" });
		expect(await code(guarded, good)).toBe("JWKS_UNAVAILABLE");
		expect(guarded.seen).toEqual([]);
		const notice = await guarded.gateway.waitForLog("jwks.unavailable");
		expect(notice).toMatchObject({ level: "warn", url: keys.url });
		keys.serve([await publicJwk(one.publicKey, "one")]);
		await until(async () => (await code(guarded, good)) === "ok", { what: "the keys to be fetched" });
		await guarded.gateway.waitForLog("jwks.available");
	}
	const nobody = await startGuarded(jwks(`http://127.0.0.1:${await closedPort()}/keys?secret=s3cret`));
	expect(await code(nobody, await token({}, one.privateKey, RS))).toBe("JWKS_UNAVAILABLE");
	expect(JSON.stringify(await nobody.gateway.waitForLog("jwks.unavailable"))).not.toContain("s3cret");
});

test("a URL that is silent is given up after jwks_timeout", async () => {
	const keys = await startKeyServer([]);
	keys.serve("silence");
	const guarded = await startGuarded(jwks(keys.url, ", jwks_timeout: 50ms"));
	expect(await code(guarded, await token({}, one.privateKey, RS))).toBe("JWKS_UNAVAILABLE");
});

test("the last good keys are kept for as long as the URL fails", async () => {
	const keys = await startKeyServer([await publicJwk(one.publicKey, "one")]);
	const guarded = await startGuarded(jwks(keys.url, ", jwks_max_age: 1ms, jwks_cooldown: 1ms"));
	const good = await token({ sub: "ada" }, one.privateKey, { ...RS, kid: "one" });
	expect(await code(guarded, good)).toBe("ok");
	for (const broken of [503, "garbage", "{}"]) {
		keys.serve(broken);
		const before = keys.asked;
		await until(async () => (await code(guarded, good)) === "ok" && keys.asked > before, { what: "a failed fetch" });
	}
	// A key that is really gone counts no more.
	keys.serve([await publicJwk(two.publicKey, "two")]);
	await until(async () => (await code(guarded, good)) === "JWT_INVALID", { what: "the old key to be forgotten" });
});

test("keys without ids are all tried", async () => {
	const keys = await startKeyServer([await publicJwk(one.publicKey), await publicJwk(two.publicKey)]);
	const guarded = await startGuarded(jwks(keys.url));
	for (const { privateKey } of [one, two]) expect(await code(guarded, await token({}, privateKey, RS))).toBe("ok");
	expect(await code(guarded, await token({}, rsaKeys().privateKey, RS))).toBe("JWT_INVALID");
	expect(keys.asked).toBe(1);
});

test("a shared secret in a key set signs nothing", async () => {
	const k = Buffer.from(SECRET).toString("base64url");
	const keys = await startKeyServer([{ kty: "oct", k, kid: "s", alg: "HS256" }, await publicJwk(one.publicKey, "one")]);
	const guarded = await startGuarded(jwks(keys.url));
	expect(await code(guarded, await token({}, SECRET, { kid: "s" }))).toBe("JWT_INVALID");
	const key = one.publicKey.export({ type: "spki", format: "pem" }) as string;
	expect(await code(guarded, rawToken({ alg: "HS256", kid: "one" }, {}, key))).toBe("JWT_INVALID");
	expect(await code(guarded, rawToken({ alg: "none", kid: "one" }, {}))).toBe("JWT_INVALID");
});
