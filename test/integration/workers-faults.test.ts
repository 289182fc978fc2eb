/** Workers that hang, are killed, or run out of descriptors: what the others and the supervisor do meanwhile. */
import { execFileSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { openFds } from "../harness/resources.ts";
import { lives, startWorkers } from "../harness/workers.ts";

const many = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));

async function api<T>(port: number, path: string): Promise<T> {
	const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
	return (await response.json()) as T;
}

async function metrics(port: number): Promise<string> {
	return (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
}

test("a worker that hangs is passed over, comes back with the running configuration, and is ended when it does not", {
	timeout: 90_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const adminPort = await freePort();
	const yaml = (header: string) => `
		workers: 2
		listeners: [{ address: "127.0.0.1:${port}" }]
		admin: { address: "127.0.0.1:${adminPort}" }
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ name: main, match: { path_prefix: / }, upstream: app, response_headers: { set: { X-Version: "${header}" } } }]
		shutdown: { drain: { timeout: 1s, spread: 0s } }
	`;
	const { child, pids, change } = await startWorkers(yaml("one"), port);
	const before = await many(6, () => openRaw(port));
	const [stuck] = pids() as [number, number];

	process.kill(stuck, "SIGSTOP");
	// Every second one of these is handed to the worker that hangs, and then to the other one.
	const started = performance.now();
	await many(40, () => openRaw(port, "/", { timeout: 9_000 }));
	expect(performance.now() - started).toBeLessThan(8_000);
	const line = await child.out.waitFor("worker.stuck", 8_000);
	expect(line).toMatchObject({ level: "error", pid: stuck, connections: 3 });
	// Nobody waits for it: not a reload, and not the admin port.
	const since = performance.now();
	expect(await change(yaml("two"))).toMatchObject({ event: "config.reload" });
	expect(await api(adminPort, "/api/v1/connections?limit=1")).toMatchObject({ missing_workers: [line.worker] });
	expect(await metrics(adminPort)).toMatch(/^clawgate_workers 1$/m);
	expect(performance.now() - since).toBeLessThan(5_000);

	process.kill(stuck, "SIGCONT");
	expect(await child.out.waitFor("worker.recovered", 8_000)).toMatchObject({ pid: stuck });
	// It answers with the configuration of the reload that it missed, and takes its turn again.
	const held = openFds(stuck);
	const again = await many(4, () => openRaw(port));
	await until(() => openFds(stuck) === held + 2 * 2, { what: "its turn" });
	for (const client of again) client.end();
	expect(await versions(port)).toEqual(new Set(["two"]));
	expect(before.map(({ ending }) => ending)).toEqual(Array(6).fill("open"));

	process.kill(stuck, "SIGSTOP");
	const exit = await child.out.waitFor("worker.exit", 20_000);
	expect(exit).toMatchObject({ pid: stuck, signal: "SIGKILL", restart_in_ms: 0 });
	expect(lives(stuck)).toBe(false);
	await child.out.waitFor("worker.start", 15_000);
	const lost = await until(
		() => {
			const lines = child.out.of("ws.close").filter(({ termination }) => termination === "worker_lost");
			return lines.length >= (exit.connections as number) && lines;
		},
		{ what: "the last lines of its connections" },
	);
	expect(lost.length).toBeGreaterThanOrEqual(3);
	expect(lost[0]).toMatchObject({
		...{ level: "info", close_code: 1006, close_initiator: "gateway", route: "main", upstream: "app" },
		...{ endpoint: `127.0.0.1:${backend.port}`, client_ip: "127.0.0.1", path: "/" },
	});
	expect(lost[0]?.duration_ms).toBeGreaterThan(1_000);
	expect(lost[0]).not.toHaveProperty("bytes_in");
	expect(await metrics(adminPort)).toMatch(
		new RegExp(`^clawgate_connections_closed_total\\{.*termination="worker_lost".*\\} ${lost.length}$`, "m"),
	);
	child.kill();
	expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
	child.out.assertPaired();
});

test.each([1, 2])(
	"workers: %i at the limit of open files: clients are refused with a line, and everything is as before when they leave",
	{
		timeout: 60_000,
	},
	async (workers) => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const adminPort = await freePort();
		const { child, pids } = await startWorkers(
			`
			workers: ${workers}
			listeners: [{ name: public, address: "127.0.0.1:${port}" }]
			admin: { address: "127.0.0.1:${adminPort}" }
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: app }]
			shutdown: { drain: { timeout: 1s, spread: 0s } }
		`,
			port,
		);
		const processes = [child.process.pid as number, ...pids()];
		// Not from the start: Node opens more files than that at once when it loads the gateway.
		for (const pid of processes) execFileSync("prlimit", ["--pid", String(pid), "--nofile=120:120"]);
		// It is looked up once in a second.
		await pause(1_100);
		const atRest = processes.map((pid) => openFds(pid));

		// Twice as many as there is room for, in small groups, as clients come.
		const clients: RawClient[] = [];
		for (let round = 0; round < 16; round++) {
			clients.push(...(await many(10 * workers, () => connectRaw({ port }))));
			for (const client of clients.slice(-10 * workers)) client.write(client.handshakeHead());
			await pause(10);
		}
		await until(() => clients.every(({ all, ending }) => all.length > 0 || ending !== "open"), {
			timeout: 15_000,
			what: "an answer or an end for each",
		});
		const counted = /^clawgate_handshakes_total\{.*result="LIMIT_CONNECTIONS".*\} (\d+)$/m.exec(
			await metrics(adminPort),
		);
		const refusals = await until(
			() => {
				const lines = child.out.of("ws.reject").filter(({ code }) => code === "LIMIT_CONNECTIONS");
				return lines.length === Number(counted?.[1]) && lines;
			},
			{ what: "a line for each that was counted" },
		);
		expect(refusals.length).toBeGreaterThan(0);
		expect(refusals[0]).toMatchObject({ listener: "public", client_ip: "127.0.0.1" });
		expect(refusals[0]?.message).toContain("open files");
		expect(child.out.of("worker.full")).toHaveLength(workers === 1 ? 0 : workers);
		expect(clients.filter(({ ending }) => ending === "open").length).toBeGreaterThan(20);
		// What was kept back is there for the operator.
		expect(await statusOf(adminPort, "/healthz")).toBe(200);
		expect(child.out.of("endpoint.ejected")).toEqual([]);

		for (const client of clients) client.reset();
		await until(() => processes.every((pid, index) => openFds(pid) <= (atRest[index] as number) + 2), {
			timeout: 15_000,
			what: "the descriptors to be free again",
		});
		await until(() => child.out.of("worker.recovered").length === child.out.of("worker.full").length, {
			what: "the workers to have room again",
		});
		for (let i = 0; i < 6; i++) await openRaw(port);
		child.kill();
		child.kill();
		expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
		child.out.assertPaired();
	},
);

test("a worker that is killed while a connection is on its way to it keeps no reload waiting", {
	timeout: 60_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const port = await freePort();
	const yaml = (route: string) => `
		workers: 2
		listeners: [{ address: "127.0.0.1:${port}" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ name: ${route}, match: { path_prefix: / }, upstream: app }]
		shutdown: { drain: { timeout: 1s, spread: 0s } }
	`;
	const { child, pids, change } = await startWorkers(yaml("one"), port);
	const [worker] = pids() as [number];
	process.kill(worker, "SIGSTOP");
	await many(4, () => connectRaw({ port }));
	const changed = change(yaml("two"));
	// A file has to stand still for half a second; then the workers are asked to prepare it.
	await pause(1_200);
	process.kill(worker, "SIGKILL");
	const since = performance.now();
	expect(await changed).toMatchObject({ event: "config.reload" });
	expect(performance.now() - since).toBeLessThan(8_000);
	child.kill();
	child.kill();
	expect(await child.exit(20_000)).toEqual({ code: 0, signal: null });
});

async function statusOf(port: number, path: string): Promise<number> {
	const request = fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
	return request.then(
		({ status }) => status,
		() => 0,
	);
}

/** What some handshakes in a row are answered with. */
async function versions(port: number): Promise<Set<string | undefined>> {
	const found = new Set<string | undefined>();
	for (let i = 0; i < 4; i++) {
		const client = await connectRaw({ port });
		found.add((await client.handshake("/")).header("x-version"));
		client.end();
	}
	return found;
}
