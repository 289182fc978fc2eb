import { createHash, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFiles } from "../../../harness/certs.ts";
import { configOf, problemLines, routeWith } from "../problem-lines.ts";

const SECRET = "s".repeat(32);

async function folder() {
	const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
	const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
	const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const odd = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
	const pem = (key: typeof rsa.publicKey) => key.export({ type: "spki", format: "pem" }) as string;
	const { dir } = await temporaryFiles({
		"rsa.pem": pem(rsa.publicKey),
		"weak.pem": pem(weak.publicKey),
		"ec.pem": pem(ec.publicKey),
		"odd.pem": pem(odd.publicKey),
		"private.pem": rsa.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
		junk: "hello",
		keys: `a sha256:${createHash("sha256").update("k").digest("hex")}\n`,
		users: `ada:$2y$10$${"a".repeat(53)}\n`,
	});
	return join(dir, "routes.yaml");
}

const at = (lines: string, file?: string) => problemLines(routeWith(lines), {}, file);

it("one key source: none and two are errors at their place", () => {
	expect(at("auth: { jwt: { issuer: x } }")).toEqual([
		"6:18: routes[0].auth.jwt: needs one of jwks_url, secret and public_key",
	]);
	expect(at(`auth: { jwt: { secret: ${SECRET}, jwks_url: "https://id/keys" } }`)).toEqual([
		expect.stringContaining("routes[0].auth.jwt.secret: secret cannot stand next to jwks_url: write one of them"),
	]);
	expect(at(`auth: { jwt: { secret: ${SECRET} } }`)).toEqual([]);
});

it("a key source from defaults counts, and one more in the route is one too many", () => {
	const text = (route: string) =>
		`defaults: { auth: { jwt: { secret: ${SECRET} } } }\n${routeWith(`auth: { jwt: { ${route} } }`)}`;
	expect(problemLines(text("issuer: x"))).toEqual([]);
	expect(problemLines(text('jwks_url: "https://id/keys"'))).toEqual([
		expect.stringContaining("defaults.auth.jwt.secret: secret cannot stand next to jwks_url"),
	]);
	expect(configOf(text("issuer: x")).routes[0]?.auth.jwt).toMatchObject({ secret: SECRET, issuer: ["x"] });
	const off = `defaults: { auth: { jwt: { secret: ${SECRET} } } }\n${routeWith("auth: off")}`;
	expect(configOf(off).routes[0]?.auth).toEqual({});
});

it("algorithms have to fit the key, so that no public key is ever used as an HMAC secret", async () => {
	const file = await folder();
	expect(at(`auth: { jwt: { secret: ${SECRET}, algorithms: [HS256, RS256] } }`)).toEqual([
		expect.stringContaining("algorithms[1]: RS256 does not fit secret; possible are HS256, HS384, HS512"),
	]);
	expect(at('auth: { jwt: { jwks_url: "https://id/keys", algorithms: [HS256] } }')).toEqual([
		expect.stringContaining("algorithms[0]: HS256 does not fit jwks_url"),
	]);
	expect(at("auth: { jwt: { public_key: rsa.pem, algorithms: [RS256, PS512, ES256, HS256] } }", file)).toEqual([
		expect.stringContaining("algorithms[2]: ES256 does not fit public_key"),
		expect.stringContaining("algorithms[3]: HS256 does not fit public_key"),
	]);
	expect(at("auth: { jwt: { public_key: ec.pem, algorithms: [ES256] } }", file)).toEqual([]);
	for (const none of ["none", "NONE", "HS1"]) {
		expect(at(`auth: { jwt: { secret: ${SECRET}, algorithms: [${none}] } }`)).toHaveLength(1);
	}
});

it("key files hold a public key that can be used", async () => {
	const file = await folder();
	for (const [name, message] of [
		["private.pem", "this is a private key; the gateway needs the public one only"],
		["junk", "there is no public key in this file"],
		["odd.pem", "a key of the kind ec cannot be used"],
		["weak.pem", "an RSA key needs at least 2048 bits"],
		["none.pem", "no such file"],
	] as const) {
		expect([name, ...at(`auth: { jwt: { public_key: ${name} } }`, file)]).toEqual([
			name,
			expect.stringContaining(message),
		]);
	}
});

it("keys and users files are read, and their mistakes named by line", async () => {
	const file = await folder();
	expect(at("auth: { api_key: { keys_file: keys } }", file)).toEqual([]);
	expect(at("auth: { basic: { users_file: users } }", file)).toEqual([]);
	expect(at("auth: { api_key: { keys_file: junk } }", file)).toEqual([
		expect.stringContaining("keys_file: line 1 is not"),
	]);
	expect(at("auth: { basic: { users_file: keys } }", file)).toEqual([
		expect.stringContaining("users_file: line 1 has no hash"),
	]);
});

it("a short secret is a warning that does not show it, an empty one an error", () => {
	const lines = at("auth: { jwt: { secret: hunter2-hunter2 } }");
	expect(lines).toEqual([expect.stringContaining("warning: a secret of less than 32 bytes can be guessed")]);
	expect(lines.join()).not.toContain("hunter2");
	expect(at('auth: { jwt: { secret: "" } }')).toEqual([expect.stringContaining("the secret is empty")]);
});

it("basic and jwt cannot both read Authorization", async () => {
	const file = await folder();
	const both = (from: string) => at(`auth: { jwt: { secret: ${SECRET}${from} }, basic: { users_file: users } }`, file);
	expect(both("")).toEqual([expect.stringContaining("routes[0].auth.basic: cannot stand next to jwt")]);
	expect(both(", from: [{ header: authorization }]")).toHaveLength(1);
	expect(both(", from: [{ query: token }]")).toEqual([]);
});

it("mistakes in single options", () => {
	for (const [lines, message] of [
		["allowed_origins: [https://app.example.com/path]", "an origin without a path"],
		["allowed_origins: [app.example.com]", "an origin without a path"],
		['allowed_origins: ["https://*"]', "an origin without a path"],
		["allow: [10.0.0.0/33]", "expected an address or a range"],
		[`auth: { jwt: { secret: ${SECRET}, from: [{ header: a, query: b }] } }`, "exactly one of header, query, cookie"],
		[`auth: { jwt: { secret: ${SECRET}, from: [] } }`, "from"],
		[`auth: { jwt: { secret: ${SECRET}, forward_claims: { sub: Host } } }`, "written by the gateway itself"],
		[`auth: { jwt: { secret: ${SECRET}, forward_claims: { sub: "a b" } } }`, "a header name is made of"],
		['auth: { jwt: { jwks_url: "file:///etc/passwd" } }', "expected an http:// or https:// URL"],
		['auth: { forward: { url: "http://user:pw@auth/" } }', "expected an http:// or https:// URL"],
		['auth: { forward: { url: "http://auth/", copy_headers: [X-Forwarded-For] } }', "written by the gateway itself"],
		["limits: { connections: 0 }", "connections"],
		["limits: { new_connections_per_ip: { rate: 0/s } }", "has to be more than 0"],
		["limits: { new_connections_per_ip: { rate: 10 } }", "expected a rate"],
		["auth: yes please", "expected a map (client_certificate, jwt, api_key, basic, forward) or off"],
	] as const) {
		expect([lines, ...at(lines)]).toEqual([lines, expect.stringContaining(message)]);
	}
});
