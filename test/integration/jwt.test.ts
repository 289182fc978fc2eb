/** `auth.jwt` without a JWKS URL: which tokens are taken, where they may be, and what the backend sees of them. */
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";
import { inSeconds, rawToken, rsaKeys, SECRET, token } from "../harness/tokens.ts";

const bearer = (text: string) => ({ Authorization: `Bearer ${text}` });

/** The code that a token gets on both kinds of request; "ok" when it is let in by both. */
async function verdict(guarded: Guarded, text: string): Promise<string> {
	const before = guarded.seen.length;
	const client = await guarded.upgrade("/", { headers: bearer(text) });
	const answer = await guarded.http("/", { headers: bearer(text) });
	if (client.head.status === 101 && answer.head.status === 200) {
		client.reset();
		return "ok";
	}
	const body = await client.readBody(client.head);
	const code = /^[A-Z_]+/.exec(body)?.[0] as string;
	await expect(answer.body).toBe(body);
	expect([client.head.status, answer.head.status]).toEqual([401, 401]);
	expect(client.head.header("www-authenticate")).toMatch(/^Bearer/);
	expect(answer.head.header("www-authenticate")).toMatch(/^Bearer/);
	expect(guarded.seen.length).toBe(before);
	return code;
}

const RULES = `auth: { jwt: { secret: "${SECRET}", issuer: "https://id", audience: [chat, admin], clock_tolerance: 2s, required_claims: { role: [user, admin], "tenant.id": 7 } } }`;
const GOOD = { sub: "ada", iss: "https://id", aud: "chat", role: "user", tenant: { id: 7 } };

test("every kind of bad token is a 401 with its code, and none reaches a backend", async () => {
	// More bad ones than an address may show before it is locked out.
	const guarded = await startGuarded(`${RULES}\nlimits: { failed_logins: off }`);
	const hs = (claims: Record<string, unknown>) => token({ ...GOOD, ...claims });
	expect(await verdict(guarded, await hs({}))).toBe("ok");
	expect(await verdict(guarded, await hs({ aud: ["other", "admin"], role: ["guest", "admin"] }))).toBe("ok");

	// alg none, in every spelling, with and without a signature
	for (const alg of ["none", "None", "NONE", "", null, ["HS256"], "hs256", "HS1"]) {
		expect(await verdict(guarded, rawToken({ alg }, GOOD))).toBe("JWT_INVALID");
		expect(await verdict(guarded, rawToken({ alg }, GOOD, SECRET))).toBe("JWT_INVALID");
	}
	// wrong key, cut signature, changed payload, critical extension, other hash than the header says
	expect(await verdict(guarded, await token(GOOD, "another secret, also of 32 bytes"))).toBe("JWT_INVALID");
	const good = await hs({});
	expect(await verdict(guarded, good.slice(0, -4))).toBe("JWT_INVALID");
	const [header, , signature] = good.split(".") as [string, string, string];
	const forged = Buffer.from(JSON.stringify({ ...GOOD, sub: "root" })).toString("base64url");
	expect(await verdict(guarded, `${header}.${forged}.${signature}`)).toBe("JWT_INVALID");
	expect(await verdict(guarded, rawToken({ alg: "HS256", crit: ["x"], x: 1 }, GOOD, SECRET))).toBe("JWT_INVALID");
	expect(await verdict(guarded, rawToken({ alg: "HS256", b64: false, crit: ["b64"] }, GOOD, SECRET))).toBe(
		"JWT_INVALID",
	);
	expect(await verdict(guarded, rawToken({ alg: "HS512" }, GOOD, SECRET))).toBe("JWT_INVALID");
	// not a token at all, a payload that is not an object, times that are not numbers
	for (const text of ["x", "..", "a.b.c", "a.b", "a.b.c.d.e", `${good}.`, `${good} `.repeat(2), "%00"]) {
		expect([text, await verdict(guarded, text)]).toEqual([text, "JWT_INVALID"]);
	}
	for (const payload of ["[]", "null", "1", "{", '"x"']) {
		expect(await verdict(guarded, rawToken({ alg: "HS256" }, payload, SECRET))).toBe("JWT_INVALID");
	}
	expect(await verdict(guarded, await hs({ exp: "tomorrow" }))).toBe("JWT_INVALID");
	expect(await verdict(guarded, rawToken({ alg: "HS256" }, { ...GOOD, exp: null }, SECRET))).toBe("JWT_INVALID");

	expect(await verdict(guarded, await hs({ exp: inSeconds(-3) }))).toBe("JWT_EXPIRED");
	expect(await verdict(guarded, await hs({ exp: inSeconds(60) }))).toBe("ok");
	expect(await verdict(guarded, await hs({ nbf: inSeconds(60) }))).toBe("JWT_NOT_YET_VALID");
	expect(await verdict(guarded, await hs({ nbf: inSeconds(1) }))).toBe("ok");
	expect(await verdict(guarded, await hs({ iat: inSeconds(60) }))).toBe("JWT_NOT_YET_VALID");
	expect(await verdict(guarded, await hs({ iat: inSeconds(1) }))).toBe("ok");
	expect(await verdict(guarded, await hs({ iat: inSeconds(-60) }))).toBe("ok");

	expect(await verdict(guarded, await hs({ iss: "https://evil" }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ iss: ["https://id"] }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ aud: "other" }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ aud: undefined }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ role: "guest" }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ role: undefined }))).toBe("JWT_CLAIMS");
	expect(await verdict(guarded, await hs({ tenant: { id: 8 } }))).toBe("JWT_CLAIMS");

	const missing = await guarded.upgrade("/");
	await expectRejection(missing, missing.head, 401, "JWT_MISSING");
	expect(missing.head.header("www-authenticate")).toBe("Bearer");
	expect((await guarded.upgrade("/", { headers: { Authorization: "Basic YTpi" } })).head.status).toBe(401);
	expect((await guarded.upgrade("/", { headers: { Authorization: "Bearer " } })).head.status).toBe(401);
});

test("a public key takes no HMAC that was made with it (RS→HS confusion), and no other algorithm than its own", async () => {
	const { publicKey, privateKey } = rsaKeys();
	const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
	const { dir } = await temporaryFiles({ "jwt.pem": pem });
	const guarded = await startGuarded("auth: { jwt: { public_key: jwt.pem } }\nlimits: { failed_logins: off }", {
		file: join(dir, "routes.yaml"),
	});
	expect(await verdict(guarded, await token({ sub: "ada" }, privateKey, { alg: "RS256" }))).toBe("ok");
	expect(await verdict(guarded, await token({ sub: "ada" }, privateKey, { alg: "PS384" }))).toBe("ok");
	for (const key of [
		pem,
		pem.trim(),
		publicKey.export({ type: "spki", format: "der" }),
		JSON.stringify(publicKey.export({ format: "jwk" })),
	]) {
		for (const alg of ["HS256", "HS384", "HS512"]) {
			const forged = rawToken({ alg }, { sub: "root" }, key as string, `sha${alg.slice(2)}`);
			expect(await verdict(guarded, forged)).toBe("JWT_INVALID");
		}
	}
	const other = rsaKeys();
	expect(await verdict(guarded, await token({ sub: "ada" }, other.privateKey, { alg: "RS256" }))).toBe("JWT_INVALID");
	const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
	expect(await verdict(guarded, await token({ sub: "ada" }, ec.privateKey, { alg: "ES256" }))).toBe("JWT_INVALID");
	expect(await verdict(guarded, rawToken({ alg: "none" }, { sub: "root" }))).toBe("JWT_INVALID");
	// A key that the token brings along is nobody's word.
	const jwk = other.publicKey.export({ format: "jwk" });
	const brought = await token({ sub: "root" }, other.privateKey, { alg: "RS256", header: { jwk } });
	expect(await verdict(guarded, brought)).toBe("JWT_INVALID");
});

test("elliptic and Edwards keys work, and algorithms narrows what a key could do", async () => {
	const ec = generateKeyPairSync("ec", { namedCurve: "P-384" });
	const ed = generateKeyPairSync("ed25519");
	const rsa = rsaKeys();
	const pem = (key: typeof ec.publicKey) => key.export({ type: "spki", format: "pem" }) as string;
	const { dir } = await temporaryFiles({ ec: pem(ec.publicKey), ed: pem(ed.publicKey), rsa: pem(rsa.publicKey) });
	const file = join(dir, "routes.yaml");
	const withEc = await startGuarded("auth: { jwt: { public_key: ec } }", { file });
	expect(await verdict(withEc, await token({}, ec.privateKey, { alg: "ES384" }))).toBe("ok");
	const withEd = await startGuarded("auth: { jwt: { public_key: ed } }", { file });
	expect(await verdict(withEd, await token({}, ed.privateKey, { alg: "EdDSA" }))).toBe("ok");
	const withRsa = await startGuarded("auth: { jwt: { public_key: rsa, algorithms: [RS256] } }", { file });
	expect(await verdict(withRsa, await token({}, rsa.privateKey, { alg: "RS256" }))).toBe("ok");
	expect(await verdict(withRsa, await token({}, rsa.privateKey, { alg: "RS512" }))).toBe("JWT_INVALID");
	expect(await verdict(withRsa, await token({}, rsa.privateKey, { alg: "PS256" }))).toBe("JWT_INVALID");
});

const EVERYWHERE = `auth: { jwt: { secret: "${SECRET}", from: [header, { header: X-Token }, { query: token }, { cookie: jwt }, { subprotocol: bearer. }] } }`;

test("the token is taken out of header, query, cookie and subprotocol; everything else passes to the byte", async () => {
	const guarded = await startGuarded(EVERYWHERE, { handleProtocols: (offered) => [...offered][0] ?? false });
	const text = await token();
	const open = async (target: string, options: Parameters<Guarded["upgrade"]>[1]) => {
		const client = await guarded.upgrade(target, options);
		expect(client.head.status).toBe(101);
		const request = guarded.seen.at(-1);
		expect(JSON.stringify([request?.url, request?.rawHeaders])).not.toContain(text);
		client.reset();
		return { request, head: client.head };
	};

	const byHeader = await open("/?a=%20+b&c", { headers: { Authorization: `bearer ${text}`, Cookie: "a=1; b=2" } });
	expect(byHeader.request?.url).toBe("/?a=%20+b&c");
	expect(byHeader.request?.headers.authorization).toBeUndefined();
	expect(byHeader.request?.headers.cookie).toBe("a=1; b=2");
	await open("/", { headers: { "X-Token": text } });
	await open("/", { headers: { "X-Token": `Bearer ${text}` } });

	expect((await open(`/a?x=%2F&token=${text}&y=1=2&&z`, {})).request?.url).toBe("/a?x=%2F&y=1=2&&z");
	expect((await open(`/a?token=${text}`, {})).request?.url).toBe("/a");
	expect((await open(`/a?%74oken=${text}&token=second`, {})).request?.url).toBe("/a");

	const byCookie = await open("/", { headers: { Cookie: `a=1; jwt=${text}; b="x y"` } });
	expect(byCookie.request?.headers.cookie).toBe('a=1; b="x y"');
	expect((await open("/", { headers: { Cookie: `jwt="${text}"` } })).request?.headers.cookie).toBeUndefined();

	const bySubprotocol = await open("/", { subprotocols: ["chat.v2", `bearer.${text}`, "chat.v1"] });
	expect(bySubprotocol.request?.headers["sec-websocket-protocol"]).toBe("chat.v2, chat.v1");
	expect(bySubprotocol.head.header("sec-websocket-protocol")).toBe("chat.v2");

	const answer = await guarded.http(`/poll?token=${text}&t=1`);
	expect([answer.head.status, guarded.seen.at(-1)?.url]).toEqual([200, "/poll?t=1"]);
});

test("who offers nothing but the token gets that back, since a browser wants one of those it offered", async () => {
	const guarded = await startGuarded(EVERYWHERE);
	const offered = `bearer.${await token()}`;
	const client = await guarded.upgrade("/", { subprotocols: [offered] });
	expect(client.head.status).toBe(101);
	expect(client.head.all("sec-websocket-protocol")).toEqual([offered]);
	expect(guarded.seen.at(-1)?.headers["sec-websocket-protocol"]).toBeUndefined();
	expect((await guarded.gateway.waitForLog("ws.open")).subprotocol).toBeUndefined();
});

test("one good token does not let a second one through unchecked", async () => {
	const guarded = await startGuarded(EVERYWHERE);
	const good = await token();
	const bad = rawToken({ alg: "none" }, { sub: "root" });
	const client = await guarded.upgrade(`/?token=${bad}`, {
		headers: { Authorization: [`Bearer ${good}`, `Bearer ${bad}`], Cookie: `jwt=${bad}` },
		subprotocols: [`bearer.${bad}`],
	});
	expect(client.head.status).toBe(101);
	expect(JSON.stringify([guarded.seen[0]?.url, guarded.seen[0]?.rawHeaders])).not.toContain(bad);
});

test("no spelling of Authorization that a backend may take for a token passes by the check", async () => {
	const guarded = await startGuarded(CLAIMS);
	const good = await token();
	for (const blank of ["\t", " \t ", "\xa0", "\x85", ""]) {
		const unchecked = `bearer${blank}${blank === "" ? "" : "evil"}`;
		const headers = { Authorization: [`Bearer ${good}`, unchecked] };
		expect((await guarded.http("/", { headers })).head.status).toBe(200);
		expect(guarded.seen.at(-1)?.headers.authorization).toBeUndefined();
		const { head } = await guarded.http("/", { headers: { Authorization: unchecked } });
		expect([unchecked, head.status]).toEqual([unchecked, blank === "" ? 200 : 401]);
		expect(guarded.seen.at(-1)?.headers.authorization).toBeUndefined();
	}
	await guarded.http("/", { headers: { Authorization: "Bearerish x" } });
	expect(guarded.seen.at(-1)?.headers.authorization).toBe("Bearerish x");
});

const CLAIMS = `auth: { jwt: { secret: "${SECRET}", required: false, forward_claims: { sub: X-User, email: X-Email, "realm.roles": X-Roles, "https://id/age": X-Age } } }`;

test("claims become headers that a client cannot forge, whether it has a token or not", async () => {
	const guarded = await startGuarded(CLAIMS);
	const forged = {
		"X-User": "root",
		"x-EMAIL": "root@x",
		X_Roles: "admin",
		"X-Age": "1",
		Connection: "Upgrade, X-User",
	};
	const text = await token({ sub: "ada", realm: { roles: ["a", "b"] }, "https://id/age": 36 });
	const client = await guarded.upgrade("/", { headers: { ...bearer(text), ...forged } });
	expect(client.head.status).toBe(101);
	const { headers, rawHeaders } = guarded.seen[0] as NonNullable<(typeof guarded.seen)[0]>;
	expect([headers["x-user"], headers["x-roles"], headers["x-age"]]).toEqual(["ada", '["a","b"]', "36"]);
	expect(headers["x-email"]).toBeUndefined();
	expect(rawHeaders.join("\n")).not.toMatch(/root|X_Roles/);
	expect((await guarded.gateway.waitForLog("ws.open")).user).toBe("ada");

	const { head } = await guarded.http("/", { headers: { ...forged, Connection: "close" } });
	expect(head.status).toBe(200);
	expect(guarded.seen[1]?.rawHeaders.join("\n")).not.toMatch(/root|X_Roles/);
});

test("claims cannot break out of their header", async () => {
	const guarded = await startGuarded(CLAIMS);
	const odd = ["\ud800", "a\r\nX-Evil: 1", "a\0b", " a", "", "\u0085\n"];
	for (const email of odd) {
		const client = await guarded.upgrade("/", { headers: bearer(await token({ sub: "ada", email })) });
		expect(client.head.status).toBe(101);
		client.reset();
	}
	expect(guarded.seen.map(({ headers }) => [headers["x-email"], headers["x-evil"]])).toEqual(
		odd.map(() => [undefined, undefined]),
	);
	await guarded.upgrade("/", { headers: bearer(await token({ sub: "Åda ☕" })) });
	expect(Buffer.from(guarded.seen.at(-1)?.headers["x-user"] as string, "latin1").toString()).toBe("Åda ☕");
});

test("required: false lets clients without a token in, but never with a bad one", async () => {
	const guarded = await startGuarded(CLAIMS);
	const anonymous = await guarded.upgrade("/");
	expect(anonymous.head.status).toBe(101);
	expect((await guarded.gateway.waitForLog("ws.open")).user).toBeUndefined();
	expect(await verdict(guarded, rawToken({ alg: "none" }, { sub: "root" }))).toBe("JWT_INVALID");
	expect(await verdict(guarded, await token({ exp: inSeconds(-60) }))).toBe("JWT_EXPIRED");
});
