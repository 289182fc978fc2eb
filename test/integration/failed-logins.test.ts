/** `limits.failed_logins`: guessing comes to nothing, and locks out nobody else. */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { bcrypt } from "hash-wasm";
import { expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { rawToken, SECRET, token } from "../harness/tokens.ts";
import { startWorkerGateway } from "../harness/worker-gateway.ts";

const BURST = 5;
const LIMITS = `limits: { failed_logins: { rate: 1/m, burst: ${BURST} } }`;
const KEYS = `program sha256:${createHash("sha256").update("right").digest("hex")}\n`;

async function start(auth: string, limits = LIMITS): Promise<Guarded> {
	const salt = randomBytes(16);
	const hash = await bcrypt({ password: "right", salt, costFactor: 4, outputType: "encoded" });
	const { dir } = await temporaryFiles({ keys: KEYS, users: `ada:${hash}\neve:${hash}\n` });
	return startGuarded(`auth: { ${auth} }\n${limits}`, { file: join(dir, "routes.yaml") });
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

const kinds: [string, string, string, (right: boolean) => Promise<Record<string, string>>][] = [
	[
		"a password",
		"basic: { users_file: users }",
		"BASIC_INVALID",
		async (right) => ({
			Authorization: basic("ada", right ? "right" : randomBytes(4).toString("hex")),
		}),
	],
	[
		"an API key",
		"api_key: { keys_file: keys }",
		"API_KEY_INVALID",
		async (right) => ({ "X-Api-Key": right ? "right" : "wrong" }),
	],
	[
		"a token",
		`jwt: { secret: "${SECRET}" }`,
		"JWT_INVALID",
		async (right) => ({
			Authorization: `Bearer ${right ? await token() : rawToken({ alg: "HS256" }, { sub: "ada" }, "guessed")}`,
		}),
	],
];

test.each(kinds)(
	"whoever guesses %s is locked out, and the right one does not help any more; others are let in",
	async (_, auth, code, headers) => {
		const guarded = await start(auth);
		const ask = async (right: boolean, localAddress = "127.0.0.1"): Promise<number> =>
			(await guarded.http("/", { headers: await headers(right), localAddress })).head.status;
		const statuses: number[] = [];
		for (let i = 0; i < BURST + 3; i++) statuses.push(await ask(false));
		expect(statuses).toEqual([...Array(BURST).fill(401), ...Array(3).fill(429)]);
		const client = await guarded.upgrade("/", { headers: await headers(true) });
		expect([client.head.status, Number(client.head.header("retry-after")) > 30]).toEqual([429, true]);
		expect(await guarded.gateway.waitForLog("ws.reject")).toMatchObject({ code: "LOGIN_LOCKED", status: 429 });
		expect(guarded.gateway.lines.of("http.request").map((line) => line.code)).toContain(code);
		expect(guarded.seen).toEqual([]);
		// A password is locked by its name, too.
		expect(await ask(true, "127.0.0.2")).toBe(auth.startsWith("basic") ? 429 : 200);
	},
);

test("a name that is guessed from many addresses is locked, other names are not, and neither is a user who was in before", async () => {
	const guarded = await start("basic: { users_file: users }");
	const ask = async (user: string, password: string, localAddress: string): Promise<number> =>
		(await guarded.http("/", { headers: { Authorization: basic(user, password) }, localAddress })).head.status;
	expect(await ask("ada", "right", "127.0.0.9")).toBe(200);
	for (let i = 0; i < BURST; i++) expect(await ask("ada", `${i}`, `127.0.1.${i}`)).toBe(401);
	expect(await ask("ada", "x", "127.0.1.99")).toBe(429);
	expect(await ask("ada", "right", "127.0.1.100")).toBe(429);
	expect(await ask("ada", "right", "127.0.0.9")).toBe(200);
	expect(await ask("eve", "right", "127.0.1.1")).toBe(200);
	expect(await ask("x".repeat(5_000), "x", "127.0.1.101")).toBe(401);
});

test("a hundred guesses at once tell no more than as many as are allowed", async () => {
	const guarded = await start("basic: { users_file: users }");
	const passwords = [...Array.from({ length: 99 }, (_, i) => `guess${i}`), "right"];
	const answers = await Promise.all(
		passwords.map((password) => guarded.http("/", { headers: { Authorization: basic("ada", password) } })),
	);
	const statuses = answers.map(({ head }) => head.status);
	expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(BURST);
	expect(statuses.at(-1)).toBe(429);
	expect(guarded.seen).toEqual([]);
});

test("what is no guess does not count: no credentials, an expired token, and nothing does with off", async () => {
	const guarded = await start(`jwt: { secret: "${SECRET}" }`);
	const expired = { Authorization: `Bearer ${await token({ sub: "ada", exp: 1_000 })}` };
	for (let i = 0; i < BURST + 2; i++) {
		expect((await guarded.http("/")).head.status).toBe(401);
		expect((await guarded.http("/", { headers: expired })).head.status).toBe(401);
	}
	expect((await guarded.http("/", { headers: { Authorization: `Bearer ${await token()}` } })).head.status).toBe(200);
	const off = await start("api_key: { keys_file: keys }", "limits: { failed_logins: off }");
	for (let i = 0; i < 40; i++) expect((await off.http("/", { headers: { "X-Api-Key": "x" } })).head.status).toBe(401);
});

test("without a word in the file 20 guesses of an address are answered at once, and no more", async () => {
	const guarded = await start("api_key: { keys_file: keys }", "");
	const statuses: number[] = [];
	for (let i = 0; i < 22; i++) statuses.push((await guarded.http("/", { headers: { "X-Api-Key": "x" } })).head.status);
	expect(statuses).toEqual([...Array(20).fill(401), 429, 429]);
});

test("with several workers guesses are counted together, and every worker knows at once", {
	timeout: 30_000,
}, async () => {
	const { dir } = await temporaryFiles({ keys: KEYS });
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startWorkerGateway(
		2,
		`
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- { name: app, upstream: app, auth: { api_key: { keys_file: "${join(dir, "keys")}" } }, ${LIMITS} }
	`,
	);
	const ask = async (key: string, localAddress = "127.0.0.1"): Promise<number> => {
		const client = await connectRaw({ port: gateway.port, localAddress });
		const { status } = await client.handshake("/", { headers: { "X-Api-Key": key }, timeout: 15_000 });
		client.reset();
		return status;
	};
	const statuses: number[] = [];
	for (let i = 0; i < BURST + 2; i++) statuses.push(await ask("wrong"));
	expect(statuses).toEqual([...Array(BURST).fill(401), 429, 429]);
	for (let i = 0; i < 4; i++) expect(await ask("right")).toBe(429);
	expect(await ask("right", "127.0.0.2")).toBe(101);
	await gateway.stop();
});
