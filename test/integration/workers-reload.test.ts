/** A reload with several workers: all of them or none, and only what changed. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { certificate } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { startWorkers } from "../harness/workers.ts";

interface Setting {
	workers?: number;
	listeners?: string;
	/** Further routes. */
	routes?: string;
}

async function stage() {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const yaml = ({ workers = 2, listeners = "", routes = "" }: Setting = {}) => `
		workers: ${workers}
		listeners: [{ name: main, address: "127.0.0.1:${port}" }, ${listeners}]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [${routes} { name: app, match: { path_prefix: /app }, upstream: app, drain: { spread: 0s, timeout: 5s } }]
		shutdown: { drain: { timeout: 2s, spread: 0s } }
	`;
	const gateway = await startWorkers(yaml(), port);
	return { ...gateway, yaml, port, backend };
}

async function echoes(client: RawClient): Promise<boolean> {
	client.sendFrame(OPCODE.text, "still there?");
	return (await client.readFrame()).text === "still there?";
}

const open = (port: number, count: number, target: string) =>
	Promise.all(Array.from({ length: count }, () => openRaw(port, target)));

test("what is not concerned notices nothing in any worker; what is gone is drained in each", {
	timeout: 60_000,
}, async () => {
	const { port, yaml, change } = await stage();
	const extra = "{ name: extra, match: { path_prefix: /extra }, upstream: app, drain: { spread: 0s, timeout: 5s } },";
	expect(await change(yaml({ routes: extra }))).toMatchObject({ event: "config.reload", routes: 2, drained: 0 });
	const stay = await open(port, 4, "/app");
	const go = await open(port, 4, "/extra");
	const line = await change(yaml());
	expect(line).toMatchObject({ event: "config.reload", trigger: "file", routes: 1, connections: 8, drained: 4 });
	for (const client of go) expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
	expect(await Promise.all(stay.map(echoes))).not.toContain(false);
	// Every worker has the new routes.
	const answers = await Promise.all(Array.from({ length: 4 }, () => openRaw(port, "/extra").catch((error) => error)));
	for (const answer of answers) expect(String(answer)).toContain("404");
});

test("a configuration that a worker cannot use changes nothing in any of them", { timeout: 60_000 }, async () => {
	const { port, yaml, change, child } = await stage();
	const clients = await open(port, 4, "/app");
	const tls = await freePort();
	const { cert } = await certificate(["localhost"]);
	const other = await certificate(["localhost"]);
	const folder = dirname(child.process.spawnargs.at(-1) as string);
	writeFileSync(join(folder, "cert.pem"), cert);
	writeFileSync(join(folder, "key.pem"), other.key);
	const bad = `{ address: "127.0.0.1:${tls}", tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }`;
	const line = await change(yaml({ listeners: bad, routes: "{ match: { path_prefix: /new }, upstream: app }," }));
	expect(line).toMatchObject({ event: "config.rejected", level: "error" });
	expect(await accepts(tls)).toBe(false);
	expect(await Promise.all(clients.map(echoes))).not.toContain(false);
	const answers = await Promise.all(Array.from({ length: 4 }, () => openRaw(port, "/new").catch((error) => error)));
	for (const answer of answers) expect(String(answer)).toContain("404");
	expect(child.out.of("config.rejected")).toHaveLength(1);
});

test("an address that is taken rejects the reload", { timeout: 60_000 }, async () => {
	const { yaml, change, backend } = await stage();
	const line = await change(yaml({ listeners: `{ address: "127.0.0.1:${backend.port}" }` }));
	expect(line.event).toBe("config.rejected");
	expect(line.message).toContain("in use by another process");
	expect(await change(yaml({ listeners: `{ name: second, address: "127.0.0.1:${await freePort()}" }` }))).toMatchObject(
		{
			event: "config.reload",
			listeners_opened: ["second"],
		},
	);
});

test("a listener comes and goes; its connections stay", { timeout: 60_000 }, async () => {
	const { port, yaml, change } = await stage();
	const second = await freePort();
	const added = await change(yaml({ listeners: `{ name: second, address: "127.0.0.1:${second}" }` }));
	expect(added).toMatchObject({ event: "config.reload", listeners_opened: ["second"] });
	const clients = await open(second, 4, "/app");
	expect(await change(yaml())).toMatchObject({ event: "config.reload", listeners_closed: ["second"], connections: 4 });
	await until(async () => !(await accepts(second)), { what: "the port to be closed" });
	expect(await Promise.all(clients.map(echoes))).not.toContain(false);
	expect(await echoes(await openRaw(port, "/app"))).toBe(true);
});

test("a replacement has the configuration that runs then", { timeout: 60_000 }, async () => {
	const { port, yaml, change, pids, child } = await stage();
	await change(yaml({ routes: "{ match: { path_prefix: /new }, upstream: app }," }));
	for (const pid of pids()) process.kill(pid, "SIGKILL");
	await until(() => child.out.of("worker.exit").length === 2, { what: "both to be gone" });
	for (const client of await Promise.all([1, 2, 3, 4].map(() => openRaw(port, "/new", { timeout: 15_000 })))) {
		expect(await echoes(client)).toBe(true);
	}
});

describe("the number of workers", () => {
	test("grows and shrinks; who goes drains", { timeout: 60_000 }, async () => {
		const { port, yaml, change, pids, child } = await stage();
		await change(yaml({ workers: 3 }));
		const { pid: third, worker } = await child.out.waitFor("worker.start", 15_000);
		expect(worker).toBe(3);
		const clients = await open(port, 6, "/app");
		expect((await change(yaml({ workers: 2 }))).event).toBe("config.reload");
		const told = () => clients.filter(({ unread }) => unread.length > 0);
		await until(() => told().length === 2, { what: "a Close for two" });
		for (const client of told()) {
			expect(await client.readFrame()).toMatchObject({ closeCode: 1001 });
			client.sendClose(1001);
			client.end();
		}
		await until(() => pids().length === 2, { timeout: 15_000, what: "the third worker to end" });
		expect(await child.out.waitFor("worker.exit")).toMatchObject({ level: "info", worker: 3, pid: third, code: 0 });
		expect(await echoes(await openRaw(port, "/app"))).toBe(true);
	});

	test("cannot become 1 without a restart: the reload says so", { timeout: 60_000 }, async () => {
		const { yaml, change, pids } = await stage();
		const line = await change(yaml({ workers: 1 }));
		expect(line).toMatchObject({
			event: "config.reload",
			warnings: ["workers: 1 takes effect after a restart; until then there are 2 worker processes"],
		});
		expect(pids()).toHaveLength(2);
	});
});
