import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { problemLines, SMALLEST } from "./problem-lines.ts";

function lines(text: string, env: Record<string, string> = {}): string[] {
	return parseYaml(text, "f", env).problems.map(formatProblem);
}

describe("YAML mistakes", () => {
	it("reports one problem for one syntax error, at its place", () => {
		const found = lines("a: 1\nb: [1, 2\nc: 3\n");
		expect(found).toHaveLength(1);
		expect(found[0]).toMatch(/^f:3:1: not valid YAML: /);
	});

	it("reports a duplicate key at the second one and goes on", () => {
		const { data, problems } = parseYaml("a: 1\nb: 2\na: 3\n", "f", {});
		expect(problems.map(formatProblem)).toEqual(['f:3:1: the key "a" is there twice']);
		expect(data).toBeDefined();
	});

	it("refuses tabs, a second document, and tags it does not know", () => {
		expect(lines("a:\n\tb: 1\n")[0]).toMatch(/^f:2:1: .*[Tt]abs/);
		expect(lines("a: 1\n---\nb: 2\n")).toEqual([
			"f:2:1: there is a second YAML document; a configuration is one document",
		]);
		expect(lines("a: !secret b\n")).toEqual(["f:1:4: Unresolved tag: !secret"]);
	});

	it("says that a substitution in a flow map needs quotes", () => {
		expect(lines(`a: { b: \${X} }\n`)[0]).toContain(`inside { } and [ ] a \${NAME} needs quotes`);
	});

	it("refuses keys that are not plain text", () => {
		expect(lines("? [a]\n: 1\n")[0]).toBe("f:1:3: a key has to be plain text");
		expect(lines("__proto__: 1\n")).toEqual(["f:1:1: __proto__ cannot be a key"]);
	});

	it.each([
		["lists", "[".repeat(50_000)],
		["maps", `a: ${"{a: ".repeat(50_000)}`],
		["block lists", `a:\n${"- ".repeat(50_000)}`],
		["complex keys", "? ".repeat(50_000)],
		["block maps", Array.from({ length: 5_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
	])("refuses %s that are nested without end", (_, text) => {
		const found = lines(text);
		expect(found).toHaveLength(1);
		expect(found[0]).toMatch(/^f:\d+:\d+: the YAML is nested too deeply$/);
	});

	it("reads what is nested as deep as it lets through", () => {
		const deep = `${"- ".repeat(99)}${"[".repeat(199)}${"]".repeat(199)}\n`;
		expect(lines(deep)).toEqual([]);
	});
});

describe("aliases and merge keys", () => {
	it("reads them", () => {
		expect(parseYaml("a: &x { b: 1 }\nc: { <<: *x, d: 2 }\ne: *x\n", "f", {}).data).toEqual({
			a: { b: 1 },
			c: { b: 1, d: 2 },
			e: { b: 1 },
		});
	});

	it("reports an alias without anchor and a merge of something else at their places", () => {
		expect(lines("a: *x\n")).toEqual(["f:1:4: *x refers to nothing: write &x before it"]);
		expect(lines("a: { <<: 1 }\n")).toEqual(["f:1:6: << takes a map, or a list of maps"]);
	});

	it("stops a flood of aliases", () => {
		const rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
		for (let i = 1; i < 9; i++)
			rows.push(
				`a${i}: &a${i} [${Array(9)
					.fill(`*a${i - 1}`)
					.join(", ")}]`,
			);
		const { data, problems } = parseYaml(rows.join("\n"), "f", {});
		expect(data).toBeUndefined();
		expect(problems).toHaveLength(1);
	});

	it("points at the place where a merged or aliased value was written", () => {
		const { source } = parseYaml("a: &x\n  b: 1\nc:\n  <<: *x\nd: *x\n", "f", {});
		expect(source.problem(["c", "b"], "m")).toMatchObject({ line: 2, col: 6 });
		expect(source.problem(["c", "b"], "m", { onKey: true })).toMatchObject({ line: 2, col: 3 });
		expect(source.problem(["d", "b"], "m")).toMatchObject({ line: 2, col: 6 });
		expect(source.problem(["d"], "m")).toMatchObject({ line: 5, col: 4 });
	});
});

describe("positions", () => {
	const { source } = parseYaml("\uFEFFa:\n  - b: 1\n    c:\n  - x\n", "f", {});

	it("finds keys, values and list entries, counting from 1", () => {
		expect(source.problem(["a", 0, "b"], "m")).toMatchObject({ line: 2, col: 8, path: "a[0].b" });
		expect(source.problem(["a", 0, "b"], "m", { onKey: true })).toMatchObject({ line: 2, col: 5 });
		expect(source.problem(["a", 1], "m")).toMatchObject({ line: 4, col: 5 });
		expect(source.problem([], "m")).toMatchObject({ line: 1, col: 1 });
	});

	it("takes the map around it for what is not there, and the key for a value that is not there", () => {
		expect(source.problem(["a", 0, "z", "y"], "m")).toMatchObject({ line: 2, col: 5 });
		expect(source.problem(["a", 0, "c"], "m")).toMatchObject({ line: 3, col: 5 });
	});

	it("is 1:1 in an empty document", () => {
		expect(parseYaml("", "f", {}).source.problem(["a"], "m")).toMatchObject({ line: 1, col: 1 });
	});
});

describe("substitution", () => {
	it("is done in values, and a missing variable is reported where it stands", () => {
		expect(lines(`a: x\nb: [c, "\${NOPE}"]\n`)).toEqual([
			`f:2:8: the environment variable NOPE is not set; set it, or write \${NOPE:-default}`,
		]);
	});

	it("cannot bring in structure", () => {
		const { data } = parseYaml(`a: \${X}\n`, "f", { X: "{ b: 1 }\nc: 2" });
		expect(data).toEqual({ a: "{ b: 1 }\nc: 2" });
	});

	it("leaves comments alone and refuses keys", () => {
		expect(lines(`# \${NOPE}\na: 1\n`)).toEqual([]);
		expect(lines(`\${K}: 1\n`, { K: "a" })).toEqual([`f:1:1: \${…} is replaced in values only, not in keys`]);
	});

	it("never puts a variable's value into a message", () => {
		const text = SMALLEST.replace('":8080"', `"\${S}"`).replace("ws://127.0.0.1:7001", `\${S}`);
		const found = problemLines(`${text}admin: { address: "\${S}", token: [] }\n`, { S: "hunter2" });
		expect(found.length).toBeGreaterThan(2);
		expect(found.join("\n")).not.toContain("hunter2");
	});
});

/** On a busy machine there are fewer of them, instead of a test that is cut off. */
const BOUNDS = { numRuns: 300, interruptAfterTimeLimit: 6_000 };

describe("any text", () => {
	const fragment = fc.constantFrom(
		..."abc:-[]{}&*!|>'\"%@#,? \n\t",
		"\n  ",
		"listeners: ",
		"upstreams: ",
		"routes: ",
		"defaults: ",
		"match: ",
		"- ",
		"<<: ",
		"&a ",
		"*a",
		`\${A}`,
		"null",
		"~",
	);

	it("never throws and always tells of a problem when there is no configuration", () => {
		const text = fc.oneof(
			fc.string(),
			fc.string({ unit: "binary" }),
			fc.array(fragment).map((parts) => parts.join("")),
		);
		fc.assert(
			fc.property(text, (content) => {
				const { config, problems } = loadConfig(content, "f", {});
				if (!config) expect(problems.some(({ severity }) => severity === "error")).toBe(true);
				for (const { line, col } of problems) expect(Math.min(line, col)).toBeGreaterThan(0);
			}),
			BOUNDS,
		);
	});

	it("never throws for any value in any place of a valid file", () => {
		const value = fc.oneof(fc.jsonValue(), fc.constantFrom("off", "5s", "&a [*a]", "{ <<: { a: 1 } }", "2001-01-01"));
		const place = fc.constantFrom(
			...["listeners", "upstreams", "routes", "defaults", "admin", "log", "shutdown", "trusted_proxies"],
		);
		fc.assert(
			fc.property(place, value, (key, content) => {
				const text = typeof content === "string" ? content : JSON.stringify(content);
				const rest = SMALLEST.split("\n").filter((line) => !line.startsWith(`${key}:`));
				loadConfig(`${rest.join("\n")}\n${key}: ${text}\n`, "f", {});
			}),
			BOUNDS,
		);
	});

	it("never throws for a route with any keys", () => {
		const keys = ["name", "match", "upstream", "split", "rewrite", "timeouts", "ping", "retries", "drain", "http"];
		const route = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 3 }));
		fc.assert(
			fc.property(route, route, (first, second) => {
				const text = SMALLEST.replace(/routes.*/, `routes: ${JSON.stringify([first, second])}`);
				loadConfig(text, "f", {});
			}),
			BOUNDS,
		);
	});
});
