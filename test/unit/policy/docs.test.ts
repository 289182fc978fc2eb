import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { certificate, temporaryFiles } from "../../harness/certs.ts";
import { problemLines } from "../config/problem-lines.ts";

const ROOT = new URL("../../../", import.meta.url);
const textOf = (name: string) => readFile(new URL(name, ROOT), "utf8");

it("every test that SECURITY.md names is there", async () => {
	const named = [...(await textOf("SECURITY.md")).matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(
		([, name]) => name as string,
	);
	expect(named.length).toBeGreaterThan(40);
	expect(named.filter((name) => !existsSync(new URL(name, ROOT)))).toEqual([]);
});

it("every configuration in docs/authentication.md is valid", async () => {
	const { cert, key } = await certificate(["localhost"]);
	const { dir } = await temporaryFiles({
		htpasswd: `ada:$2y$10$${"a".repeat(53)}\n`,
		"server.pem": cert,
		"server.key": key,
		"clients.pem": cert,
	});
	const text = await textOf("docs/authentication.md");
	const keys = /```text\n(# name[\s\S]*?)```/.exec(text)?.[1] as string;
	await writeFile(join(dir, "keys.txt"), keys);
	const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml as string);
	expect(examples.length).toBe(6);
	for (const example of examples) {
		expect(problemLines(example.replaceAll("certs/", ""), {}, join(dir, "routes.yaml"))).toEqual([]);
	}
});

it("every error of the checks is in docs/authentication.md", async () => {
	const { ERRORS } = await import("../../../src/errors.ts");
	const text = await textOf("docs/authentication.md");
	const codes = Object.keys(ERRORS).filter((code) =>
		/^(?:JWT|JWKS|API_KEY|BASIC|AUTH|FORWARD_AUTH|LIMIT|ORIGIN|ADDRESS)_/.test(code),
	);
	expect(codes.length).toBeGreaterThan(15);
	expect(codes.filter((code) => !text.includes(`\`${code}\``))).toEqual([]);
});
