import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { certificateExpiries } from "../../../dashboard/src/text/certificates.ts";
import {
	byteLength,
	formatBytes,
	formatCount,
	formatDuration,
	formatRate,
	formatRtt,
	plural,
} from "../../../dashboard/src/text/format.ts";
import { matchText } from "../../../dashboard/src/text/match.ts";
import { fileName, parseProblem } from "../../../dashboard/src/text/problem.ts";
import { toYaml } from "../../../dashboard/src/text/yaml.ts";

describe("numbers", () => {
	it.each([
		[0, "0ms"],
		[999, "999ms"],
		[1_000, "1s"],
		[59_999, "59s"],
		[61_000, "1m 1s"],
		[3_600_000, "1h"],
		[3_661_000, "1h 1m"],
		[90_061_000, "1d 1h"],
	])("%d ms are %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

	it.each([
		[0, "0 B"],
		[1023, "1023 B"],
		[1536, "1.5 KiB"],
		[200 * 1024 * 1024, "200 MiB"],
	])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

	it("are short and grouped", () => {
		expect(formatCount(1234567)).toBe("1,234,567");
		expect([0, 0.01, 0.44, 3, 9.96, 12.4, 1234].map(formatRate)).toEqual([
			"0",
			"<0.1",
			"0.4",
			"3",
			"10",
			"12",
			"1,234",
		]);
		expect([undefined, 0.313, 12.34, 345.6].map(formatRtt)).toEqual(["–", "0.31 ms", "12.3 ms", "346 ms"]);
		expect([plural(1, "drain"), plural(0, "drain"), plural(2_000, "drain")]).toEqual([
			"1 drain",
			"0 drains",
			"2,000 drains",
		]);
	});

	it("count the bytes of a reason as a Close frame does", () => expect(byteLength("grüße")).toBe(7));
});

describe("problems of a configuration", () => {
	it("are taken apart, also with a colon in the file's name", () => {
		expect(parseProblem("/etc/claw:gate/routes.yaml:12:7: routes[0].upstream: there is no upstream: x")).toEqual({
			file: "/etc/claw:gate/routes.yaml",
			line: 12,
			column: 7,
			text: "routes[0].upstream: there is no upstream: x",
			severity: "error",
		});
		expect(fileName("/etc/clawgate/routes.yaml")).toBe("routes.yaml");
	});

	it("keep their words when they have no place, and warnings are told apart", () => {
		expect(parseProblem("the gateway is shutting down")).toMatchObject({
			line: undefined,
			text: "the gateway is shutting down",
		});
		expect(parseProblem("r.yaml:1:1: routes[1]: warning: can never match")).toMatchObject({
			severity: "warning",
			text: "routes[1]: can never match",
		});
		expect(parseProblem("r.yaml:1:1: warning: x").text).toBe("x");
	});
});

describe("a route's match in one line", () => {
	it.each([
		[{}, "everything"],
		[{ path_prefix: ["/ws", "/"] }, "/ws/… or /…"],
		[{ path: ["/a"], host: ["a.example", "*.b.example"] }, "/a, host a.example or *.b.example"],
		[{ headers: { "X-Tenant": ["acme"] } }, "headers X-Tenant: acme"],
		[{ path_regex: ["^/r"] }, "path ~ ^/r"],
	])("%j", (match, text) => expect(matchText(match)).toBe(text));
});

describe("the configuration as YAML", () => {
	it("reads back as what it was", () => {
		const keys = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_. :#-]{0,12}$/);
		const { value } = fc.letrec<{ value: unknown }>((tie) => ({
			value: fc.oneof(
				{ depthSize: "small", withCrossShrink: true },
				fc.oneof(
					fc.integer(),
					fc.boolean(),
					fc.constant(null),
					fc.string(),
					fc.constantFrom("off", "5s", "yes", "- a", "1.5"),
				),
				fc.array(tie("value"), { maxLength: 4 }),
				fc.dictionary(keys, tie("value"), { maxKeys: 4, noNullPrototype: true }),
			),
		}));
		fc.assert(
			fc.property(fc.dictionary(keys, value, { noNullPrototype: true, minKeys: 1 }), (config) => {
				expect(parse(toYaml(config))).toEqual(config);
			}),
		);
	});

	it("is as an operator would write it", () => {
		expect(
			toYaml({ listeners: [{ name: "public", address: ":8080" }], allow: ["10.0.0.0/8"], empty: {}, none: [] }),
		).toBe(
			["listeners:", "  - name: public", '    address: ":8080"', "allow: [10.0.0.0/8]", "empty: {}", "none: []"].join(
				"\n",
			),
		);
	});
});

it("the expiry of certificates is read from the metrics, the earliest of each name", () => {
	const name = "clawgate_tls_certificate_expiry_timestamp_seconds";
	const metrics = `# HELP ${name} x\n${name}{listener="a",server_name="x.example"} 2000\n${name}{listener="b",server_name="x.example"} 1000.5\nother{server_name="y"} 1\n`;
	expect(certificateExpiries(metrics)).toEqual([{ name: "x.example", expires: 1_000_500 }]);
});
