/** Prometheus' own tool reads what the gateway and deploy/prometheus say. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { ERRORS } from "../../src/errors.ts";
import { ROOT } from "../harness/child.ts";
import { liveMetrics, metricsIn, strangers } from "./live-metrics.fixtures.ts";
import { promtool } from "./promtool.fixtures.ts";

const FOLDER = join(ROOT, "deploy/prometheus");

interface Rule {
	readonly alert: string;
	readonly expr: string;
	readonly labels: { readonly severity: string };
	readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

const { groups } = parse(readFileSync(join(FOLDER, "alerts.yml"), "utf8")) as {
	groups: { name: string; rules: Rule[] }[];
};
const RULES = groups.flatMap(({ rules }) => rules);

function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-prometheus-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	return folder;
}

describe("the alert rules", () => {
	it("are rules, and fire when they should and not otherwise", async () => {
		const check = await promtool(["check", "rules", "alerts.yml"]);
		expect(check.output).toContain(`SUCCESS: ${RULES.length} rules found`);
		expect(check.code).toBe(0);
		const test = await promtool(["test", "rules", "alerts.test.yml"]);
		expect(test.output).not.toContain("FAILED");
		expect(test.code).toBe(0);
	});

	it("are all tried out", () => {
		const tests = readFileSync(join(FOLDER, "alerts.test.yml"), "utf8");
		const untried = RULES.filter(({ alert }) => {
			const eachTime = tests.split(`alertname: ${alert}`).slice(1);
			return !eachTime.some((text) => /^[\s\n]*exp_alerts:\s*\n/.test(text));
		});
		expect(untried.map(({ alert }) => alert)).toEqual([]);
	});

	it("say how serious they are, what is wrong in words, and where to read on", () => {
		for (const { alert, labels, annotations } of RULES) {
			expect(["critical", "warning", "info"], alert).toContain(labels.severity);
			expect(annotations.summary.length, alert).toBeGreaterThan(20);
			expect(annotations.description.length, alert).toBeGreaterThan(40);
			expect(annotations.runbook).toBe(`docs/observability.md#${alert.toLowerCase()}`);
		}
		expect(new Set(RULES.map(({ alert }) => alert)).size).toBe(RULES.length);
	});

	it("count every failure of handshakes that is not the client's", () => {
		const { expr } = RULES.find(({ alert }) => alert === "ClawgateHandshakeErrors") as Rule;
		const counted = /result=~"([^"]+)"/.exec(expr)?.[1]?.split("|") ?? [];
		// Those belong to a stop, or are the backend's word to the client.
		const left = ["BACKEND_REFUSED", "SHUTTING_DOWN"];
		const failures = Object.entries(ERRORS).filter(([code, { side }]) => side !== "client" && !left.includes(code));
		expect(counted.sort()).toEqual(failures.map(([code]) => code).sort());
	});

	it("name only codes that the error table has", () => {
		const codes = Object.keys(ERRORS);
		for (const { alert, expr } of RULES) {
			for (const [, list = ""] of expr.matchAll(/result=~?"([^"]+)"/g)) {
				if (/config_reloads|clawgate_hub_/.test(expr)) continue;
				for (const pattern of list.split("|")) {
					expect(
						codes.some((code) => new RegExp(`^(?:${pattern})$`).test(code)),
						`${alert}: ${pattern}`,
					).toBe(true);
				}
			}
		}
	});
});

describe("prometheus.yml", () => {
	it("is a configuration whose rules are found, and scrapes as the job that the rules expect", async () => {
		const folder = temporaryFolder();
		cpSync(FOLDER, folder, { recursive: true });
		const token = join(folder, "token");
		writeFileSync(token, "token");
		const text = readFileSync(join(FOLDER, "prometheus.yml"), "utf8");
		// The file of the container, which is looked for.
		writeFileSync(join(folder, "prometheus.yml"), text.replace("/run/secrets/admin_token", token));
		const { code, output } = await promtool(["check", "config", "prometheus.yml"], { cwd: folder });
		expect(output).toContain("prometheus.yml is valid");
		expect(output).toContain("1 rule files found");
		expect(code).toBe(0);
		expect(parse(text).scrape_configs[0].job_name).toBe("clawgate");
	});
});

describe("the metrics of a running gateway", () => {
	it("are what promtool calls good, and have all that rules and dashboard ask for", async () => {
		const live = await liveMetrics();
		const check = await promtool(["check", "metrics"], { input: live.text });
		expect(check.output).toBe("");
		expect(check.code).toBe(0);

		const silent = [...live.types.keys()].filter(
			(name) => name.startsWith("clawgate_") && !live.labels.has(name) && !live.labels.has(`${name}_count`),
		);
		expect(silent, "metrics without a sample: their labels cannot be compared").toEqual([]);

		for (const { alert, expr } of RULES) expect(strangers(expr, live), alert).toEqual([]);
		for (const { title, expr } of dashboardQueries()) expect(strangers(expr, live), title).toEqual([]);

		// Whatever is measured can be seen.
		const shown = new Set(dashboardQueries().flatMap(({ expr }) => metricsIn(expr)));
		const unseen = [...live.types.keys()].filter(
			(name) => name.startsWith("clawgate_") && !shown.has(name) && !shown.has(`${name}_bucket`),
		);
		expect(unseen).toEqual(["clawgate_config_last_reload_success_timestamp_seconds"]);
	});
});

describe("the Grafana dashboard", () => {
	it("asks Prometheus in valid PromQL", async () => {
		const folder = temporaryFolder();
		const rules = dashboardQueries().map(({ expr }, index) => ({
			record: `query:${index}`,
			expr: expr
				.replaceAll("$__rate_interval", "1m")
				.replaceAll("$__range", "3h")
				.replaceAll(/\$(instance|route|upstream)\b/g, ".*"),
		}));
		expect(rules.length).toBeGreaterThan(30);
		expect(rules.filter(({ expr }) => expr.includes("$"))).toEqual([]);
		writeFileSync(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
		const { code, output } = await promtool(["check", "rules", "rules.yml"], { cwd: folder });
		expect(output).toContain(`SUCCESS: ${rules.length} rules found`);
		expect(code).toBe(0);
	});
});

interface Panel {
	readonly title: string;
	readonly targets?: { readonly expr: string; readonly legendFormat: string }[];
}

/** Every query of the dashboard: panels, annotations, and what the variables look through. */
function dashboardQueries(): { title: string; expr: string }[] {
	const dashboard = JSON.parse(readFileSync(join(ROOT, "deploy/grafana/dashboard.json"), "utf8")) as {
		panels: Panel[];
		annotations: { list: { name: string; expr: string }[] };
		templating: { list: { name: string; definition?: string }[] };
	};
	return [
		...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
		...dashboard.annotations.list.map(({ name, expr }) => ({ title: name, expr })),
		...dashboard.templating.list.flatMap(({ name, definition }) => {
			const inner = /^label_values\((.*), \w+\)$/.exec(definition ?? "")?.[1];
			return inner === undefined ? [] : [{ title: name, expr: inner }];
		}),
	];
}
