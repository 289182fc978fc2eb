import { describe, expect, it } from "vitest";
import { configJsonSchema, type JsonSchema } from "../../../src/config/json-schema.ts";
import { redactConfig } from "../../../src/config/redact.ts";
import { configOf, SMALLEST } from "./problem-lines.ts";

describe("redactConfig", () => {
	it("hides secrets and keeps everything else, as JSON", () => {
		const config = configOf(`
trusted_proxies: [10.0.0.0/8]
admin: { address: "127.0.0.1:9090", token: admin-secret }
listeners: [{ address: ":8080" }]
upstreams:
  chat:
    endpoints: ["ws://127.0.0.1:7001"]
    sticky: { cookie: { name: s, secret: sticky-secret-of-16-bytes } }
routes:
  - upstream: chat
    match: { headers: { X-Tenant: acme, X-Api-Key: match-secret }, query: { v: "2", token: query-secret } }
    request_headers: { set: { Authorization: Bearer set-secret, X-Gateway: clawgate } }
    auth:
      jwt: { secret: jwt-secret-of-more-than-32-bytes-length, from: [header, { query: token }], required_claims: { role: admin } }
      forward: { url: "https://auth.example.com/check?client_secret=url-secret" }
`);
		const text = JSON.stringify(redactConfig(config));
		expect(text).not.toMatch(/admin-secret|sticky-secret|match-secret|query-secret|set-secret|jwt-secret|url-secret/);
		expect(JSON.parse(text)).toMatchObject({
			trusted_proxies: ["10.0.0.0/8"],
			admin: { token: "***" },
			upstreams: {
				chat: { endpoints: [{ url: "ws://127.0.0.1:7001" }], sticky: { cookie: { name: "s", secret: "***" } } },
			},
			routes: [
				{
					name: "route-1",
					timeouts: { idle: 3_600_000, lifetime: "off" },
					request_headers: { set: { Authorization: "***", "X-Gateway": "clawgate" } },
					auth: {
						jwt: { secret: "***", from: ["header", { query: "token" }], required_claims: { role: ["admin"] } },
						forward: { url: "https://auth.example.com/check?***" },
					},
				},
			],
		});
		expect(config.admin?.token).toBe("admin-secret");
	});

	it("shows an empty token as empty, and hides a user in a URL", () => {
		expect(redactConfig({ token: "", url: "https://user:pw@host/path" })).toEqual({
			token: "",
			url: "https://***@host/path",
		});
		expect(redactConfig(configOf(SMALLEST))).toMatchObject({ routes: [{ upstream: "chat" }] });
	});

	it("knows every text option whose name says that it is secret", () => {
		const secrets: string[] = [];
		const visit = (schema: JsonSchema): void => {
			for (const [key, value] of Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>)) {
				if (/secret|token|passw|passphrase|credential|private/i.test(key) && value.type === "string") secrets.push(key);
				visit(value);
			}
			for (const branch of (schema.anyOf ?? []) as JsonSchema[]) visit(branch);
			for (const inner of [schema.items, schema.additionalProperties]) {
				if (typeof inner === "object") visit(inner as JsonSchema);
			}
		};
		visit(configJsonSchema());
		expect(new Set(secrets)).toEqual(new Set(["secret", "token"]));
		for (const key of secrets) expect(redactConfig({ [key]: "value" })).toEqual({ [key]: "***" });
	});
});
