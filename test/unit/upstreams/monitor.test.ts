import { describe, expect, it, onTestFinished } from "vitest";
import { discoveryOptions } from "../../../src/upstreams/discovery/index.ts";
import { Monitor } from "../../../src/upstreams/monitor.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import type { Upstream } from "../../../src/upstreams/upstream.ts";
import { until, within } from "../../harness/poll.ts";
import { refusing, silent, startRawBackend } from "../../harness/raw-backend.ts";
import { resources } from "../../harness/resources.ts";
import { startWsBackend } from "../../harness/ws-backend.ts";
import { startDnsServer } from "./discovery/dns-server.fixtures.ts";
import { options, upstream } from "./health/health.fixtures.ts";

/** A monitor with real timers and sockets, and what it told. */
function startMonitor(onEndpoints?: () => void) {
	const notices: (Record<string, unknown> & { event: string; level: string })[] = [];
	const calls: string[] = [];
	const monitor = new Monitor({
		notice: (level, event, fields) => notices.push({ event, level, ...fields }),
		random: Math.random,
		clock: () => performance.now(),
		onDown: ({ name, onUnhealthy }, { id }) => calls.push(`down ${name} ${id} ${onUnhealthy}`),
		onUp: ({ name }, { id }) => calls.push(`up ${name} ${id}`),
		onEndpoints: (name, endpoints) => {
			calls.push(`endpoints ${name} ${endpoints.map(({ url }) => url).join(" ")}`);
			onEndpoints?.();
		},
	});
	onTestFinished(() => monitor.stop());
	return { monitor, notices, calls };
}

const http = options({ type: "http", interval: "30ms", timeout: "1s" });

describe("health", () => {
	it("tells of each change with the upstream of the latest snapshot", async () => {
		const backend = await startWsBackend({ onRequest: (_, response) => response.writeHead(status).end() });
		let status = 200;
		const { monitor, notices, calls } = startMonitor();
		const states = new UpstreamStates(() => 1);
		const compile = (on_unhealthy: "keep" | "close") =>
			upstream([backend.url], { health_check: http, on_unhealthy }, { states });
		monitor.update([compile("keep")]);
		await until(() => notices.length > 0, { what: "endpoint.up" });
		monitor.update([compile("close")]);
		status = 500;
		await until(() => notices.length > 1, { what: "endpoint.down" });
		status = 200;
		await until(() => notices.length > 2, { what: "endpoint.up" });
		const facts = { upstream: "chat", endpoint: backend.id, check: "http" };
		expect(notices).toEqual([
			{ event: "endpoint.up", level: "info", ...facts, reason: "status 200", successes: 1 },
			{ event: "endpoint.down", level: "warn", ...facts, reason: "status 500", failures: 3 },
			{ event: "endpoint.up", level: "info", ...facts, reason: "status 200", successes: 2 },
		]);
		expect(calls).toEqual([`up chat ${backend.id}`, `down chat ${backend.id} close`, `up chat ${backend.id}`]);
	});

	it("goes on undisturbed when the snapshot changes, starts anew with other options, and keeps the health", async () => {
		const backend = await startWsBackend({ onRequest: (_, response) => response.end() });
		let requests = 0;
		backend.server.on("request", () => requests++);
		const { monitor, notices } = startMonitor();
		const states = new UpstreamStates(() => 1);
		const compile = (interval: string): Upstream =>
			upstream([backend.url], { health_check: options({ type: "http", interval }) }, { states });
		monitor.update([compile("1h")]);
		await until(() => requests === 1 && notices.length === 1, { what: "the first probe" });
		for (let i = 0; i < 10; i++) monitor.update([compile("1h")]);
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(requests).toBe(1);
		monitor.update([compile("2h")]);
		await until(() => requests === 2, { what: "a probe with the new options" });
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(compile("2h").endpoints[0]?.state.health).toBe("healthy");
		expect(notices).toHaveLength(1);
	});

	it.each(["the endpoint", "the health check"])("ends with %s, and nothing is known afterwards", async (what) => {
		const bad = await startRawBackend(refusing(500));
		const { monitor } = startMonitor();
		const states = new UpstreamStates(() => 1);
		const before = upstream([bad.url], { health_check: http }, { states });
		monitor.update([before]);
		await until(() => before.endpoints[0]?.state.health === "unhealthy", { what: "the endpoint to be down" });
		monitor.update([what === "the endpoint" ? upstream([]) : upstream([bad.url], {}, { states })]);
		const probes = bad.connections.length;
		expect(before.endpoints[0]?.state.health).toBe("unknown");
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(bad.connections.length).toBe(probes);
	});

	it("is counted for each upstream of its own", async () => {
		const backend = await startWsBackend({
			onRequest: ({ url }, response) => response.writeHead(url === "/good" ? 200 : 500).end(),
		});
		const { monitor, calls } = startMonitor();
		const of = (name: string, path: string) =>
			upstream([backend.url], { health_check: options({ type: "http", path }) }, { name });
		monitor.update([of("good", "/good"), of("bad", "/bad")]);
		await until(() => calls.length === 2, { what: "both verdicts" });
		expect(calls.sort()).toEqual([`down bad ${backend.id} keep`, `up good ${backend.id}`]);
	});

	it("leaves no timer and no socket after stop()", async () => {
		const backends = await Promise.all([startRawBackend(silent), startRawBackend(silent)]);
		const timers = () => resources().active.Timeout ?? 0;
		const before = timers();
		const { monitor } = startMonitor();
		monitor.update([
			upstream(
				backends.map(({ url }) => url),
				{ health_check: options({ type: "websocket" }) },
			),
		]);
		for (const backend of backends) await backend.connection(0);
		monitor.stop();
		for (const backend of backends) {
			await until(() => backend.openCount() === 0, { what: "no connection left at the backend" });
		}
		await until(() => timers() <= before, { what: "no timer more than before" });
	});
});

describe("discovery", () => {
	const written = (servers: string[], name = "chat.internal") =>
		discoveryOptions.parse({ type: "dns", name, port: 7001, interval: "30ms", servers });

	it("tells of endpoints, of failures once, and of recovery; the last good answer stays", async () => {
		const dns = await startDnsServer({ "chat.internal": { a: ["10.0.0.1", "10.0.0.2"] } });
		const { monitor, notices, calls } = startMonitor();
		monitor.update([upstream([], { discovery: written([dns.address]) })]);
		await within(monitor.ready(), { what: "the first answer" });
		expect([...monitor.discovered.keys()]).toEqual(["chat"]);
		dns.zones = { "chat.internal": { trouble: "SERVFAIL" } };
		await until(() => notices.some(({ event }) => event === "discovery.failed"), { what: "discovery.failed" });
		expect(monitor.discovered.get("chat")).toHaveLength(2);
		dns.zones = { "chat.internal": { a: ["10.0.0.2", "10.0.0.3"] } };
		await until(() => notices.some(({ event }) => event === "discovery.recovered"), { what: "discovery.recovered" });
		const facts = { upstream: "chat", question: "A chat.internal" };
		const [one, two, three] = [1, 2, 3].map((last) => `ws://10.0.0.${last}:7001`);
		expect(notices).toEqual([
			{ event: "discovery.changed", level: "info", ...facts, endpoints: 2, added: [one, two], removed: [] },
			{
				event: "discovery.failed",
				level: "warn",
				...facts,
				reason: "the name server failed (SERVFAIL)",
				endpoints: 2,
			},
			{ event: "discovery.changed", level: "info", ...facts, endpoints: 2, added: [three], removed: [one] },
			{ event: "discovery.recovered", level: "info", ...facts, endpoints: 2 },
		]);
		expect(calls).toEqual([`endpoints chat ${one} ${two}`, `endpoints chat ${two} ${three}`]);
	});

	it("keeps the endpoints of the old name until the new one has an answer, and drops them with the option", async () => {
		const dns = await startDnsServer({ "chat.internal": { a: ["10.0.0.1"] } });
		const { monitor, calls } = startMonitor();
		monitor.update([upstream([], { discovery: written([dns.address]) })]);
		await until(() => calls.length === 1, { what: "the first answer" });
		monitor.update([upstream([], { discovery: written([dns.address], "other.internal") })]);
		await until(() => dns.questions.at(-1) === "A other.internal", { what: "the other question" });
		expect(monitor.discovered.get("chat")).toHaveLength(1);
		dns.zones["other.internal"] = { a: ["10.0.0.9"] };
		await until(() => calls.length === 2, { what: "the other answer" });
		expect(calls[1]).toBe("endpoints chat ws://10.0.0.9:7001");
		monitor.update([upstream([])]);
		expect(monitor.discovered.size).toBe(0);
	});

	it("may tell of a new snapshot from inside onEndpoints", async () => {
		const dns = await startDnsServer({ "chat.internal": { a: ["10.0.0.1"] } });
		const pool = upstream([], { discovery: written([dns.address]) });
		const { monitor } = startMonitor(() => monitor.update([pool]));
		monitor.update([pool]);
		await within(monitor.ready(), { what: "the first answer" });
		const asked = dns.questions.length;
		await until(() => dns.questions.length > asked + 2, { what: "further questions" });
		expect(monitor.discovered.get("chat")).toHaveLength(1);
	});
});
