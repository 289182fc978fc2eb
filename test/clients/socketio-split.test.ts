/** Socket.IO behind a canary: clients that poll stay at the side where their session began. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { startWorkerGateway } from "../harness/worker-gateway.ts";
import { connect, type Problems, startServer } from "./socketio.fixtures.ts";

const CLIENTS = 100;

const upstreams = (stable: string, canary: string, options: string): string => `
		upstreams:
			stable: { endpoints: ["${stable}"]${options} }
			canary: { endpoints: ["${canary}"]${options} }`;

const split = (more = ""): string =>
	`split: [{ upstream: stable, weight: 95 }, { upstream: canary, weight: 5 }]${more}`;

/** Every client hears from a server, and its later requests come to the same one. Gives the servers' names. */
async function visit(port: number, clients: number): Promise<string[]> {
	const problems: Problems = { list: [] };
	const sockets = Array.from({ length: clients }, () =>
		connect(`http://127.0.0.1:${port}/`, problems, {
			transports: ["polling"],
			withCredentials: true,
			extraHeaders: { "x-user": String(Math.random()) },
		}),
	);
	const names = await Promise.all(
		sockets.map((socket) =>
			within(new Promise<string>((resolve) => socket.once("hello", resolve)), { timeout: 20_000, what: "a hello" }),
		),
	).catch((error: Error) => {
		throw new Error(`${error.message}; problems: ${problems.list.slice(0, 5).join("\n")}`);
	});
	for (let round = 0; round < 2; round++) {
		const where = sockets.map((socket) => socket.timeout(15_000).emitWithAck("where"));
		expect(await Promise.all(where)).toEqual(names);
	}
	expect(problems.list).toEqual([]);
	for (const socket of sockets) socket.disconnect();
	return names;
}

test.each([
	["sticky: socketio", ", sticky: socketio", ""],
	["sticky: { cookie }", ", sticky: { cookie: {} }", ""],
	["split_cookie", "", ", split_cookie: {}"],
	["hash_on", ", load_balancing: { policy: consistent_hash, hash_on: [{ header: x-user }] }", ""],
])("%s: 100 of 100 clients that poll work at 95/5", { timeout: 60_000 }, async (_name, options, route) => {
	const [stable, canary] = [await startServer("stable"), await startServer("canary")];
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
${upstreams(stable.url, canary.url, options)}
		routes: [{ match: { path_prefix: /socket.io }, ${split(route)} }]
	`);
	const names = await visit(gateway.port, CLIENTS);
	expect(names).toHaveLength(CLIENTS);
	// Few enough for a canary, and there are some when further ones come.
	await until(
		async () => {
			if (names.includes("canary")) return true;
			names.push(...(await visit(gateway.port, 20)));
			return false;
		},
		{ timeout: 30_000, what: "a client at the canary" },
	);
	expect(names.filter((name) => name === "canary").length).toBeLessThan(names.length / 3);
});

test("several workers: sessions stay at their side whichever worker a request comes to", {
	timeout: 60_000,
}, async () => {
	const [stable, canary] = [await startServer("stable"), await startServer("canary")];
	const gateway = await startWorkerGateway(
		2,
		`
${upstreams(stable.url, canary.url, ", sticky: socketio")}
		routes: [{ match: { path_prefix: /socket.io }, ${split()} }]
	`,
	);
	expect(await visit(gateway.port, 60)).toHaveLength(60);
	await gateway.stop({ paired: false });
});
