/** What workers know about endpoints together: places, ejections, breakers, rates, and turns of a round robin. */
import { expect, onTestFinished, test } from "vitest";
import { lateness } from "../harness/clock.ts";
import { until } from "../harness/poll.ts";
import { ownAddress } from "../harness/ports.ts";
import { echoingFrames, readRequest, refusing, type Script, silent, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { aheadOf, StormClient, startStormBackend } from "../harness/storm.ts";
import {
	type SharedWorkerGateway,
	sharedWorkerGateway,
	startWorkerGateway,
	type WorkerGateway,
} from "../harness/worker-gateway.ts";

const WORKERS = 3;

const share = sharedWorkerGateway(WORKERS);
let used = 0;

function yaml(urls: readonly unknown[], options: string, route: string): string {
	const upstream = `app-${++used}`;
	return `
		upstreams:
			${upstream}:
				endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}]
				${options}
		routes:
			- upstream: ${upstream}
				timeouts: { handshake: 10s }
				${route}
	`;
}

/** The gateway of all tests that leave its workers alive. */
function start(urls: readonly unknown[], options: string, route = ""): Promise<SharedWorkerGateway> {
	return share(yaml(urls, options, route));
}

/** One for a test that kills workers, or whose clients leave without a line. */
function startOwn(urls: readonly unknown[], options: string, route = ""): Promise<WorkerGateway> {
	return startWorkerGateway(WORKERS, yaml(urls, options, route));
}

/** So many opening handshakes at once; their clients by status. */
async function knock(gateway: Pick<WorkerGateway, "port">, count: number): Promise<Map<number, RawClient[]>> {
	const byStatus = new Map<number, RawClient[]>();
	await Promise.all(
		Array.from({ length: count }, async () => {
			const client = await connectRaw({ port: gateway.port });
			const { status } = await client.handshake("/", { timeout: 15_000 });
			byStatus.set(status, [...(byStatus.get(status) ?? []), client]);
		}),
	);
	return byStatus;
}

/** One after the other, so that each comes to another worker than the one before. */
async function visit(gateway: Pick<WorkerGateway, "port">, times: number): Promise<number[]> {
	const statuses: number[] = [];
	for (let i = 0; i < times; i++) {
		const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		statuses.push((await client.handshake()).status);
		client.reset();
	}
	return statuses;
}

const overloaded = (gateway: Pick<WorkerGateway, "lines">) =>
	gateway.lines.of("ws.reject").filter(({ code }) => code === "OVERLOADED").length;

test("max_connections of each endpoint holds for all workers, and after one of them died", {
	timeout: 60_000,
}, async () => {
	const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
	const open = () => backends.map((backend) => backend.openCount());
	const gateway = await startOwn(
		backends.map(({ url }) => url),
		"circuit_breaker: { max_connections: 10 }",
	);
	const first = await knock(gateway, 60);
	expect([first.get(101)?.length, first.get(503)?.length]).toEqual([20, 40]);
	expect(open()).toEqual([10, 10]);
	await until(() => overloaded(gateway) === 40, { what: "the refusals in the log" });

	for (const client of first.get(101)?.slice(0, 7) ?? []) client.reset();
	await until(() => gateway.lines.of("ws.close").length === 7, { what: "seven to be over" });
	expect((await knock(gateway, 60)).get(101)).toHaveLength(7);
	expect(open()).toEqual([10, 10]);

	const { connections } = await gateway.killWorker();
	await until(() => open().reduce((sum, one) => sum + one) < 20, { what: "the backends to notice" });
	const third = await knock(gateway, 60);
	expect(open()).toEqual([10, 10]);
	expect(third.get(101)?.length).toBeLessThanOrEqual(connections as number);
	await gateway.stop({ paired: false });
});

test("an endpoint's own max_connections holds for all workers, without circuit_breaker too", {
	timeout: 30_000,
}, async () => {
	const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
	const gateway = await start(
		backends.map(({ url }, index) => ({ url, max_connections: 3 + index })),
		"",
	);
	const answers = await knock(gateway, 30);
	expect([answers.get(101)?.length, answers.get(503)?.length]).toEqual([7, 23]);
	expect(backends.map((backend) => backend.openCount())).toEqual([3, 4]);
	await until(() => overloaded(gateway) === 23, { what: "the refusals in the log" });
});

test("max_pending_handshakes: never more at once over all workers, and places come back", {
	timeout: 30_000,
}, async () => {
	const waiting: (() => void)[] = [];
	const slow = await startRawBackend(async (peer, index) => {
		await new Promise<void>((resolve) => waiting.push(resolve));
		await echoingFrames()(peer, index);
	});
	const gateway = await start([slow.url], "circuit_breaker: { max_pending_handshakes: 6 }");
	const refused = async (count: number) => expect([...(await knock(gateway, count)).keys()]).toEqual([503]);
	for (let round = 1; round <= 4; round++) {
		const opening: Promise<unknown>[] = [];
		// The last round's places are free as soon as the supervisor has heard of its handshakes' end.
		await until(
			() => {
				if (opening.length < slow.connections.length - 6 * (round - 1) + 6) opening.push(knock(gateway, 1));
				return slow.connections.length === 6 * round;
			},
			{ what: "six handshakes at the backend" },
		);
		await refused(30);
		expect(slow.connections.length).toBe(6 * round);
		for (const go of waiting.splice(0)) go();
		await Promise.all(opening);
	}
	await until(() => overloaded(gateway) >= 4 * 30, { what: "the refusals in the log" });
});

test("clients that leave while places are asked for leave none behind", { timeout: 30_000 }, async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startOwn([backend.url], "circuit_breaker: { max_connections: 6, max_pending_handshakes: 6 }");
	for (let i = 0; i < 120; i++) {
		const client = await connectRaw({ port: gateway.port });
		client.write(client.handshakeHead());
		// At different moments of the handshake.
		if (i % 3 > 0) await new Promise((resolve) => setTimeout(resolve, i % 5));
		client.reset();
	}
	await until(() => backend.openCount() === 0, { what: "nobody to be left" });
	await until(async () => (await knockAndLeave(gateway, 6)) === 6, { what: "all six places to be free" });
	await gateway.stop({ paired: false });
});

async function knockAndLeave(gateway: WorkerGateway, count: number): Promise<number> {
	const answers = await knock(gateway, count);
	for (const clients of answers.values()) for (const client of clients) client.reset();
	return answers.get(101)?.length ?? 0;
}

test("an endpoint that one worker ejects is used by none, and by no replacement; it is told once", {
	timeout: 30_000,
}, async () => {
	const bad = await startRawBackend(refusing(500));
	const good = await startRawBackend(echoingFrames());
	const gateway = await startOwn(
		[bad.url, good.url],
		"outlier_detection: { consecutive_failures: 2, base_ejection_time: 60s }",
		'retries: { on: ["500"] }',
	);
	expect(new Set(await visit(gateway, 30))).toEqual(new Set([101]));
	await gateway.lines.waitFor("endpoint.ejected");
	const tried = bad.connections.length;
	// Two failures at one worker; the others had one each at most.
	expect(tried).toBeGreaterThanOrEqual(2);
	expect(tried).toBeLessThanOrEqual((2 - 1) * WORKERS + 1);
	expect(new Set(await visit(gateway, 30))).toEqual(new Set([101]));
	const killed = gateway.workers()[0];
	await gateway.killWorker(killed);
	await until(() => gateway.workers().length === WORKERS && !gateway.workers().includes(killed as number), {
		timeout: 20_000,
		what: "a replacement",
	});
	await untilServing(gateway, good);
	expect(new Set(await visit(gateway, 30))).toEqual(new Set([101]));
	expect(bad.connections.length).toBe(tried);
	expect(gateway.lines.of("endpoint.ejected")).toHaveLength(1);
	await gateway.stop({ paired: false });
});

/** Until a new worker takes its turn: connections that stay are spread evenly over all of them. */
async function untilServing(
	gateway: WorkerGateway,
	{ connections }: { connections: readonly unknown[] },
): Promise<void> {
	const before = connections.length;
	await visit(gateway, WORKERS * 4);
	expect(connections.length).toBeGreaterThan(before);
}

test("a breaker that one worker opens is open in all; one trial in the whole gateway closes it", {
	timeout: 30_000,
}, async () => {
	let script: Script = refusing(500);
	const backend = await startRawBackend((peer, index) => script(peer, index));
	const gateway = await start([backend.url], "circuit_breaker: { minimum_handshakes: 3, reset_timeout: 3s }");
	await until(async () => (await visit(gateway, WORKERS)).every((status) => status === 503), {
		what: "every worker to refuse",
	});
	const tried = backend.connections.length;
	// By itself each worker would have needed three.
	expect(tried).toBeLessThan(3 * WORKERS);
	expect(await visit(gateway, 9)).toEqual(Array(9).fill(503));
	expect(backend.connections.length).toBe(tried);

	await gateway.lines.waitFor("breaker.half_open");
	const waiting: (() => void)[] = [];
	script = async (peer, index) => {
		await readRequest(peer);
		await new Promise<void>((resolve) => waiting.push(resolve));
		await silent(peer, index);
	};
	// Half-open comes to the workers some milliseconds apart; many handshakes, one of them is the trial.
	const trying = Array.from({ length: 12 }, async () => {
		const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		client.write(client.handshakeHead());
		return client;
	});
	await until(() => backend.connections.length > tried, { what: "the trial" });
	await visit(gateway, 9);
	expect(backend.connections.length).toBe(tried + 1);
	script = echoingFrames();
	backend.connections.at(-1)?.reset();
	await until(() => gateway.lines.of("breaker.open").length === 2, { what: "the failed trial to open it again" });
	await until(() => gateway.lines.of("breaker.half_open").length === 2, { what: "the next half-open" });
	await until(async () => (await visit(gateway, 1))[0] === 101, { what: "a trial that succeeds" });
	await gateway.lines.waitFor("breaker.closed");
	await until(async () => (await visit(gateway, WORKERS)).every((status) => status === 101), {
		what: "every worker to accept",
	});
	for (const client of await Promise.all(trying)) client.reset();
	expect(gateway.lines.of("breaker.closed")).toHaveLength(1);
	expect(gateway.lines.of("breaker.open")).toHaveLength(2);
});

test("max_handshakes_per_second: a storm of 600 reaches a backend at the rate of 100 a second, and is over as soon as that allows", {
	timeout: 60_000,
}, async () => {
	const RATE = 100;
	const COUNT = 600;
	const backend = await startStormBackend();
	const gateway = await start([`ws://127.0.0.1:${backend.port}`], `max_handshakes_per_second: ${RATE}`);
	const refusals: Record<string, number> = {};
	const since = Date.now();
	const clients = Array.from({ length: COUNT }, () => new StormClient(gateway.port, "honours Retry-After", refusals));
	onTestFinished(() => {
		for (const client of clients) client.stop();
	});
	const late = await lateness(() =>
		until(() => clients.every(({ inSince }) => inSince !== undefined), {
			timeout: 50_000,
			what: "every client to be in",
		}),
	);
	const seconds = (Date.now() - since) / 1_000;
	const { times, open } = await backend.seen();
	expect([times.length, open]).toEqual([COUNT, COUNT]);
	// In any second no more than 1.1 × the rate are written (see the unit test).
	expect(aheadOf(RATE, times, since)).toBeLessThanOrEqual(RATE * 0.1 + 1);
	// Whatever kept the clients waiting beyond that was the machine.
	expect(seconds).toBeLessThanOrEqual((COUNT / RATE) * 1.2 + 3 + 4 * late);
	// None on a machine so busy that they do not come all at once.
	expect(Object.keys(refusals).filter((status) => status !== "503")).toEqual([]);
	for (const client of clients) client.stop();
});

test("max_handshakes_per_second: a rate of 2 is 2 for all workers, and each of them gets its turns", {
	timeout: 30_000,
}, async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await start([backend.url], "max_handshakes_per_second: 2");
	const startedAt = performance.now();
	const late = await lateness(async () => {
		for (let i = 0; i < 6; i++) (await openRaw(gateway.port, "/", { timeout: 10_000 })).reset();
	});
	// The first at once, then one each half second, whichever worker it comes to.
	const ms = performance.now() - startedAt;
	expect(ms).toBeGreaterThan(2_400);
	expect(ms).toBeLessThan(4_000 + 4_000 * late);
});

test("round robin: the first connections to three workers are spread over the endpoints", {
	timeout: 30_000,
}, async () => {
	for (const count of [2, 3]) {
		const backends = await Promise.all(Array.from({ length: count }, () => startRawBackend(echoingFrames())));
		const gateway = await start(
			backends.map(({ url }) => url),
			"load_balancing: { policy: round_robin }",
		);
		const clients: RawClient[] = [];
		const perBackend = () => backends.map(({ connections }) => connections.length);
		const unevenness = () => Math.max(...perBackend()) - Math.min(...perBackend());
		// In turn, but the first of them may be at any worker: what is exact are whole rounds.
		for (let opened = 1; opened <= WORKERS * count; opened++) {
			clients.push(await openRaw(gateway.port));
			expect(unevenness()).toBeLessThanOrEqual(opened === WORKERS ? 1 : 2);
		}
		expect(unevenness()).toBe(0);
		for (const client of clients) client.reset();
	}
});
