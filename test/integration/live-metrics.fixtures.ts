/** The metrics of a gateway that has seen a bit of everything, and what queries may say about them. */
import { createServer } from "node:http";
import { expect } from "vitest";
import { frame, OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { listen, startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { api } from "./admin.fixtures.ts";

export interface LiveMetrics {
	/** What Prometheus would read. */
	readonly text: string;
	/** The labels of each metric that has samples; histograms by their `_bucket`, `_sum` and `_count`. */
	readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
	/** Every metric by its `# TYPE` line. */
	readonly types: ReadonlyMap<string, string>;
}

/** Runs a gateway through opens, closes, refusals, pings, limits and slow readers, then scrapes it. */
export async function liveMetrics(): Promise<LiveMetrics> {
	const backend = await startWsBackend();
	const flood = frame(OPCODE.binary, Buffer.alloc(64 * 1024));
	const flooding = await startRawBackend(
		accepting({}, (peer) => {
			const more = (): void => {
				while (!peer.socket.destroyed && peer.socket.write(flood));
			};
			peer.socket.on("drain", more);
			more();
		}),
	);
	// Takes events, and has no answer to questions.
	const told = createServer((request, response) => {
		if (request.method === "OPTIONS") response.setHeader("WebHook-Allowed-Origin", "*");
		response.statusCode = request.method === "OPTIONS" ? 200 : request.url === "/events" ? 202 : 500;
		request.resume().on("end", () => response.end());
	});
	const hubBackend = `http://127.0.0.1:${(await listen(told)).port}`;
	const gateway = await startTestGateway(`
		listeners:
			- { name: plain, address: "127.0.0.1:0" }
			- { name: secure, address: "127.0.0.1:0", tls: { self_signed: [localhost] } }
		admin: { address: "127.0.0.1:0" }
		upstreams:
			chat:
				endpoints: ["${backend.url}"]
				outlier_detection: {}
				circuit_breaker: {}
			flood: { endpoints: ["${flooding.url}"] }
			gone: { endpoints: ["ws://127.0.0.1:${await closedPort()}"] }
		defaults: { ping: { interval: 50ms } }
		hubs:
			live:
				anonymous: true
				topics: [{ match: "t.{name}", subscribe: anyone, publish: anyone, history: { size: 10, ttl: 1m } }]
				backend: { url: "${hubBackend}", ask: [publish], retries: 0 }
				events: { url: "${hubBackend}/events", on: [subscribed], batch: { wait: 10ms } }
		routes:
			- { name: live, match: { path: /live }, hub: { name: live, protocol: plain } }
			- { name: flood, match: { path_prefix: /flood }, upstream: flood }
			- { name: gone, match: { path_prefix: /gone }, upstream: gone }
			- name: chat
			  match: { path_prefix: / }
			  upstream: chat
			  limits: { connections_per_ip: 3, messages: { rate: 1/s, burst: 1, on_exceed: delay } }
	`);
	const scrape = async (): Promise<string> =>
		(await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
	const client = await openWs(gateway.url());
	client.socket.send("one");
	await client.next();
	client.socket.send("two");
	(await openWs(gateway.url())).socket.close(1000);
	await gateway.waitForLog("ws.close");
	expect((await (await connectRaw({ port: gateway.port })).handshake("/gone")).status).toBe(502);
	const slow = await openRaw(gateway.port, "/flood");
	slow.forget();
	slow.socket.pause();
	const follower = await openWs(gateway.url("/live"));
	await follower.next();
	const say = (action: object): void => follower.socket.send(JSON.stringify({ ...action, topic: "t.1" }));
	say({ action: "subscribe", since: { epoch: "another", offset: 1 } });
	await follower.next();
	say({ action: "publish", data: 1 });
	await api(gateway.handle, "hubs/live/publish", { method: "POST", body: { topic: "t.1", data: 1 } });
	let text = "";
	const seen = (pattern: RegExp): boolean => pattern.test(text);
	await until(
		async () => {
			text = await scrape();
			return (
				seen(/^clawgate_backpressure_pauses_total\{.*\} [1-9]/m) &&
				seen(/^clawgate_ping_rtt_seconds_count\{.*side="client".*\} [1-9]/m) &&
				seen(/^clawgate_rate_limited_total\{.*limit="messages".*\} [1-9]/m) &&
				seen(/^clawgate_hub_events_total\{.*\} [1-9]/m) &&
				seen(/^clawgate_hub_rpc_seconds_count\{.*\} [1-9]/m)
			);
		},
		{ what: "pings, a slow reader and a limit in the metrics", timeout: 10_000 },
	);
	const labels = new Map<string, Set<string>>();
	for (const [, name = "", list = ""] of text.matchAll(/^([a-z0-9_]+)(?:\{(.*)\})? \S+$/gm)) {
		const known = labels.get(name) ?? new Set();
		for (const [, label = ""] of list.matchAll(/([a-z_]+)="/g)) known.add(label);
		labels.set(name, known);
	}
	const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]));
	return { text, labels, types };
}

/** Prometheus adds these itself, or PromQL makes them. */
const ALWAYS = ["job", "instance", "le"];
const GENERATED: ReadonlyMap<string, ReadonlySet<string>> = new Map([["up", new Set<string>()]]);

const METRIC = /(?<![\w$"])(up|(?:clawgate|process|nodejs)_[a-z0-9_]+)(?:\{([^}]*)\})?/g;
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;

/** What a PromQL expression names that a gateway does not have; empty when all of it exists. */
export function strangers(expression: string, { labels }: LiveMetrics): string[] {
	const found: string[] = [];
	const known = new Set(ALWAYS);
	for (const [, name = "", selector = ""] of expression.matchAll(METRIC)) {
		const own = labels.get(name) ?? GENERATED.get(name);
		if (own === undefined) found.push(name);
		for (const label of own ?? []) known.add(label);
		for (const [, label = ""] of selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)) {
			if (!own?.has(label) && !ALWAYS.includes(label)) found.push(`${name}{${label}}`);
		}
	}
	for (const [, list = ""] of expression.matchAll(GROUPING)) {
		const names = list.split(",").map((label) => label.trim());
		found.push(...names.filter((label) => label !== "" && !known.has(label)).map((label) => `by (${label})`));
	}
	return found;
}

/** The metrics that a PromQL expression names. */
export function metricsIn(expression: string): string[] {
	return [...expression.matchAll(METRIC)].map(([, name = ""]) => name);
}
