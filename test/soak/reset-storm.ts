/**
 * Very many connections that are cut by RST at every step of their life, by either side, against a gateway in a process of
 * its own: afterwards it must hold what it held before. The small size is in `npm test`, the large one in the soak.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { openFds } from "../harness/resources.ts";
import { seeded } from "../harness/sequences.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { type CutBackends, startCutBackends } from "./reset-backends.ts";
import { CLIENT_CUTS, type CutClient, cutOne, SECOND_REQUEST } from "./reset-clients.ts";

export interface ResetStormOptions {
	readonly connections: number;
	/** Connections of the same kinds before anything is measured. */
	readonly warmUp: number;
	/** Open at the same time. */
	readonly atOnce?: number;
	readonly seed?: number;
}

export interface ResetStormResult {
	readonly fdsBefore: number;
	readonly fdsAfter: number;
	/** Bytes of JavaScript heap after a collection: after the warm-up, and at the end. */
	readonly heapBefore: number;
	readonly heapAfter: number;
	/** `clawgate_connections_active`, summed up. */
	readonly active: number;
	/** How many connections each way of cutting had. */
	readonly cuts: Readonly<Record<string, number>>;
	readonly opened: number;
	readonly rejected: number;
	readonly http: number;
	/** Whose 101 or other answer arrived, or whose request reached a backend, but which left no line, or more than one. */
	readonly wrongLines: readonly string[];
	/** Clients that the gateway left hanging. */
	readonly hung: readonly string[];
	/** `internal.error` lines, and what the process wrote to stderr. */
	readonly errors: readonly string[];
	readonly seconds: number;
}

/** How long everything may take to settle after the last connection. */
const SETTLE_MS = 20_000;

export async function resetStorm(options: ResetStormOptions): Promise<ResetStormResult> {
	const random = seeded(options.seed ?? 1);
	const backends = await startCutBackends();
	const ports = { plain: await freePort(), tls: await freePort(), admin: await freePort() };
	const folder = mkdtempSync(join(tmpdir(), "clawgate-resets-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const file = join(folder, "routes.yaml");
	writeFileSync(file, configuration(ports, backends));
	const gateway = GatewayProcess.start(file);
	await until(() => accepts(ports.plain), { timeout: 15_000, what: "the gateway to listen" });
	await until(() => accepts(ports.admin), { timeout: 15_000, what: "the admin port" });
	// The looks at the ports are connections too.
	const fdsAtRest = async (): Promise<number> => {
		let fds = openFds(gateway.pid);
		let since = performance.now();
		await until(
			async () => {
				await new Promise((resolve) => setTimeout(resolve, 100));
				const now = openFds(gateway.pid);
				if (now !== fds) since = performance.now();
				fds = now;
				return performance.now() - since > 1_000;
			},
			{ timeout: SETTLE_MS, what: "the number of descriptors to settle" },
		);
		return fds;
	};
	const fdsBefore = await fdsAtRest();

	const cuts: Record<string, number> = {};
	const hung: string[] = [];
	const seen = new Map<number, CutClient>();
	const run = async (first: number, count: number): Promise<void> => {
		let next = first;
		const worker = async (): Promise<void> => {
			while (next < first + count) {
				const index = next++;
				const cut = CLIENT_CUTS[Math.floor(random() * CLIENT_CUTS.length)] as (typeof CLIENT_CUTS)[number];
				const tls = random() < 0.15;
				cuts[cut] = (cuts[cut] ?? 0) + 1;
				const client = await cutOne({
					index,
					cut,
					tls,
					port: tls ? ports.tls : ports.plain,
					random,
					whenReached: (number, then) => void backends.waiting.set(number, then),
				});
				if (client.hung) hung.push(`${cut} ${index}`);
				seen.set(index, client);
			}
		};
		await Promise.all(Array.from({ length: options.atOnce ?? 64 }, worker));
	};
	const atRest = async (): Promise<number> => {
		await until(() => gateway.open === 0, { timeout: SETTLE_MS, what: "a ws.close line for each ws.open" });
		await until(async () => (await fdsAtRest()) <= fdsBefore, {
			timeout: SETTLE_MS,
			what: `the descriptors to go back to ${fdsBefore}`,
		}).catch(() => undefined);
		return gateway.heap();
	};

	await run(0, options.warmUp);
	const heapBefore = await atRest();
	const startedAt = performance.now();
	await run(options.warmUp, options.connections);
	const seconds = (performance.now() - startedAt) / 1000;
	const heapAfter = await atRest();
	const fdsAfter = openFds(gateway.pid);
	const active = await gateway.metric(ports.admin, "clawgate_connections_active");

	const wrongLines: string[] = [];
	for (const [index, client] of seen) {
		const upgraded = client.cut === "http-then-upgrade-mid-frame" ? index + SECOND_REQUEST : index;
		for (const request of new Set([index, upgraded])) {
			const { open = 0, close = 0, reject = 0, http = 0 } = gateway.lines.get(request) ?? {};
			const lines = open + reject + http;
			const needed = (client.answered && request === index) || backends.reached.has(request);
			const opened = client.opened && request === upgraded;
			if (lines > 1 || open !== close || (needed && lines === 0) || (opened && open === 0)) {
				wrongLines.push(`${client.cut} ${request}: open ${open}, close ${close}, reject ${reject}, http ${http}`);
			}
		}
	}
	const { opened, rejected, http, errors } = gateway;
	await gateway.stop();
	await backends.close();
	return {
		fdsBefore,
		fdsAfter,
		heapBefore,
		heapAfter,
		active,
		cuts,
		opened,
		rejected,
		http,
		wrongLines,
		hung,
		errors,
		seconds,
	};
}

function configuration(ports: { plain: number; tls: number; admin: number }, backends: CutBackends): string {
	return `
log: { level: info }
admin: { address: "127.0.0.1:${ports.admin}" }
shutdown: { drain: { timeout: 2s, spread: 0s } }
listeners:
  - { name: plain, address: "127.0.0.1:${ports.plain}", timeouts: { request_headers: 2s } }
  - { name: tls, address: "127.0.0.1:${ports.tls}", timeouts: { request_headers: 2s, tls_handshake: 2s }, tls: { self_signed: [localhost] } }
defaults:
  timeouts: { connect: 2s, handshake: 3s, idle: 5s, close: 500ms }
upstreams:
  app: { endpoints: [${backends.urls.map((url) => JSON.stringify(url)).join(", ")}] }
  rude: { endpoints: [${JSON.stringify(backends.rudeUrl)}] }
routes:
  - { name: rude, match: { path_prefix: /rude }, upstream: rude }
  - { name: app, match: { path_prefix: / }, upstream: app }
`;
}
