/** docs/observability.md tells every field, variable and metric there is, and no other. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LOG_VARIABLES } from "../../../src/config/log-template.ts";
import { closeFields, factFields, httpFields, openFields, rejectFields } from "../../../src/telemetry/log-fields.ts";
import { Metrics } from "../../../src/telemetry/metrics.ts";
import { problemLines } from "../config/problem-lines.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "./events.fixtures.ts";

const text = readFileSync(new URL("../../../docs/observability.md", import.meta.url), "utf8");

/** The rows of the table below a heading: their cells. */
function rows(heading: string, nth = 0): string[][] {
	const section = text.split(new RegExp(`^#+ ${heading}$`, "m"))[1]?.split(/^#+ /m)[0] ?? "";
	const tables = section.split(/^\|(?:-+\|)+$/m).slice(1);
	const lines = (tables[nth] ?? "").split("\n").filter((line) => line.startsWith("| "));
	return lines.map((line) =>
		line
			.slice(1, -1)
			.split("|")
			.map((cell) => cell.trim()),
	);
}

/** The names in code in a cell. */
function names(cell = ""): string[] {
	return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

/** The words that every log line has. */
const COMMON = ["time", "level", "event"];

describe("docs/observability.md", () => {
	it("has each field of the log once, with the lines that it is in", () => {
		const lines: Record<string, object> = {
			"ws.open": openFields(FACTS, OPENED),
			"ws.close": closeFields(FACTS, CLOSED),
			"ws.reject": rejectFields(FACTS, REFUSED),
			"http.request": httpFields(FACTS, { method: "GET", status: 200, duration_ms: 1, bytes_in: 0, bytes_out: 1 }),
		};
		const connection = Object.keys(factFields(FACTS));
		const expected = new Map(COMMON.map((name) => [name, "every line"]));
		for (const name of connection) expected.set(name, "connections");
		for (const [event, fields] of Object.entries(lines)) {
			for (const name of Object.keys(fields)) {
				if (connection.includes(name)) continue;
				expected.set(name, [expected.get(name), `\`${event}\``].filter((part) => part !== undefined).join(", "));
			}
		}
		const documented = rows("Fields").map(([field, where]) => [names(field)[0], where]);
		// `code` of http.request is there only when something failed, as in the table.
		expect(new Map(documented as [string, string][])).toEqual(expected);
		expect(documented).toHaveLength(expected.size);
	});

	it("has each variable of a template", () => {
		const fields = rows("Fields").flatMap(([field]) => names(field));
		const variables = rows("Formats", 1).flatMap(([variable]) => names(variable).map((name) => name.slice(1)));
		expect([...new Set([...fields, ...variables])].sort()).toEqual([...LOG_VARIABLES].sort());
	});

	it("has each metric with its type and labels", async () => {
		const nothing = () => [];
		const metrics = new Metrics({
			source: {
				connections: nothing,
				traffic: nothing,
				endpoints: nothing,
				draining: () => 0,
				certificates: nothing,
				logLinesLost: () => 0,
				workers: () => ({ serving: 1, configured: 1 }),
				limiters: nothing,
				hubRules: nothing,
				hubConnections: nothing,
			},
			nodeMetrics: false,
		});
		const types = [...(await metrics.render()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
		const existing = types.map(([, name = "", type]) => {
			const metric = metrics.registry.getSingleMetric(name) as unknown as { labelNames: string[] };
			return [name, type, metric.labelNames.join(" ")];
		});
		const documented = rows("Metrics").map(([metric, type, labels]) => [
			names(metric)[0],
			type,
			names(labels).join(" "),
		]);
		expect(documented.sort()).toEqual(existing.sort());
		metrics.stop();
	});

	it("has only examples that are valid", () => {
		const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, example = ""]) => example);
		const configurations = examples.filter((example) => example.includes("upstreams:"));
		expect(configurations).toHaveLength(1);
		for (const example of configurations) expect(problemLines(example)).toEqual([]);
	});

	it("links to pages and headings that exist", () => {
		const anchors = new Set(
			[...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
				heading
					.toLowerCase()
					.replaceAll(/[^\w -]/g, "")
					.replaceAll(" ", "-"),
			),
		);
		for (const [, target = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
			if (target.startsWith("#")) expect(anchors, target).toContain(target.slice(1));
			else {
				const file = new URL(`../../../docs/${target.split("#")[0]}`, import.meta.url);
				expect(() => readFileSync(file), target).not.toThrow(/ENOENT/);
			}
		}
	});
});
