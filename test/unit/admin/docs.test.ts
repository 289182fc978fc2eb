import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { API_ERRORS } from "../../../src/admin/api/api-error.ts";
import { ROOT } from "../../harness/child.ts";

const text = readFileSync(`${ROOT}docs/admin-api.md`, "utf8");
const openapi = JSON.parse(readFileSync(`${ROOT}docs/openapi.json`, "utf8")) as { paths: Record<string, object> };

describe("docs/admin-api.md", () => {
	it("has every error of the API with its status", () => {
		for (const [code, { status }] of Object.entries(API_ERRORS)) expect(text).toContain(`| ${status} | \`${code}\` |`);
	});

	it("has every operation that the OpenAPI document has", () => {
		for (const [path, item] of Object.entries(openapi.paths)) {
			if (path.endsWith("openapi.json")) continue;
			for (const method of Object.keys(item)) expect(text).toContain(`\`${method.toUpperCase()} ${path}`);
		}
	});
});
