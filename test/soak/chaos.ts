/**
 * Everything at once: clients that send what proxies fell over, processes that die and stand still, limits, files, drains and
 * names that go wrong, and beside them tunnels that talk. Afterwards the gateway has to be what it was.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../harness/poll.ts";
import { openFds, openKinds } from "../harness/resources.ts";
import { seeded } from "../harness/sequences.ts";
import { childrenOf, lives } from "../harness/workers.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { type DnsServer, startDnsServer } from "../unit/upstreams/discovery/dns-server.fixtures.ts";
import { MadBackend } from "./chaos-backend.ts";
import { visit } from "./chaos-client.ts";
import { ChaosConfig } from "./chaos-config.ts";
import { FAULTS, type FaultContext } from "./chaos-faults.ts";
import { REQUESTS, type RequestContext } from "./chaos-requests.ts";
import { Deck } from "./deck.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { LogAudit } from "./log-audit.ts";
import { TalkingTunnels, type Way } from "./talking-tunnels.ts";

export interface ChaosOptions {
	readonly seconds: number;
	readonly workers: number;
	/** How many tunnels talk beside it. */
	readonly tunnels: number;
	readonly seed: number;
	/** Clients at the same time. */
	readonly clients: number;
	/** Things that go wrong at the same time. */
	readonly faults: number;
	/** How often each kind of request is sent before memory is looked at: so that every process has had each. */
	readonly rounds: number;
	/** Milliseconds for which the number of open files has to stand still. */
	readonly rest: number;
}

/** What a process holds: bytes, and open files. */
export interface Held {
	readonly fds: number;
	/** Of them, by kind. */
	readonly kinds: Readonly<Record<string, number>>;
	readonly heap: number;
	readonly rss: number;
}

export interface ChaosResult {
	/** What was not as it must be, in words. */
	readonly wrong: readonly string[];
	readonly requests: Readonly<Record<string, number>>;
	readonly answers: Readonly<Record<string, number>>;
	readonly faults: Readonly<Record<string, number>>;
	readonly talked: {
		readonly opened: number;
		readonly lost: number;
		readonly lostBy: Readonly<Record<string, number>>;
		readonly refused: Readonly<Record<string, number>>;
		readonly sent: number;
		readonly echoed: number;
	};
	readonly log: {
		readonly events: Readonly<Record<string, number>>;
		readonly terminations: Readonly<Record<string, number>>;
		readonly refusals: Readonly<Record<string, number>>;
	};
	/** The supervisor (or the only process), then the workers. */
	readonly before: readonly Held[];
	readonly after: readonly Held[];
	/** Milliseconds from SIGTERM to the end. */
	readonly stop: number;
	/** Milliseconds from the start until each part of the run began. */
	readonly phases: Readonly<Record<string, number>>;
}

/** Milliseconds for everything to settle once nothing goes wrong any more. */
const SETTLE_MS = 60_000;
/** Costs half of all tunnels, so that it comes only once in so many turns of everything else. */
const RARE = { fault: "a worker is killed", turns: 3 };
/** `shutdown.drain` of the configuration, and what the supervisor waits for workers beyond it. */
const STOP_MS = 6_000 + 15_000;

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
	const { workers, seed } = options;
	const startedAt = performance.now();
	const healthy = await startWsBackend();
	const zones: DnsServer["zones"] = {
		"talk.chaos.test": { a: ["127.0.0.1"] },
		"silent.chaos.test": { trouble: "silent" },
	};
	const names = await startDnsServer(zones);
	const backends = [await MadBackend.start(), await MadBackend.start(), await MadBackend.start()] as const;
	const config = await ChaosConfig.make({
		workers,
		healthy: `ws://talk.chaos.test:${healthy.port}`,
		mad: [backends[0].port, backends[1].port, backends[2].port],
	});
	const audit = new LogAudit();
	const gateway = GatewayProcess.start(config.file, {
		preload: ["test/fixtures/name-server-from-env.js"],
		env: { NAME_SERVER: names.address },
		onLine: (record) => audit.line(record),
	});
	const { admin } = config.ports;
	const get = async <T>(path: string): Promise<T> =>
		(await (await fetch(`http://127.0.0.1:${admin}${path}`, { signal: AbortSignal.timeout(5_000) })).json()) as T;
	await until(() => isReady(admin), { timeout: 20_000, what: "the gateway to be ready" }).catch((error: Error) => {
		throw new Error(`${error.message}; it said: ${gateway.errors.join("\n")}`);
	});
	const pids = () => (workers > 1 ? childrenOf(gateway.pid) : []);
	const phases: Record<string, number> = {};
	const phase = (name: string): void => {
		phases[name] = Math.round(performance.now() - startedAt);
	};
	const wrong: string[] = [];
	const counted: Counted = { requests: {}, answers: {}, faults: {} };
	const held = (): Promise<Held[]> => Promise.all([gateway.pid, ...pids()].map((pid) => heldBy(gateway, pid)));
	const ask = async (kind: string, context: RequestContext): Promise<void> => {
		const { visit: plan, never } = (REQUESTS[kind] as (typeof REQUESTS)[string])(context);
		const { answer, hung } = await visit(plan);
		count(counted.requests, kind);
		count(counted.answers, /^HTTP\/1\.1 \d{3}/.exec(answer)?.[0].slice(9) ?? (hung ? "hung" : "none"));
		if (hung) wrong.push(`${kind}: neither an answer nor an end: ${String(plan.parts[0]).slice(0, 100)}`);
		if (never?.test(answer)) wrong.push(`${kind}: ${answer} for ${String(plan.parts[0]).slice(0, 100)}`);
	};
	const everyKind = async (round: number): Promise<void> => {
		const context = { ports: config.ports, random: seeded(seed + round) };
		await Promise.all(Object.keys(REQUESTS).map((kind) => ask(kind, context)));
	};
	const rounds = async (): Promise<void> => {
		await Promise.all(Array.from({ length: options.rounds }, (_, round) => everyKind(round)));
	};
	const ways = waysOf(config);
	const noneOpen = (): Promise<unknown> =>
		until(async () => audit.open.length === 0 && (await get<Total>("/api/v1/connections?limit=1")).total === 0, {
			timeout: SETTLE_MS,
			what: "a ws.close line for each ws.open, and nothing in the list of connections",
		}).catch((error: Error) => wrong.push(`${error.message}; open: ${JSON.stringify(audit.open.slice(0, 5))}`));

	phase("warm-up");
	// What is only allocated once is there before memory is looked at.
	await rounds();
	phase("first tunnels");
	const first = await TalkingTunnels.open("before", options.tunnels, ways);
	first.close();
	phase("at rest");
	await noneOpen();
	await descriptorsAtRest([gateway.pid, ...pids()], options.rest);
	const before = await held();

	phase("tunnels");
	const tunnels = await TalkingTunnels.open("beside", options.tunnels, ways);
	phase("chaos");
	const family = new Set([gateway.pid, ...pids()]);
	const end = performance.now() + options.seconds * 1_000;
	const going = () => performance.now() < end;
	const context: Omit<FaultContext, "random"> = {
		...{ config, backends, names, zones, pid: gateway.pid, workers: pids },
		serves: (pid) => family.has(pid) || audit.workers.some((line) => line.event === "worker.start" && line.pid === pid),
		...{ killed: new Set(), busy: new Set(), long: options.seconds > 30 },
	};
	const requests = new Deck(Object.keys(REQUESTS), seeded(seed + 500));
	const faults = new Deck(Object.keys(FAULTS), seeded(seed + 501));
	let kills = 0;
	const client = async (_: unknown, index: number): Promise<void> => {
		const random = seeded(seed + 1_000 + index);
		while (going()) {
			await ask(requests.draw(), { ports: config.ports, random });
			await pause(random() * 200);
		}
	};
	const trouble = async (_: unknown, index: number): Promise<void> => {
		const random = seeded(seed + 2_000 + index);
		while (going()) {
			const kind = faults.draw();
			if (kind === RARE.fault && (workers === 1 || kills++ % RARE.turns !== 0)) continue;
			count(counted.faults, kind);
			await (FAULTS[kind] as (typeof FAULTS)[string])({ ...context, random });
			await pause(random() * 2_000);
		}
	};
	await Promise.all([
		...Array.from({ length: options.clients }, client),
		...Array.from({ length: options.faults }, trouble),
	]);

	phase("order");
	// From here on nothing goes wrong.
	config.whole();
	names.zones = { ...zones, "silent.chaos.test": { a: ["127.0.0.1"] } };
	const settled = (what: string, is: () => boolean | Promise<boolean>): Promise<unknown> =>
		until(
			async () => {
				const yes = await Promise.resolve(is()).catch(() => false);
				if (!yes) await pause(100);
				return yes;
			},
			{ timeout: SETTLE_MS, what },
		).catch((error: Error) => wrong.push(error.message));
	await settled("the configuration that was written last to be in force", async () =>
		(await get<{ routes: { name: string }[] }>("/api/v1/routes")).routes.some(({ name }) => name === config.mark),
	);
	await settled("all workers to serve", async () => (await metrics(admin)).clawgate_workers === workers);
	await settled("every tunnel to be open", () => tunnels.live === options.tunnels);
	await pause(2_000);
	tunnels.silence();
	await settled("every echo", () => tunnels.outstanding === 0);
	tunnels.close();
	phase("every request again");
	await rounds();
	phase("endpoints");
	await settled("every endpoint to be as at the start", async () => {
		const oks = ["/b", "/swinging", "/dead"].flatMap((path) => Array.from({ length: 6 }, () => `${path}/ok/x`));
		for (const path of oks) {
			await visit({
				port: config.ports.public,
				parts: [`GET ${path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n`],
			});
		}
		const { upstreams } = await get<{ upstreams: { endpoints: EndpointSeen[] }[] }>("/api/v1/upstreams");
		return upstreams.flatMap(({ endpoints }) => endpoints).every(atRest);
	});
	await noneOpen();
	phase("lists");
	await settled("every drain to be over, and the gauges to be at zero", async () => {
		const { drains } = await get<{ drains: { state: string }[] }>("/api/v1/drain");
		const gauges = await metrics(admin);
		return drains.every(({ state }) => state === "done") && GAUGES.every((name) => !gauges[name]);
	}).then(async () => {
		const gauges = await metrics(admin);
		for (const name of [...GAUGES, ...MISTAKES]) if (gauges[name]) wrong.push(`${name} is ${gauges[name]}`);
	});
	await descriptorsAtRest([gateway.pid, ...pids()], options.rest);
	const after = await held();
	phase("last tunnels");
	judgeWorkers(audit, context.killed, wrong);

	const last = await TalkingTunnels.open("after", 20, ways);
	const stream = connect(config.ports.public, "127.0.0.1");
	stream.on("error", () => undefined).write("GET /swinging/events/x HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
	const processes = [gateway.pid, ...pids()];
	phase("stop");
	const stoppedAt = performance.now();
	await gateway.stop(STOP_MS).catch((error: Error) => wrong.push(error.message));
	const stop = Math.round(performance.now() - stoppedAt);
	last.close();
	stream.destroy();
	for (const pid of processes) if (lives(pid)) wrong.push(`process ${pid} is still there after the stop`);
	await until(() => audit.open.length === 0, { what: "the last lines" }).catch(() => undefined);
	for (const line of audit.open) wrong.push(`a ws.open line without ws.close: ${JSON.stringify(line)}`);

	const lostBy: Record<string, number> = {};
	for (const path of tunnels.lost) {
		const termination = audit.ends.get(path) ?? "no line";
		count(lostBy, termination);
		if (termination !== "worker_lost") wrong.push(`tunnel ${path} was lost: ${termination}`);
	}
	if (tunnels.wrong > 0) wrong.push(`${tunnels.wrong} echoes were wrong`);
	const { opened, refused, sent, echoed } = tunnels;
	const { events, terminations, refusals } = audit;
	return {
		wrong: [...wrong, ...audit.wrong, ...gateway.errors],
		...counted,
		talked: { opened, lost: tunnels.lost.length, lostBy, refused, sent, echoed },
		log: { events, terminations, refusals },
		before,
		after,
		stop,
		phases,
	};
}

interface Counted {
	readonly requests: Record<string, number>;
	readonly answers: Record<string, number>;
	readonly faults: Record<string, number>;
}

interface Total {
	readonly total: number;
}

interface EndpointSeen {
	readonly id: string;
	readonly state: string;
	readonly configured: { readonly state: string };
	readonly available: boolean;
	readonly failing: boolean;
	readonly breaker?: string;
	readonly ejected: boolean;
	readonly active: number;
	readonly pending: number;
}

function atRest({ state, configured, available, failing, breaker, ejected, active, pending }: EndpointSeen): boolean {
	const usable = available && !failing && !ejected && (breaker ?? "closed") === "closed";
	return usable && state === configured.state && active === 0 && pending === 0;
}

async function isReady(port: number): Promise<boolean> {
	const answer = fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(5_000) });
	return answer.then(
		({ ok }) => ok,
		() => false,
	);
}

/** Sums of what is open, or about to end. */
const GAUGES = [
	"clawgate_connections_active",
	"clawgate_endpoint_connections",
	"clawgate_draining_connections",
] as const;

/** Counters that stay at zero whatever peers do. */
const MISTAKES = ["clawgate_internal_errors_total", "clawgate_log_lines_lost_total"] as const;

/** Each metric, summed up over its labels. */
async function metrics(port: number): Promise<Record<string, number>> {
	const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
	const sums: Record<string, number> = {};
	for (const [, name = "", value] of text.matchAll(/^(\w+)(?:\{[^}]*\})? (\S+)$/gm))
		sums[name] = (sums[name] ?? 0) + Number(value);
	return sums;
}

/** Most tunnels come by the plain listener; some by TLS, behind a PROXY header, and once by a listener that moves. */
function waysOf({ ports }: ChaosConfig): (slot: number, generation: number) => Way {
	const proxied = () => {
		const socket = connect(ports.proxied, "127.0.0.1");
		socket.write("PROXY TCP4 203.0.113.7 198.51.100.1 4711 8443\r\n");
		return socket;
	};
	return (slot, generation) => {
		if (slot % 10 === 0) return { url: `wss://127.0.0.1:${ports.tls}`, options: () => ({ rejectUnauthorized: false }) };
		if (slot % 10 === 1)
			return { url: `ws://127.0.0.1:${ports.proxied}`, options: () => ({ createConnection: proxied }) };
		if (slot % 10 === 2 && generation === 0) return { url: `ws://127.0.0.1:${ports.moving[0]}` };
		return { url: `ws://127.0.0.1:${ports.public}` };
	};
}

async function heldBy(gateway: GatewayProcess, pid: number): Promise<Held> {
	const kinds = openKinds(pid);
	const fds = openFds(pid);
	const heap = await gateway.heap(pid);
	const rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024;
	return { fds, kinds, heap, rss };
}

/** Waits until the number of open files stands still; connections to backends are kept for a while. */
async function descriptorsAtRest(pids: readonly number[], rest: number): Promise<void> {
	let last = "";
	let since = performance.now();
	await until(
		async () => {
			await pause(100);
			const now = pids.map((pid) => openFds(pid)).join();
			if (now !== last) since = performance.now();
			last = now;
			return performance.now() - since > rest;
		},
		{ timeout: SETTLE_MS, what: "the number of descriptors to settle" },
	);
}

/** No worker fails or ends but those that were killed. */
function judgeWorkers({ workers }: LogAudit, killed: ReadonlySet<number>, wrong: string[]): void {
	for (const line of workers) {
		if (killed.has(line.pid as number)) continue;
		if (line.event === "worker.failed" || line.event === "worker.exit")
			wrong.push(`the log has: ${JSON.stringify(line)}`);
	}
}

function count(counts: Record<string, number>, what: string): void {
	counts[what] = (counts[what] ?? 0) + 1;
}
