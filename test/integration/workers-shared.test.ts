/** What several workers have in common: probes, discovery, max_connections, certificates made at start, the log. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, createReadStream, existsSync, openSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { ROOT } from "../harness/child.ts";
import { OPCODE } from "../harness/frames.ts";
import { accepts, dedent } from "../harness/gateway.ts";
import { LogLines } from "../harness/log-lines.ts";
import { until, within } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw, RawClient } from "../harness/raw-client.ts";
import { answered, startWorkers } from "../harness/workers.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { startDnsServer } from "../unit/upstreams/discovery/dns-server.fixtures.ts";

const many = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));

async function echoes(client: RawClient): Promise<boolean> {
	client.sendFrame(OPCODE.text, "still there?");
	return (await client.readFrame()).text === "still there?";
}

/** The status of a handshake's answer. */
async function statusOf(port: number): Promise<number> {
	const client = await connectRaw({ port });
	const { status } = await client.handshake("/", { timeout: 15_000 });
	client.end();
	return status;
}

test("one prober asks for all; what it finds out holds in every worker, also in a new one", {
	timeout: 60_000,
}, async () => {
	let status = 200;
	let probes = 0;
	const backend = await startWsBackend({
		onRequest: (_, response) => {
			probes++;
			response.writeHead(status).end();
		},
	});
	const port = await freePort();
	const { child, pids } = await startWorkers(
		`
			workers: 3
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams:
				app:
					endpoints: ["${backend.url}"]
					on_unhealthy: close
					health_check: { type: http, path: /health, interval: 300ms, healthy_threshold: 1, unhealthy_threshold: 4 }
			routes: [{ match: { path_prefix: / }, upstream: app, http: reject, drain: { spread: 0s, timeout: 5s } }]
		`,
		port,
	);
	await child.out.waitFor("endpoint.up");
	const clients = await many(6, () => openRaw(port));
	const [from, at] = [probes, performance.now()];
	await until(() => probes >= from + 5, { timeout: 20_000, what: "five probes" });
	// Three probers would have asked three times as often; 300 ms are 270 with the jitter.
	expect(probes - from).toBeLessThanOrEqual((performance.now() - at) / 270 + 2);
	status = 503;
	for (const client of clients) {
		expect(await client.readFrame(20_000)).toMatchObject({ closeCode: 1001 });
		client.sendClose(1001);
		client.end();
	}
	expect(await many(6, () => statusOf(port))).toEqual(Array(6).fill(503));
	for (const pid of pids()) process.kill(pid, "SIGKILL");
	await until(() => child.out.of("worker.exit").length === 3, { timeout: 20_000, what: "all to be gone" });
	expect(await statusOf(port)).toBe(503);
	status = 200;
	await until(async () => (await statusOf(port)) === 101, { timeout: 15_000, what: "the endpoint to be up again" });
	// On a busy machine the first probe may have been late.
	expect(child.out.of("endpoint.down").filter(({ reason }) => reason === "status 503")).toHaveLength(1);
	expect(child.out.of("endpoint.up")).toHaveLength(2);
});

test("discovery is asked once for all, and every worker follows it", { timeout: 60_000 }, async () => {
	const backends = await many(2, () => startRawBackend(echoingFrames()));
	const name = "_ws._tcp.chat.internal";
	const zone = (...ports: number[]) => ({
		[name]: { srv: ports.map((port) => ({ target: "node.chat.internal", port, weight: 1 })) },
		"node.chat.internal": { a: ["127.0.0.1"] },
	});
	const [first, second] = backends.map(({ port }) => port) as [number, number];
	const dns = await startDnsServer(zone(first));
	const port = await freePort();
	const { child } = await startWorkers(
		`
			workers: 3
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams:
				app:
					discovery: { type: dns, name: ${name}, record: srv, interval: 100ms, servers: ["${dns.address}"] }
			routes: [{ match: { path_prefix: / }, upstream: app, drain: { spread: 0s, timeout: 5s } }]
		`,
		port,
	);
	const clients = await many(6, () => openRaw(port));
	expect(new Set(child.out.of("ws.open").map(({ endpoint }) => endpoint))).toEqual(new Set([`127.0.0.1:${first}`]));
	Object.assign(dns.zones, zone(second));
	for (const client of clients) {
		expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
		client.sendClose(1001);
		client.end();
	}
	await many(6, () => openRaw(port));
	await until(() => child.out.of("ws.open").length === 12, { what: "the opens" });
	const later = child.out.of("ws.open").slice(6);
	expect(new Set(later.map(({ endpoint }) => endpoint))).toEqual(new Set([`127.0.0.1:${second}`]));
	expect(child.out.of("discovery.changed")).toHaveLength(2);
});

test("max_connections holds for all workers together, exactly", { timeout: 60_000 }, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const { child } = await startWorkers(
		`
			workers: 4
			listeners: [{ name: main, address: "127.0.0.1:${port}", max_connections: 10 }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`,
		port,
	);
	const attempts = await many(25, () => openRaw(port).catch(() => undefined));
	const open = attempts.filter((client) => client !== undefined);
	expect(open.length).toBeLessThanOrEqual(10);
	let refused = 25 - open.length;
	// The connection that asked whether the gateway is there may have had a place still.
	await until(
		async () => {
			if (open.length === 10) return true;
			const client = await openRaw(port).catch(() => undefined);
			if (client) open.push(client);
			else refused++;
			return false;
		},
		{ what: "ten to be open" },
	);
	await until(() => child.out.of("ws.reject").length === refused, { what: "a line for each refusal" });
	for (const line of child.out.of("ws.reject")) {
		expect(line).toMatchObject({ code: "LIMIT_CONNECTIONS", listener: "main", client_ip: "127.0.0.1" });
	}
	for (const client of open.slice(0, 3)) client.reset();
	await until(() => child.out.of("ws.close").length === 3, { what: "three to be gone" });
	const more: RawClient[] = [];
	await until(
		async () => {
			const client = await openRaw(port).catch(() => undefined);
			if (client) more.push(client);
			return more.length === 3;
		},
		{ what: "three new ones" },
	);
	expect(await openRaw(port).catch(() => "refused")).toBe("refused");
	expect(await Promise.all([...open.slice(3), ...more].map(echoes))).not.toContain(false);
});

test("a certificate made at start is the same in every worker, and sessions are resumed in any", {
	timeout: 60_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	await startWorkers(
		`
			workers: 3
			listeners:
				- { name: plain, address: "127.0.0.1:${port}" }
				- { name: tls, address: "127.0.0.1:${port + 1}", max_connections: 6, tls: { self_signed: [localhost] } }
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`,
		port,
	);
	const handshake = (session?: Buffer) =>
		within(
			new Promise<{ fingerprint: string; reused: boolean; session: Buffer }>((resolve, reject) => {
				const options = {
					port: port + 1,
					host: "127.0.0.1",
					rejectUnauthorized: false,
					maxVersion: "TLSv1.2" as const,
				};
				const socket = connectTls({ ...options, ...(session && { session }) }, () => {
					resolve({
						fingerprint: socket.getPeerCertificate().fingerprint256,
						reused: socket.isSessionReused(),
						session: socket.getSession() as Buffer,
					});
					socket.destroy();
				});
				socket.once("error", reject);
			}),
			{ what: "a TLS handshake" },
		);
	const first = await many(6, () => handshake());
	expect(new Set(first.map(({ fingerprint }) => fingerprint)).size).toBe(1);
	for (let i = 0; i < 9; i++) {
		// max_connections is 6: each has to be given back when it has ended.
		const again = await until(() => handshake(first[0]?.session).catch(() => undefined), { what: "a free place" });
		expect(again.reused).toBe(true);
	}
	expect(await echoes(await openRaw(port + 1, "/", { tls: true }))).toBe(true);
});

test("a unix socket's connections are handed over as well, and its file is removed at the end", {
	timeout: 60_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const { dir } = await temporaryFiles({});
	const path = join(dir, "gateway.sock");
	const { child } = await startWorkers(
		`
			workers: 2
			listeners: [{ address: "127.0.0.1:${port}" }, { address: "unix:${path}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`,
		port,
	);
	for (let i = 0; i < 4; i++) {
		const client = new RawClient(connect(path));
		expect((await client.open("/")).status).toBe(101);
		expect(await echoes(client)).toBe(true);
		client.end();
	}
	child.kill();
	child.kill();
	expect(await child.exit()).toEqual({ code: 0, signal: null });
	expect(existsSync(path)).toBe(false);
	child.out.assertPaired();
});

test("lines of several workers stay whole on a pipe whose reader is slow, also long ones", {
	timeout: 60_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const files = await temporaryFiles({
		"routes.yaml": dedent(`
			workers: 4
			listeners: [{ address: "127.0.0.1:${port}" }]
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
		`),
	});
	// What Node calls a pipe to a child is a socket: here it has to be one.
	const fifo = join(files.dir, "log");
	execFileSync("mkfifo", [fifo]);
	const end = openSync(fifo, "r+");
	const child = spawn(process.execPath, [`${ROOT}dist/main.js`, "run", "-c", files["routes.yaml"]], {
		stdio: ["ignore", end, "inherit"],
	});
	const exited = once(child, "exit");
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await exited;
	});
	const out = new LogLines();
	let longest = 0;
	let slow = true;
	const reader = createReadStream(fifo, { highWaterMark: 2_000, encoding: "utf8" });
	const reading = (async () => {
		for await (const text of reader) {
			out.write(text as string);
			if (slow) await pause(2);
		}
	})();
	await until(() => accepts(port), { timeout: 15_000, what: "the port to be open" });
	await answered(port);
	for (let round = 0; round < 12; round++) {
		const clients = await many(24, () => openRaw(port, `/${"p".repeat(round % 2 ? 7_000 : 900)}`));
		for (const client of clients) client.reset();
	}
	slow = false;
	await until(() => out.of("ws.close").length === 288, { timeout: 15_000, what: "every line" });
	expect(out.other).toEqual([]);
	out.assertPaired();
	for (const record of out.records) longest = Math.max(longest, Buffer.byteLength(JSON.stringify(record)));
	expect(longest).toBeGreaterThan(900);
	expect(longest).toBeLessThan(4_096);
	child.kill();
	child.kill();
	await exited;
	closeSync(end);
	await reading;
});
