/** Times: idle, ping, lifetime, and slow request heads. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPCODE, parseFrames } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { acceptingPolitely, type BackendPeer, type Script, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

async function open(route: string, script: Script = acceptingPolitely()) {
	const backend = await startRawBackend(script);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				${route}
	`);
	const client = await openRaw(gateway.port);
	return { backend, gateway, client, server: await backend.connection() };
}

/** Answers the Close that each side got, as a correct peer does. */
function answerCloses(client: RawClient, server: BackendPeer): void {
	client.sendClose(1001);
	server.sendClose(1001);
	server.end();
	client.end();
}

const ends: [string, string, string, RegExp][] = [
	["idle", "timeouts: { idle: 300ms }", "idle_timeout", /idle/],
	["lifetime", "timeouts: { lifetime: 300ms }", "lifetime", /lifetime/],
];

test.each(ends)("%s: both sides get 1001 with the reason in words", async (_, route, termination, words) => {
	const { gateway, client, server } = await open(route);
	const startedAt = performance.now();
	const atClient = await client.readFrame();
	expect(performance.now() - startedAt).toBeGreaterThan(200);
	expect(atClient).toMatchObject({ opcode: OPCODE.close, closeCode: 1001, masked: false });
	expect(atClient.text).toMatch(words);
	const atBackend = await server.readFrame();
	expect(atBackend).toMatchObject({ opcode: OPCODE.close, closeCode: 1001, masked: true });
	answerCloses(client, server);
	const closed = await gateway.waitForLog("ws.close");
	expect(closed).toMatchObject({ close_code: 1001, close_initiator: "gateway", termination });
	expect(closed.close_reason).toMatch(words);
	await gateway.expectQuiet();
});

test.each(["client", "backend"])("data from the %s keeps a connection from being idle", async (side) => {
	const { gateway, client, server } = await open("timeouts: { idle: 400ms }");
	const [from, to] = side === "client" ? [client, server] : [server, client];
	const startedAt = performance.now();
	while (performance.now() - startedAt < 1_200) {
		from.sendFrame(OPCODE.text, "x");
		expect((await to.readFrame()).opcode).toBe(OPCODE.text);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	expect(gateway.handle.connectionCount()).toBe(1);
	const silentSince = performance.now();
	expect((await client.readFrame()).closeCode).toBe(1001);
	expect(performance.now() - silentSince).toBeGreaterThan(250);
	answerCloses(client, server);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "idle_timeout" });
	await gateway.expectQuiet();
});

test("a lifetime ends a busy connection too", async () => {
	const { gateway, client, server } = await open("timeouts: { lifetime: 400ms }");
	const sending = setInterval(() => server.sendFrame(OPCODE.text, "busy"), 20);
	const closing = await client.readFrameOf(OPCODE.close);
	clearInterval(sending);
	expect(closing.closeCode).toBe(1001);
	answerCloses(client, server);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "lifetime" });
	await gateway.expectQuiet();
});

test("the gateway's pings do not keep an idle connection open", async () => {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { idle: 700ms }, ping: { interval: 100ms, timeout: 5s } }]
	`);
	const client = await openWs(gateway.url());
	let pings = 0;
	client.socket.on("ping", () => pings++);
	expect((await client.waitClosed()).code).toBe(1001);
	// One for each interval of silence, however long a Pong may take.
	expect(pings).toBeGreaterThan(2);
	expect(await gateway.waitForLog("ws.close")).toMatchObject({ termination: "idle_timeout" });
	await gateway.expectQuiet();
});

test.each(["client", "backend"] as const)("a %s that answers no ping is given up: ping_timeout", async (dead) => {
	const { gateway, client, server } = await open(`ping: { interval: 150ms, timeout: 250ms, sides: [${dead}] }`);
	const [silent, healthy] = dead === "client" ? [client, server] : [server, client];
	const startedAt = performance.now();
	expect(await silent.readFrame()).toMatchObject({ opcode: OPCODE.ping, masked: dead === "backend" });
	const closing = await healthy.readFrame();
	expect(performance.now() - startedAt).toBeGreaterThan(200);
	expect(closing).toMatchObject({ opcode: OPCODE.close, closeCode: 1001 });
	expect(closing.text).toMatch(/ping/);
	healthy.sendClose(1001);
	healthy.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1001,
		close_initiator: "gateway",
		termination: "ping_timeout",
	});
	await gateway.expectQuiet();
});

test("answered pings keep both sides alive, and neither sees the pong to a ping it did not send", async () => {
	const { gateway, client, server } = await open("ping: { interval: 100ms, timeout: 200ms, sides: [client, backend] }");
	let answered = 0;
	for (const peer of [client, server]) {
		void (async () => {
			for (;;) {
				const frame = await peer.readFrame(10_000);
				if (frame.opcode !== OPCODE.ping) throw new Error(`got opcode ${frame.opcode}`);
				peer.sendFrame(OPCODE.pong, frame.payload, { mask: peer === client });
				answered++;
			}
		})().catch(() => undefined);
	}
	await until(() => answered >= 12, { what: "twelve answered pings" });
	expect(gateway.handle.connectionCount()).toBe(1);
	// A peer's own ping and pong still pass from end to end; pongs to the gateway's pings never do.
	const opcodes = (bytes: Buffer) => [...new Set(parseFrames(bytes).map(({ opcode }) => opcode))];
	expect(opcodes(server.after)).toEqual([OPCODE.ping]);
	expect(opcodes(client.all.subarray(client.all.indexOf("\r\n\r\n") + 4))).toEqual([OPCODE.ping]);
	client.reset();
	await gateway.expectQuiet();
});

test("by default only the client is pinged: a backend that is busy is not dead, and has TCP keep-alive", async () => {
	const { gateway, client, server } = await open("ping: { interval: 100ms, timeout: 10s }");
	for (let pings = 0; pings < 5; pings++) {
		const { payload } = await client.readFrameOf(OPCODE.ping);
		client.sendFrame(OPCODE.pong, payload);
	}
	expect(server.unread).toHaveLength(0);
	if (process.platform === "linux") {
		// The gateway's end of each: its local port is the far end's remote one.
		expect(hasKeepAlive(server.tcp.remotePort)).toBe(true);
		expect(hasKeepAlive(gateway.port, client.tcp.localPort)).toBe(false);
	}
	client.reset();
	await gateway.expectQuiet();
});

/** Whether the kernel's keep-alive timer runs for a TCP connection of this machine, by its ports. */
function hasKeepAlive(local: number | undefined, remote?: number): boolean {
	const hex = (port: number | undefined) => `:${Number(port).toString(16).toUpperCase().padStart(4, "0")}`;
	const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
	const row = rows
		.map((text) => text.trim().split(/\s+/))
		.find(([, here = "", there = "", state]) => {
			return state === "01" && here.endsWith(hex(local)) && (remote === undefined || there.endsWith(hex(remote)));
		});
	if (!row) throw new Error("there is no such connection");
	return row[5]?.startsWith("02:") ?? false;
}

test("an unsolicited pong of a client reaches the backend", async () => {
	const { gateway, client, server } = await open("ping: { interval: 10s, timeout: 10s }");
	client.sendFrame(OPCODE.pong, "heartbeat");
	expect(await server.readFrame()).toMatchObject({ opcode: OPCODE.pong, text: "heartbeat" });
	client.reset();
	await gateway.expectQuiet();
});

test("ping: off sends none", async () => {
	const { gateway, client, server } = await open("ping: off\n\t\t\t\ttimeouts: { idle: 700ms }");
	expect(await client.readFrame()).toMatchObject({ opcode: OPCODE.close });
	expect(await server.readFrame()).toMatchObject({ opcode: OPCODE.close });
	answerCloses(client, server);
	await gateway.expectQuiet();
});

test("a peer in the middle of a long frame is never pinged or closed inside it", async () => {
	const { gateway, client, server } = await open(
		"ping: { interval: 100ms, timeout: 10s, sides: [client] }\n\t\t\t\ttimeouts: { lifetime: 600ms, close: 400ms }",
	);
	const payload = Buffer.alloc(5_000, 0x55);
	const whole = Buffer.concat([Buffer.from([0x82, 126, payload.length >> 8, payload.length & 255]), payload]);
	server.write(whole.subarray(0, 2_000));
	await until(() => client.unread.length >= 2_000, { what: "the first part" });
	await new Promise((resolve) => setTimeout(resolve, 750));
	expect(client.unread.equals(whole.subarray(0, 2_000))).toBe(true);
	server.write(whole.subarray(2_000));
	expect((await client.readFrame()).payload.equals(payload)).toBe(true);
	expect((await client.readFrameOf(OPCODE.close)).closeCode).toBe(1001);
	answerCloses(client, server);
	await gateway.expectQuiet();
});

test.each(["", ", tls: { self_signed: [localhost] }"])(
	"a request head that does not come in time is answered 408%s",
	async (tls) => {
		const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${tls}, timeouts: { request_headers: 300ms } }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
		const client = await connectRaw({ port: gateway.port, ...(tls ? { tls: true } : {}) });
		client.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
		const head = await client.readHead();
		expect(head.status).toBe(408);
		expect(await client.readBody(head)).toMatch(/^HEADERS_TIMEOUT: .+/);
		await client.ended();
		client.end();
		await gateway.expectQuiet();
	},
);

test("a TLS handshake that does not come in time is cut off", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0", tls: { self_signed: [localhost] }, timeouts: { tls_handshake: 300ms } }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const client = await connectRaw({ port: gateway.port });
	const startedAt = performance.now();
	await client.ended(3_000);
	expect(performance.now() - startedAt).toBeGreaterThan(200);
	client.end();
	await gateway.expectQuiet();
});
