import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { certificate, temporaryFiles } from "../../../harness/certs.ts";
import { configOf, problemLines } from "../problem-lines.ts";

const TEXT = `listeners:
  - address: ":8443"
    tls:
      certificates:
        - { cert: CERT, key: KEY }
upstreams: { chat: { endpoints: ["wss://127.0.0.1:7001"], tls: { ca: CA } } }
routes: [{ match: { path_prefix: / }, upstream: chat }]
`;

function text(cert: string, key: string, ca = "a.pem"): string {
	return TEXT.replace("CERT", cert).replace("KEY", key).replace("CA", ca);
}

async function folder() {
	const { cert, key } = await certificate(["localhost"]);
	const other = await certificate(["localhost"]);
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const encrypted = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
	const files = {
		"a.pem": cert,
		"a.key": key,
		"other.key": other.key,
		"chain.pem": `${cert}\n${other.cert}`,
		"damaged.pem": cert.replace(/\n[^-]{20}/, "\nAAAAAAAAAAAAAAAAAAAA"),
		"junk.txt": "hello",
		"encrypted.key": String(encrypted),
	};
	const { dir } = await temporaryFiles(files);
	return { dir, file: join(dir, "routes.yaml") };
}

it("relative paths start at the configuration file's folder and are absolute afterwards", async () => {
	const { dir, file } = await folder();
	await mkdir(join(dir, "sub"));
	await writeFile(join(dir, "sub", "b.pem"), "");
	const config = configOf(text("a.pem", "./sub/../a.key", join(dir, "chain.pem")), {}, file);
	expect(config.listeners[0]?.tls?.certificates).toEqual([{ cert: join(dir, "a.pem"), key: join(dir, "a.key") }]);
	expect(config.upstreams.chat?.tls.ca).toBe(join(dir, "chain.pem"));
});

it("a file that is not there, or is a folder, is reported at its name", async () => {
	const { dir, file } = await folder();
	expect(problemLines(text("nope.pem", ".", "a.pem"), {}, file)).toEqual([
		`5:19: listeners[0].tls.certificates[0].cert: cannot read ${join(dir, "nope.pem")}: no such file`,
		`5:34: listeners[0].tls.certificates[0].key: cannot read ${dir}: it is a folder`,
	]);
});

it.skipIf(process.getuid?.() === 0)("a file that may not be read is reported at its name", async () => {
	const { dir, file } = await folder();
	await chmod(join(dir, "a.key"), 0);
	expect(problemLines(text("a.pem", "a.key"), {}, file)).toEqual([
		`5:31: listeners[0].tls.certificates[0].key: cannot read ${join(dir, "a.key")}: permission denied`,
	]);
});

it.each([
	["a.pem", "other.key", "a.pem", /^5:31: .*\.key: this key does not belong to the certificate .*a\.pem$/],
	["junk.txt", "a.key", "a.pem", /^5:19: .*\.cert: there is no certificate in this file; expected PEM/],
	["a.pem", "junk.txt", "a.pem", /^5:31: .*\.key: there is no private key in this file; expected PEM/],
	["a.pem", "encrypted.key", "a.pem", /^5:31: .*\.key: this key is encrypted/],
	["damaged.pem", "a.key", "a.pem", /^5:19: .*\.cert: certificate 1 in this file is damaged$/],
	["a.pem", "a.key", "a.key", /^6:70: upstreams\.chat\.tls\.ca: there is no certificate in this file/],
])("cert %s, key %s, ca %s: what is wrong is said at the file", async (cert, key, ca, line) => {
	const { file } = await folder();
	const found = problemLines(text(cert, key, ca), {}, file);
	expect(found).toHaveLength(1);
	expect(found[0]).toMatch(line);
});

it("nothing of a key's content is in a message", async () => {
	const { dir, file } = await folder();
	await writeFile(join(dir, "bad.key"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
	const found = problemLines(text("a.pem", "bad.key"), {}, file).join("\n");
	expect(found).toContain("there is no private key");
	expect(found).not.toContain("c2VjcmV0");
});

it("a client certificate without its key is reported at the certificate", async () => {
	const { file } = await folder();
	const found = problemLines(text("a.pem", "a.key").replace("ca: a.pem", "cert: a.pem"), {}, file);
	expect(found).toEqual(["6:66: upstreams.chat.tls.cert: cert is no use without key"]);
});
