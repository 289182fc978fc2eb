import { expect, it } from "vitest";
import { compareConfigs } from "../../../src/config/compare.ts";
import { configParts, PartedConfig } from "../../../src/config/parts.ts";
import { atOnce } from "../../../src/slices.ts";
import { configOf } from "./problem-lines.ts";

const yaml = (endpoint: string, routes: readonly string[], path = "/") => `
listeners: [{ address: ":8080" }]
upstreams:
  chat: { endpoints: ["ws://10.0.0.1:80", "${endpoint}"] }
  other: { endpoints: ["ws://10.0.1.1:80"] }
routes:
${routes.map((name) => `  - { name: ${name}, match: { path_prefix: ${path}${name} }, upstream: ${name === "b" ? "other" : "chat"} }`).join("\n")}
`;

it("names what was added, removed and changed, and keeps the objects of what is equal", () => {
	const old = configOf(yaml("ws://10.0.0.2:80", ["a", "b", "c"]));
	const next = configOf(yaml("ws://10.0.0.3:80", ["b", "a", "d"]).replace("/a", "/other"));
	const found = atOnce(compareConfigs(old, next));
	expect(found).toMatchObject({
		equal: false,
		routes: { added: ["d"], removed: ["c"], changed: ["a"] },
		upstreams: { added: [], removed: [], changed: ["chat"] },
		endpoints: { added: ["chat ws://10.0.0.3:80"], removed: ["chat ws://10.0.0.2:80"] },
	});
	expect(found.config).toEqual(next);
	expect(found.config.routes[0]).toBe(old.routes[1]);
	expect(found.config.upstreams.other).toBe(old.upstreams.other);
});

it("finds equal what only another order of keys, or of upstreams, has written; not what has another order of routes", () => {
	const text = yaml("ws://10.0.0.2:80", ["a", "b"]);
	const old = configOf(text);
	expect(atOnce(compareConfigs(old, configOf(text))).equal).toBe(true);
	expect(atOnce(compareConfigs(old, configOf(yaml("ws://10.0.0.2:80", ["b", "a"])))).equal).toBe(false);
	expect(atOnce(compareConfigs(old, configOf(`log: { level: debug }\n${text}`))).equal).toBe(false);
});

it("a configuration goes in parts, and is whole again", () => {
	const names = Array.from({ length: 234 }, (_, index) => `r${index}`);
	const config = configOf(yaml("ws://10.0.0.2:80", names));
	const parts = [...configParts(config)];
	expect(parts.length).toBeGreaterThan(4);
	const parted = new PartedConfig();
	for (const part of parts) parted.add(structuredClone(part));
	expect(parted.whole()).toEqual(config);
	expect(() => new PartedConfig().whole()).toThrow("has not come");
});
