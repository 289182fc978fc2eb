/** Socket.IO over two servers behind several workers: each request of a session may come to another worker. */
import { Agent } from "node:http";
import { expect, test } from "vitest";
import { until, within } from "../harness/poll.ts";
import { startWorkerGateway, type WorkerGateway } from "../harness/worker-gateway.ts";
import { connect, type Problems, startServer } from "./socketio.fixtures.ts";

const WORKERS = 3;
const CLIENTS = 24;

async function start(): Promise<WorkerGateway> {
	const [one, two] = [await startServer("one"), await startServer("two")];
	return startWorkerGateway(
		WORKERS,
		`
		upstreams:
			app:
				endpoints: ["${one.url}", "${two.url}"]
				sticky: socketio
		routes: [{ match: { path_prefix: /socket.io }, upstream: app, drain: { spread: 0s } }]
	`,
	);
}

/** A connection of its own for each request. */
const agent = new Agent({ keepAlive: false });

/** So many clients that have heard from their servers; with the servers' names. */
async function meet(gateway: WorkerGateway, problems: Problems, options: Record<string, unknown>) {
	const sockets = Array.from({ length: CLIENTS }, () =>
		connect(`http://127.0.0.1:${gateway.port}/`, problems, { agent, ...options }),
	);
	const names = await Promise.all(
		sockets.map((socket) =>
			within(new Promise<string>((resolve) => socket.once("hello", resolve)), {
				timeout: 20_000,
				what: "the server's hello",
			}).catch((error: Error) => {
				throw new Error(`${error.message}; problems: ${problems.list.join("\n")}`);
			}),
		),
	);
	expect(new Set(names)).toEqual(new Set(["one", "two"]));
	return { sockets, names };
}

test("clients that poll stay at their server, also after a worker was killed and replaced", {
	timeout: 60_000,
}, async () => {
	const gateway = await start();
	const problems: Problems = { list: [] };
	const { sockets, names } = await meet(gateway, problems, { transports: ["polling"] });
	const ask = async (): Promise<unknown[]> =>
		Promise.all(sockets.map((socket) => socket.timeout(10_000).emitWithAck("where")));
	for (let round = 0; round < 4; round++) {
		// The acknowledgement has two arguments; the promise has the first one.
		expect(await ask()).toEqual(names);
	}
	expect(problems.list).toEqual([]);
	expect(refused(gateway)).toEqual([]);

	// Long polls that were at the dead worker break, and with them their sessions; no other one does.
	const { connections } = await gateway.killWorker();
	await until(() => gateway.workers().length === WORKERS, { timeout: 20_000, what: "a replacement" });
	const answers = await Promise.allSettled(sockets.map((socket) => socket.timeout(5_000).emitWithAck("where")));
	const left = sockets.filter((_, i) => answers[i]?.status === "fulfilled");
	expect(left.length).toBeGreaterThanOrEqual(CLIENTS - Number(connections));
	for (let round = 0; round < 4; round++) {
		for (const [i, socket] of sockets.entries()) {
			if (left.includes(socket)) expect(await socket.timeout(10_000).emitWithAck("where")).toBe(names[i]);
		}
	}
	for (const socket of sockets) socket.disconnect();
	await gateway.stop({ paired: false });
});

test("clients that poll and then upgrade reach the server that has their session", { timeout: 60_000 }, async () => {
	const gateway = await start();
	const problems: Problems = { list: [] };
	const { sockets, names } = await meet(gateway, problems, {});
	await until(() => problems.list.length > 0 || sockets.every((socket) => transport(socket) === "websocket"), {
		timeout: 20_000,
		what: "every client to be on WebSocket",
	});
	expect(problems.list).toEqual([]);
	for (const [i, socket] of sockets.entries()) {
		expect(await socket.timeout(10_000).emitWithAck("where")).toBe(names[i]);
	}
	expect(refused(gateway)).toEqual([]);
	for (const socket of sockets) socket.disconnect();
	await gateway.stop();
});

function transport(socket: ReturnType<typeof connect>): string {
	return socket.io.engine.transport.name;
}

/** A server refuses a session that it does not have with a 400. */
function refused({ lines }: WorkerGateway): unknown[] {
	return lines
		.of("http.request")
		.filter(({ path, status }) => path !== "/.." && (status ?? 0) >= 400 && status !== 499);
}
