import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configJsonSchema, type JsonSchema } from "../../../src/config/json-schema.ts";
import { configurationReference } from "../../../src/config/reference.ts";
import { certificate, temporaryFiles } from "../../harness/certs.ts";
import { problemLines } from "./problem-lines.ts";

const COMMITTED = new URL("../../../docs/configuration.md", import.meta.url);

describe("docs/configuration.md", () => {
	it("is what the generator gives; if not, run: npm run docs", async () => {
		expect(await readFile(COMMITTED, "utf8")).toBe(configurationReference());
	});

	it("has only examples that are valid", async () => {
		const { cert, key } = await certificate(["localhost"]);
		const { dir } = await temporaryFiles({});
		const examples = [...configurationReference().matchAll(/```yaml\n([\s\S]*?)```/g)].map(
			(match) => match[1] as string,
		);
		expect(examples.length).toBeGreaterThanOrEqual(3);
		for (const example of examples) {
			const files = [...example.matchAll(/certs\/([\w.]+)/g)].map((match) => match[1] as string);
			for (const name of files) await writeFile(join(dir, name), name.endsWith(".key") ? key : cert, { mode: 0o600 });
			expect(problemLines(example.replaceAll("certs/", ""), {}, join(dir, "routes.yaml"))).toEqual([]);
		}
	});

	it("shows a problem as check prints it", () => {
		const text = configurationReference();
		const smallest = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] as string;
		const [line] = problemLines(smallest.replace("upstream: chat", "upstream: chta"), {}, "routes.yaml");
		expect(text).toContain(`routes.yaml:${line}\n`);
	});
});

describe("the JSON Schema", () => {
	it("describes every key", () => {
		const nameless: string[] = [];
		const visit = (schema: JsonSchema, path: string): void => {
			const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
			for (const [key, value] of properties) {
				// The sources of hash_on are described as one.
				if (!value.description && !path.endsWith("hash_on")) nameless.push(`${path}.${key}`);
				visit(value, `${path}.${key}`);
			}
			for (const branch of (schema.anyOf ?? []) as JsonSchema[]) visit(branch, path);
			for (const inner of [schema.items, schema.additionalProperties]) {
				if (typeof inner === "object") visit(inner as JsonSchema, path);
			}
		};
		visit(configJsonSchema(), "");
		expect(nameless).toEqual([]);
	});

	it("closes every map and names its dialect", () => {
		const schema = configJsonSchema();
		expect(schema).toMatchObject({
			$schema: "https://json-schema.org/draft/2020-12/schema",
			type: "object",
			additionalProperties: false,
			required: ["listeners", "routes"],
		});
		expect(schema.title).toContain("routes.yaml");
	});
});
