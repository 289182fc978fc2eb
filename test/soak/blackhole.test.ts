import { execFileSync, spawn } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../harness/child.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";

/** A host of our own on this machine: a network namespace behind a veth pair. Needs root and iproute2. */
const NAMESPACE = `clawgate-${process.pid}`;
const OUTSIDE = `cgo${process.pid}`.slice(0, 15);
const INSIDE = `cgi${process.pid}`.slice(0, 15);
const HERE = "10.213.77.1";
const THERE = "10.213.77.2";
const PORT = 7001;

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
const inside = (...args: string[]): void => ip("netns", "exec", NAMESPACE, ...args);

const backend = `
	import { WebSocketServer } from "${ROOT}node_modules/ws/wrapper.mjs";
	new WebSocketServer({ host: "${THERE}", port: ${PORT} }).on("connection", (socket) => socket.on("error", () => {}));
`;
let server: ReturnType<typeof spawn>;

beforeAll(() => {
	ip("netns", "add", NAMESPACE);
	ip("link", "add", OUTSIDE, "type", "veth", "peer", "name", INSIDE, "netns", NAMESPACE);
	ip("addr", "add", `${HERE}/30`, "dev", OUTSIDE);
	ip("link", "set", OUTSIDE, "up");
	inside("ip", "addr", "add", `${THERE}/30`, "dev", INSIDE);
	inside("ip", "link", "set", INSIDE, "up");
	inside("ip", "link", "set", "lo", "up");
	server = spawn("ip", ["netns", "exec", NAMESPACE, process.execPath, "--input-type=module", "-e", backend]);
});

afterAll(() => {
	server.kill("SIGKILL");
	ip("netns", "del", NAMESPACE);
});

/** Packets to and from the host vanish, as when a cable is pulled: nobody is told. */
function blackhole(on: boolean): void {
	// Inside, so that this side goes on sending and gets no answer and no error.
	if (on) inside("ip", "route", "replace", "blackhole", `${HERE}/32`);
	else inside("ip", "route", "del", "blackhole", `${HERE}/32`);
}

test("a host whose packets vanish is out of rotation in time, and no handshake waits longer than connect + handshake", async () => {
	const [interval, timeout, threshold, connect, handshake] = [500, 500, 3, 400, 1_000];
	const good = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
		  chat:
		    endpoints: ["ws://${THERE}:${PORT}", "${good.url}"]
		    health_check: { type: websocket, interval: ${interval}ms, timeout: ${timeout}ms, unhealthy_threshold: ${threshold} }
		routes: [{ match: {}, upstream: chat, timeouts: { connect: ${connect}ms, handshake: ${handshake}ms } }]
	`);
	await until(() => gateway.lines.of("endpoint.up").length === 2, { what: "both endpoints up", timeout: 10_000 });

	// The host may have been down first: it is started at the same time.
	const downBefore = gateway.lines.of("endpoint.down").length;
	const upBefore = gateway.lines.of("endpoint.up").length;
	blackhole(true);
	const startedAt = performance.now();
	let longest = 0;
	while (gateway.lines.of("endpoint.down").length === downBefore) {
		const askedAt = performance.now();
		const client = await openRaw(gateway.port, "/", { timeout: 5_000 });
		longest = Math.max(longest, performance.now() - askedAt);
		client.reset();
		expect(performance.now() - startedAt, "still in rotation").toBeLessThan(10_000);
	}
	const outAfter = performance.now() - startedAt;
	console.log(JSON.stringify({ outAfter, bound: interval * threshold + timeout, longest }));
	expect(outAfter).toBeLessThan(interval * threshold + timeout + 200);
	expect(longest).toBeLessThan(connect + handshake);
	const opened = gateway.lines.of("ws.open").filter(({ attempts }) => attempts?.length === 2);
	for (const { attempts } of opened) expect(attempts?.[0]?.outcome).toBe("connect_failure");

	for (let i = 0; i < 10; i++) {
		const askedAt = performance.now();
		(await openRaw(gateway.port)).reset();
		expect(performance.now() - askedAt).toBeLessThan(connect);
	}
	blackhole(false);
	await until(() => gateway.lines.of("endpoint.up").length > upBefore, {
		what: "the host to be back",
		timeout: 15_000,
	});
}, 60_000);
