/** Socket.IO over two servers: long-polling first, then the upgrade; every request of a session at the same server. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { connect, type Problems, startServer } from "./socketio.fixtures.ts";

const CLIENTS = 40;

async function start(sticky: string) {
	const one = await startServer("one");
	const two = await startServer("two");
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: ["${one.url}", "${two.url}"]
				sticky: ${sticky}
		routes: [{ match: { path_prefix: /socket.io }, upstream: app }]
	`);
	return { one, two, gateway };
}

const cases: [string, string, Record<string, unknown>][] = [
	["sticky: socketio, clients without cookies", "socketio", {}],
	["a sticky cookie, clients that keep cookies", "{ cookie: { name: clawgate } }", { withCredentials: true }],
];

test.each(cases)(
	"many clients poll and upgrade through two servers and stay where they began: %s",
	{ timeout: 60_000 },
	async (_, sticky, options) => {
		const { gateway } = await start(sticky);
		const problems: Problems = { list: [] };
		const sockets = Array.from({ length: CLIENTS }, () => connect(gateway.url("/", "http"), problems, options));
		const first = await Promise.all(
			sockets.map((socket) =>
				within(new Promise<string>((resolve) => socket.once("hello", resolve)), {
					timeout: 30_000,
					what: "the server's hello",
				}).catch((error) => {
					throw new Error(`${error.message}; problems: ${problems.list.join("\n")}`);
				}),
			),
		);
		await until(
			() => problems.list.length > 0 || sockets.every((socket) => socket.io.engine.transport.name === "websocket"),
			{
				timeout: 30_000,
				what: "every client to be on WebSocket",
			},
		);
		expect(problems.list).toEqual([]);
		const payload = { text: "grüße", binary: Buffer.from([1, 2, 3]) };
		for (const [i, socket] of sockets.entries()) {
			const where = await new Promise<string[]>((resolve) => {
				socket.timeout(5_000).emit("where", (error: Error | null, name: string, transport: string) => {
					resolve(error ? [error.message] : [name, transport]);
				});
			});
			expect(where).toEqual([first[i], "websocket"]);
		}
		expect(await sockets[0]?.timeout(5_000).emitWithAck("echo", payload)).toEqual(payload);
		const atOne = first.filter((name) => name === "one").length;
		expect(atOne).toBeGreaterThan(0);
		expect(atOne).toBeLessThan(CLIENTS);
		for (const socket of sockets) socket.disconnect();
		await gateway.expectQuiet(10_000);
		expect(gateway.lines.of("ws.open")).toHaveLength(CLIENTS);
		expect(gateway.lines.of("http.request").filter((record) => (record.status ?? 0) >= 400)).toEqual([]);
	},
);

test("a client that only polls keeps its session at one server", { timeout: 60_000 }, async () => {
	const { gateway } = await start("socketio");
	const problems: Problems = { list: [] };
	const sockets = Array.from({ length: 10 }, () =>
		connect(gateway.url("/", "http"), problems, { transports: ["polling"] }),
	);
	const first = await Promise.all(
		sockets.map((socket) =>
			within(new Promise<string>((resolve) => socket.once("hello", resolve)), { timeout: 20_000, what: "hello" }),
		),
	);
	for (let round = 0; round < 5; round++) {
		for (const [i, socket] of sockets.entries()) {
			expect(await socket.timeout(5_000).emitWithAck("echo", `${round}.${i}`)).toBe(`${round}.${i}`);
		}
	}
	expect(problems.list).toEqual([]);
	expect(new Set(first)).toEqual(new Set(["one", "two"]));
	for (const socket of sockets) socket.disconnect();
	await gateway.expectQuiet(10_000);
});
