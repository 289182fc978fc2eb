/** `handshake: lenient`: what old and careless servers answer passes. A subprotocol that nobody offered always does. */
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import {
	echoFrames,
	echoingFrames,
	readRequest,
	type Script,
	startRawBackend,
	switchingProtocols,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { acceptFor } from "../harness/raw-peer.ts";
import { expectRejection } from "../harness/rejections.ts";

/** Answers with the 101 as `change` makes it, then echoes frames. */
const careless =
	(change: (answer: string) => string): Script =>
	async (peer) => {
		const request = await readRequest(peer);
		peer.write(change(switchingProtocols(request)));
		await echoFrames(peer);
	};

const without = (line: RegExp) => (answer: string) => answer.replace(line, "");
const ACCEPT = /Sec-WebSocket-Accept: .*\r\n/;

const ANSWERS: [string, (answer: string) => string][] = [
	["HTTP/1.0", (answer) => answer.replace("HTTP/1.1", "HTTP/1.0")],
	["lines that end with LF alone", (answer) => answer.replaceAll("\r\n", "\n")],
	["no Accept", without(ACCEPT)],
	["the Accept of another key", (answer) => answer.replace(ACCEPT, "Sec-WebSocket-Accept: d3Jvbmc=\r\n")],
	["no Upgrade", without(/Upgrade: websocket\r\n/)],
	["no Connection", without(/Connection: Upgrade\r\n/)],
	["a header line without a colon", (answer) => answer.replace("\r\n\r\n", "\r\nwelcome to the server\r\n\r\n")],
	[
		"an extension that nobody offered",
		(answer) => answer.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
	],
];

async function start(script: Script, options: string, route = "") {
	const backend = await startRawBackend(script);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"]${options} } }
		routes: [{ match: { path_prefix: / }, upstream: app, retries: { attempts: 1 }${route} }]
	`);
	return { backend, gateway };
}

describe.each(ANSWERS)("a 101 with %s", (name, change) => {
	test("passes with handshake: lenient, as it is, and its health check finds it healthy; strict refuses it", async () => {
		const { gateway } = await start(
			careless(change),
			", handshake: lenient, health_check: { type: websocket, interval: 10s }",
		);
		const client = await connectRaw({ port: gateway.port });
		const head = await client.handshake();
		expect(head.status).toBe(101);
		// What belongs to the end, right or wrong, is the backend's.
		expect(head.header("sec-websocket-accept") === acceptFor(client.key)).toBe(!/Accept/.test(name));
		client.sendFrame(OPCODE.text, "hello");
		expect((await client.readFrame()).text).toBe("hello");
		client.reset();
		expect(await gateway.waitForLog("endpoint.up")).toMatchObject({ check: "websocket" });

		const strict = await start(careless(change), "");
		const refused = await connectRaw({ port: strict.gateway.port });
		await expectRejection(refused, await refused.handshake(), 502, "BAD_BACKEND_HANDSHAKE");
	});
});

test("a header line without a colon reaches the client as it came; other answers are as strict as ever", async () => {
	const { gateway } = await start(
		careless((answer) => answer.replace("\r\n\r\n", "\r\nwelcome to the server\r\n\r\n")),
		", handshake: lenient",
	);
	const client = await connectRaw({ port: gateway.port });
	expect((await client.handshake()).raw).toContain("\r\nwelcome to the server\r\n");
	const { gateway: other } = await start(async (peer) => {
		await readRequest(peer);
		peer.write("HTTP/1.1 403 No\r\nno colon here\r\nContent-Length: 0\r\n\r\n");
	}, ", handshake: lenient");
	const refused = await connectRaw({ port: other.port });
	await expectRejection(refused, await refused.handshake(), 502, "BAD_BACKEND_HANDSHAKE");
});

test("version 8 goes to lenient upstreams only; the others answer 426", async () => {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			old: { endpoints: ["${backend.url}"], handshake: lenient }
			new: { endpoints: ["${backend.url}"] }
		routes:
			- { match: { path: /old }, upstream: old }
			- { match: { path: /new }, upstream: new }
	`);
	const version = "8";
	await openRaw(gateway.port, "/old", { version });
	expect((await backend.connection()).request?.header("sec-websocket-version")).toBe("8");
	const refused = await connectRaw({ port: gateway.port });
	await expectRejection(refused, await refused.handshake("/new", { version }), 426, "BAD_VERSION");
});

test("a subprotocol that was not offered is passed on, and told once for the upstream", async () => {
	const script: Script = async (peer, index) => {
		const chosen = ["broadway", "chat, superchat", ""][index % 3] as string;
		return echoingFrames({ headers: { "Sec-WebSocket-Protocol": chosen } })(peer, index);
	};
	const { gateway } = await start(script, "");
	for (const chosen of ["broadway", "chat, superchat", ""]) {
		const client = await openRaw(gateway.port, "/", { subprotocols: ["chat", "superchat"] });
		expect(client.head.header("sec-websocket-protocol")).toBe(chosen);
		client.reset();
	}
	await openRaw(gateway.port);
	await until(() => gateway.lines.of("ws.open").length === 4, { what: "the opens" });
	expect(gateway.lines.of("subprotocol.not_offered")).toMatchObject([
		{ level: "warn", upstream: "app", subprotocol: "broadway", offered: "chat, superchat" },
	]);
});
