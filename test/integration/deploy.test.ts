/** What deploy/ and docker-compose.yml say, held against the gateway and against each other; no engine is needed. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import type { GatewayConfig } from "../../src/config/schema.ts";
import { ROOT, startNode } from "../harness/child.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** A gateway's configuration without mistakes or warnings. */
function configOf(text: string, file: string): GatewayConfig {
	const { config, problems } = loadConfig(text, join(ROOT, file), { ADMIN_TOKEN: "a-token-for-tests" });
	expect(problems.map(formatProblem)).toEqual([]);
	return config as GatewayConfig;
}

/** What a stop may take, ms. */
const stopTime = ({ shutdown }: GatewayConfig): number => shutdown.delay + shutdown.drain.timeout;

const seconds = (text: string): number => {
	const match = /^(\d+)s?$/.exec(text);
	if (!match) throw new Error(`${text} is no number of seconds`);
	return Number(match[1]);
};

function yamlFiles(folder: string): string[] {
	return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
		.filter((name) => /\.ya?ml$/.test(name) && !name.includes("node_modules"))
		.map((name) => join(folder, name));
}

describe("every YAML file", () => {
	const files = [...yamlFiles("deploy"), "docker-compose.yml"];

	it.each(files)("%s parses", (file) => {
		const documents = parseAllDocuments(read(file), { merge: true });
		if (!Array.isArray(documents)) throw new Error("it is empty");
		for (const { errors, warnings } of documents) expect([...errors, ...warnings]).toEqual([]);
	});
});

interface Service {
	readonly image: string;
	readonly environment?: Record<string, string>;
	readonly volumes?: string[];
	readonly ports?: string[];
	readonly secrets?: string[];
	readonly healthcheck?: { readonly test: string[] };
	readonly depends_on?: Record<string, unknown>;
	readonly stop_grace_period?: string;
	readonly entrypoint?: string[];
}

describe("docker-compose.yml", () => {
	const compose = parse(read("docker-compose.yml"), { merge: true }) as {
		services: Record<string, Service>;
		secrets: Record<string, { environment: string }>;
		volumes: Record<string, unknown>;
	};
	const { services } = compose;
	const service = (name: string): Service => services[name] as Service;
	const config = configOf(read("deploy/compose/routes.yaml"), "deploy/compose/routes.yaml");

	it("has every sample server that the gateway's configuration names, at its port", () => {
		const endpoints = Object.values(config.upstreams).flatMap(({ endpoints: list }) => list.map(({ url }) => url));
		const servers = Object.entries(services)
			.filter(([, { entrypoint }]) => entrypoint?.includes("/opt/clawgate/examples/chat-server.js"))
			.map(([name, { environment }]) => `ws://${name}:${environment?.PORT}`);
		expect(servers).toHaveLength(2);
		expect(endpoints.sort()).toEqual(servers.sort());
	});

	it("publishes the gateway's listeners, and everything else on loopback only", () => {
		const own = config.listeners.map(({ address }) => `${address.port}:${address.port}`);
		expect(service("gateway").ports).toEqual([
			...own,
			`127.0.0.1:${config.admin?.address.port}:${config.admin?.address.port}`,
		]);
		for (const [name, { ports = [] }] of Object.entries(services)) {
			if (name === "gateway") continue;
			for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
		}
	});

	it("gives the drain the time that it needs", () => {
		expect(seconds(service("gateway").stop_grace_period ?? "0") * 1000).toBeGreaterThan(stopTime(config));
	});

	it("has a health check for each service, and starts them in that order", () => {
		for (const [name, { healthcheck }] of Object.entries(services)) {
			if (name === "gateway") expect(read("Dockerfile")).toMatch(/^HEALTHCHECK /m);
			else expect(healthcheck?.test[0], name).toBe("CMD");
		}
		for (const { depends_on = {} } of Object.values(services)) {
			for (const [name, condition] of Object.entries(depends_on)) {
				expect(Object.keys(services)).toContain(name);
				expect(condition).toEqual({ condition: "service_healthy" });
			}
		}
	});

	it("mounts what exists, and where it is looked for", () => {
		for (const { volumes = [] } of Object.values(services)) {
			for (const volume of volumes) {
				const [source = "", target = "", mode] = volume.split(":");
				if (!source.startsWith("./")) expect(Object.keys(compose.volumes)).toContain(source);
				else {
					expect(existsSync(join(ROOT, source)), source).toBe(true);
					expect(mode, volume).toBe("ro");
					if (source.endsWith("/compose")) expect(statSync(join(ROOT, source, "routes.yaml")).isFile()).toBe(true);
				}
				expect(target.startsWith("/")).toBe(true);
			}
		}
		const dashboards = parse(read("deploy/grafana/provisioning/dashboards/clawgate.yml")).providers[0].options.path;
		expect(service("grafana").volumes).toContain(`./deploy/grafana/dashboard.json:${dashboards}/dashboard.json:ro`);
		expect(service("grafana").environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
			`${dashboards}/dashboard.json`,
		);
	});

	it("lets Prometheus scrape the admin port with its token, and Grafana ask Prometheus", () => {
		const [job] = parse(read("deploy/prometheus/prometheus.yml")).scrape_configs;
		expect(job.static_configs).toEqual([{ targets: [`gateway:${config.admin?.address.port}`] }]);
		const [secret] = service("prometheus").secrets ?? [];
		expect(job.authorization.credentials_file).toBe(`/run/secrets/${secret}`);
		expect(compose.secrets[secret as string]).toEqual({ environment: "ADMIN_TOKEN" });
		expect(config.admin?.token).toBe("a-token-for-tests");
		const [source] = parse(read("deploy/grafana/provisioning/datasources/prometheus.yml")).datasources;
		expect(source.url).toBe("http://prometheus:9090");
	});

	it("holds no secret: passwords and tokens come from the environment", () => {
		for (const { environment = {} } of Object.values(services)) {
			for (const [name, value] of Object.entries(environment)) {
				if (/TOKEN|SECRET|PASSWORD|KEY/.test(name)) expect(value, name).toMatch(/^\$\{[A-Z_]+:\?/);
			}
		}
	});

	it("pins the images of others", () => {
		for (const { image } of Object.values(services))
			if (image !== "clawgate") expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
	});

	it("has sample servers that listen where their environment says", async () => {
		const port = await freePort();
		const server = startNode(["examples/chat-server.js"], {
			env: { PORT: String(port), HOST: "127.0.0.2", NAME: "one" },
		});
		await until(() => server.stdout().includes("is on"), { what: "the server" });
		expect(await (await fetch(`http://127.0.0.2:${port}/health`)).text()).toBe("ok\n");
		await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
	});
});

describe("the Kubernetes manifests", () => {
	interface Manifest {
		readonly apiVersion: string;
		readonly kind: string;
		readonly metadata: { readonly name: string };
		// biome-ignore lint/suspicious/noExplicitAny: a manifest may hold anything; what is read of it is compared
		readonly [part: string]: any;
	}
	const manifests = yamlFiles("deploy/kubernetes").flatMap((file) =>
		(parseAllDocuments(read(file)) as { toJS(): unknown }[]).map((document) => document.toJS() as Manifest),
	);
	const find = (kind: string, name = "clawgate"): Manifest => {
		const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
		if (!found) throw new Error(`there is no ${kind} ${name}`);
		return found;
	};
	const pod = find("Deployment").spec.template;
	const [container] = pod.spec.containers;
	const config = configOf(find("ConfigMap").data["routes.yaml"], "deploy/kubernetes/routes.yaml");
	const ports: Record<string, number> = Object.fromEntries(
		container.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
	);

	it("are of versions that exist", () => {
		expect(manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).sort()).toEqual([
			"apps/v1 Deployment",
			"policy/v1 PodDisruptionBudget",
			"v1 ConfigMap",
			"v1 Service",
			"v1 Service",
		]);
	});

	it("select the pods of the Deployment", () => {
		const { labels } = pod.metadata;
		expect(find("Deployment").spec.selector.matchLabels).toEqual(labels);
		expect(find("PodDisruptionBudget").spec.selector.matchLabels).toEqual(labels);
		expect(find("Service").spec.selector).toEqual(labels);
		expect(find("Service", "clawgate-admin").spec.selector).toEqual(labels);
	});

	it("name the ports that the configuration opens", () => {
		expect(ports).toEqual({ public: config.listeners[0]?.address.port, admin: config.admin?.address.port });
		for (const name of ["clawgate", "clawgate-admin"]) {
			for (const { targetPort } of find("Service", name).spec.ports) expect(Object.keys(ports)).toContain(targetPort);
		}
	});

	it("probe what the admin port answers without a token", () => {
		const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
		expect(probes.map(({ httpGet }) => httpGet)).toEqual([
			{ path: "/healthz", port: "admin" },
			{ path: "/healthz", port: "admin" },
			{ path: "/readyz", port: "admin" },
		]);
	});

	it("give the drain the time that it needs", () => {
		expect(pod.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(stopTime(config));
		expect(config.shutdown.delay).toBeGreaterThan(0);
	});

	it("mount the configuration as a folder, so that a change arrives, and the token from a secret", () => {
		const [mount] = container.volumeMounts;
		expect(container.args).toEqual(["run", "-c", `${mount.mountPath}/routes.yaml`]);
		expect(mount).not.toHaveProperty("subPath");
		const volume = pod.spec.volumes.find(({ name }: { name: string }) => name === mount.name);
		expect(volume.configMap.name).toBe(find("ConfigMap").metadata.name);
		expect(container.env).toEqual([
			{ name: "ADMIN_TOKEN", valueFrom: { secretKeyRef: { name: "clawgate-admin", key: "token" } } },
		]);
	});
});

describe("the systemd unit", () => {
	const lines = read("deploy/systemd/clawgate.service")
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"));
	const values = (key: string): string[] =>
		lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));

	it("is made of sections and settings", () => {
		expect(lines.filter((line) => line.startsWith("["))).toEqual(["[Unit]", "[Service]", "[Install]"]);
		for (const line of lines) expect(line).toMatch(/^(\[\w+\]|[A-Z]\w+=.+)$/);
	});

	it("checks before it starts, reloads with SIGHUP after a check, and stops with SIGTERM", () => {
		const entry = "/usr/bin/node /opt/clawgate/dist/main.js";
		const config = "-c /etc/clawgate/routes.yaml";
		expect(values("ExecStart")).toEqual([`${entry} run ${config}`]);
		expect(values("ExecStartPre")).toEqual([`${entry} check ${config}`]);
		expect(values("ExecReload")).toEqual([`${entry} check ${config}`, "/bin/kill -HUP $MAINPID"]);
		expect(values("KillSignal")).toEqual(["SIGTERM"]);
	});

	it("gives the drain the time that it needs, with the gateway's defaults", () => {
		const defaults = configOf(
			'listeners: [{ address: ":8080" }]\nupstreams: { a: { endpoints: ["ws://127.0.0.1:1"] } }\nroutes: [{ upstream: a }]',
			"routes.yaml",
		);
		expect(seconds(values("TimeoutStopSec")[0] as string) * 1000).toBeGreaterThan(stopTime(defaults));
	});

	it("takes away what the gateway does not need, and leaves it what it does", () => {
		for (const key of ["NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"])
			expect(values(key)).toEqual(["yes"]);
		expect(values("ProtectSystem")).toEqual(["strict"]);
		expect(values("AmbientCapabilities")).toEqual(["CAP_NET_BIND_SERVICE"]);
		// JavaScript is compiled to memory that is written and then run.
		expect(values("MemoryDenyWriteExecute")).toEqual([]);
		expect(values("RestrictAddressFamilies")).toEqual(["AF_INET AF_INET6 AF_UNIX"]);
	});
});

interface Panel {
	readonly id: number;
	readonly type: string;
	readonly title: string;
	readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
	readonly datasource?: unknown;
	readonly targets?: { readonly expr: string; readonly legendFormat: string; readonly datasource: unknown }[];
}

describe("the Grafana dashboard", () => {
	const dashboard = JSON.parse(read("deploy/grafana/dashboard.json")) as {
		uid: string;
		templating: { list: { name: string; type: string }[] };
		panels: Panel[];
	};
	const panels = dashboard.panels.filter(({ type }) => type !== "row");

	it("has panels with queries, each with a title and a number of its own", () => {
		expect(panels.length).toBeGreaterThan(25);
		expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
		expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
		for (const { title, targets = [] } of panels) expect(targets.length, title).toBeGreaterThan(0);
	});

	it("asks the Prometheus that is chosen above", () => {
		const variables = dashboard.templating.list.map(({ name }) => name);
		expect(variables).toEqual(["datasource", "instance", "route", "upstream"]);
		for (const { title, datasource, targets = [] } of panels) {
			for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
				expect(source, title).toEqual({ type: "prometheus", uid: `\${datasource}` });
			}
			for (const { expr } of targets) {
				for (const [, name = ""] of expr.matchAll(/\$(\w+)/g)) {
					if (!name.startsWith("__")) expect(variables, title).toContain(name);
				}
			}
		}
	});

	it("has no panel that covers another one or the edge", () => {
		const taken = new Map<string, string>();
		for (const { title, gridPos } of dashboard.panels) {
			expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
			for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
				for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
					expect(taken.get(`${x} ${y}`), title).toBeUndefined();
					taken.set(`${x} ${y}`, title);
				}
			}
		}
	});

	it("names in its legends only labels that the query leaves", () => {
		for (const { title, targets = [] } of panels) {
			for (const { expr, legendFormat } of targets) {
				const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/, */));
				const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
				const aggregated = /\b(sum|min|max|count|histogram_quantile)\b/.test(expr);
				if (aggregated) for (const label of labels) expect(grouped, `${title}: ${legendFormat}`).toContain(label);
			}
		}
	});
});

describe("docs/observability.md", () => {
	it("says for each alert what to do, in the order of the rules", () => {
		const { groups } = parse(read("deploy/prometheus/alerts.yml")) as {
			groups: { rules: { alert: string; labels: { severity: string } }[] }[];
		};
		const rules = groups.flatMap((group) => group.rules.map(({ alert, labels }) => `${alert} ${labels.severity}`));
		const sections = [...read("docs/observability.md").matchAll(/^### (Clawgate\w+)\n\n\*(\w+)\.\*/gm)];
		expect(sections.map(([, alert, severity]) => `${alert} ${severity}`)).toEqual(rules);
	});
});
