/** `auth.basic`: names and passwords from an htpasswd file. */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { argon2id, bcrypt } from "hash-wasm";
import { expect, test } from "vitest";
import { unknownUsers } from "../../src/policy/basic.ts";
import { hashOfNothing, isPasswordHash, PasswordVerifier } from "../../src/policy/passwords.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";

const hashOf = async (password: string) =>
	(await bcrypt({ password, salt: randomBytes(16), costFactor: 5, outputType: "encoded" })).replace("$2a$", "$2y$");
const argonOf = (password: string) =>
	argon2id({
		password,
		salt: randomBytes(16),
		iterations: 1,
		memorySize: 64,
		parallelism: 1,
		hashLength: 32,
		outputType: "encoded",
	});

const basic = (user: string, password: string) => ({
	Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

async function start(more = "") {
	const users = [
		`ada:${await hashOf("lovelace:1")}`,
		`eve:${await argonOf("s3cret")}`,
		`long:${await hashOf("x".repeat(72))}`,
		`jörg:${await hashOf("päss")}`,
	];
	const { dir } = await temporaryFiles({ htpasswd: `# users\n${users.join("\n")}\n` });
	return startGuarded(`auth: { basic: { users_file: htpasswd${more} } }`, { file: join(dir, "routes.yaml") });
}

test("bcrypt and argon2 passwords let their users in, by both kinds of request, and go no further", async () => {
	const guarded = await start(", forward_user: X-User");
	for (const [user, password] of [
		["ada", "lovelace:1"],
		["eve", "s3cret"],
		["long", `${"x".repeat(72)}more`],
		["jörg", "päss"],
	] as const) {
		const headers = { ...basic(user, password), "X-User": "root" };
		const client = await guarded.upgrade("/", { headers });
		expect([user, client.head.status]).toEqual([user, 101]);
		const { headers: seen } = guarded.seen.at(-1) as NonNullable<(typeof guarded.seen)[0]>;
		expect(seen.authorization).toBeUndefined();
		expect(Buffer.from(seen["x-user"] as string, "latin1").toString()).toBe(user);
		expect((await guarded.http("/", { headers })).head.status).toBe(200);
		client.reset();
	}
	expect(guarded.gateway.lines.of("ws.open").map(({ user }) => user)).toEqual(["ada", "eve", "long", "jörg"]);
});

test("what htpasswd and openssl write by default or with -s, -1 is taken: MD5 and SHA-1", async () => {
	const salt = randomBytes(8);
	const salted = createHash("sha1").update("secret").update(salt).digest();
	const users = [
		["apr1", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "secret"],
		["long", "$apr1$12345678$NhGB/zyoQAlsruX40A.hy.", "päss word longer than sixteen"],
		["crypt", "$1$xy$jGXyMPdOBfqsnhEjI5zRD0", "päss word longer than sixteen"],
		["sha", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret"],
		["ssha", `{SSHA}${Buffer.concat([salted, salt]).toString("base64")}`, "secret"],
	] as const;
	const htpasswd = users.map(([user, hash]) => `${user}:${hash}\n`).join("");
	const { dir } = await temporaryFiles({ htpasswd });
	const options = { file: join(dir, "routes.yaml") };
	const guarded = await startGuarded("auth: { basic: { users_file: htpasswd } }", options);
	for (const [user, , password] of users) {
		expect([user, (await guarded.http("/", { headers: basic(user, password) })).head.status]).toEqual([user, 200]);
		expect([user, (await guarded.http("/", { headers: basic(user, `${password}x`) })).head.status]).toEqual([
			user,
			401,
		]);
	}
});

test("a wrong password, an unknown user and nonsense all look the same, and a browser is asked for a password", async () => {
	const guarded = await start(', realm: "the \\"chat\\""');
	const missing = await guarded.upgrade("/");
	await expectRejection(missing, missing.head, 401, "BASIC_MISSING");
	expect(missing.head.header("www-authenticate")).toBe('Basic realm="the \\"chat\\"", charset="UTF-8"');
	const answers = new Set<string>();
	for (const headers of [
		basic("ada", "wrong"),
		basic("ada", "lovelace"),
		basic("ada", ""),
		basic("ada", "lovelace:1\0x"),
		basic("ADA", "lovelace:1"),
		basic("nobody", "lovelace:1"),
		basic("", ""),
		basic("long", "x".repeat(71)),
		basic("__proto__", "x"),
		{ Authorization: "Basic !!!" },
		{ Authorization: "Basic" },
	]) {
		const client = await guarded.upgrade("/", { headers });
		expect(client.head.status).toBe(401);
		expect(client.head.header("www-authenticate")).toMatch(/^Basic /);
		answers.add(await client.readBody(client.head));
	}
	expect([...answers].map((body) => body.split(":")[0])).toEqual(["BASIC_INVALID", "BASIC_MISSING"]);
	expect((await guarded.http("/", { headers: basic("ada", "wrong") })).head.status).toBe(401);
	expect(guarded.seen).toEqual([]);
});

test("a hundred handshakes of one user cost one verification, and do not hold up anybody else", async () => {
	const slow = (await bcrypt({ password: "pw", salt: randomBytes(16), costFactor: 12, outputType: "encoded" })).replace(
		"$2a$",
		"$2y$",
	);
	const { dir } = await temporaryFiles({ htpasswd: `ada:${slow}\n` });
	const guarded = await startGuarded("auth: { basic: { users_file: htpasswd } }", { file: join(dir, "routes.yaml") });
	const startedAt = performance.now();
	await guarded.upgrade("/", { headers: basic("ada", "pw") });
	const first = performance.now() - startedAt;
	const againAt = performance.now();
	const all = await Promise.all(
		Array.from({ length: 100 }, () => guarded.upgrade("/", { headers: basic("ada", "pw") })),
	);
	expect(all.every(({ head }) => head.status === 101)).toBe(true);
	// A hundred verifications would take a hundred times as long as the first.
	expect(performance.now() - againAt).toBeLessThan(first * 20);
});

test("an unknown name costs what one of the users costs, the same one each time, whatever kinds of hashes there are", async () => {
	const unknown = unknownUsers([await hashOf("y"), await argonOf("z")]);
	const names = Array.from({ length: 100 }, (_, i) => `user${i}`);
	const kinds = names.map((name) => unknown(name)?.slice(0, 6));
	expect(new Set(kinds)).toEqual(new Set(["$2y$05", "$argon"]));
	expect(names.map((name) => unknown(name)?.slice(0, 6))).toEqual(kinds);
	expect(unknownUsers([])("ada")).toBeUndefined();
});

test.each([hashOf, argonOf])(
	"the hash of nothing has the kind and the cost of its model, and can be checked",
	async (make) => {
		const model = await make("secret");
		const nothing = hashOfNothing(model);
		expect([isPasswordHash(nothing), nothing.length, nothing.slice(0, 12)]).toEqual([
			true,
			model.length,
			model.slice(0, 12),
		]);
		const passwords = new PasswordVerifier();
		expect(await passwords.verify("secret", nothing)).toBe(false);
		await passwords.close();
	},
);
