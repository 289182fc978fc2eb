/**
 * The gateway on every Node line that it supports. Its fast way to read sockets, and how a name gets its certificates,
 * lean on parts of Node that are not documented: each version has to be seen working, with them and without.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer as createTlsServer } from "node:https";
import { describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { certificate } from "../harness/certs.ts";
import { startNode } from "../harness/child.ts";
import { frame, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { accepting, type RawBackend, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import type { RawPeer } from "../harness/raw-peer.ts";
import { visit } from "../harness/tls-visit.ts";
import { listen, startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { type GatewayOn, type Reading, startGatewayOn } from "./gateway-on.ts";
import { nodeVersions } from "./installed.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Around the edges of a frame's length fields and of the reader's buffers. */
const SIZES = [0, 1, 125, 126, KIB - 1, KIB, KIB + 1, 4 * KIB, 65_535, 65_536, 65_537, 300_000, MIB];
const MOST_COMPRESSED = 100_000;
const LEGS = ["plain", "tls"] as const;
/** Both kinds of socket, accepted and dialled. */
const CROSSED = [
	{ client: "plain", backend: "tls" },
	{ client: "tls", backend: "plain" },
] as const;
const MAX_PAYLOAD = 64 * MIB;

const versions = nodeVersions();

it.runIf(versions.length === 0)("has no Node versions to run on for this machine: these tests are for Linux", () => {
	expect(process.platform).not.toBe("linux");
});

describe.each(versions)("Node $version", { timeout: 60_000 }, (node) => {
	it.each<[string, string[], string, string]>([
		["reads sockets into a reused buffer and writes to plain ones directly", [], "reused buffer", "directly"],
		[
			"reads by data events and writes through streams where Node has nothing else",
			["--import", "./test/versions/hide-machinery.js"],
			"data events",
			"through its stream",
		],
	])("%s: accepted and dialled ones, plain and TLS", async (_, options, read, written) => {
		const probe = startNode([...options, "test/versions/probe-reader.js"], { executable: node.executable() });
		expect(await probe.exit(), probe.stderr()).toEqual({ code: 0, signal: null });
		const plain = { read, written };
		const tls = { read, written: "through its stream" };
		expect(JSON.parse(probe.stdout())).toEqual({
			node: `v${node.version}`,
			"accepted, plain": plain,
			"dialled, plain": plain,
			"accepted, TLS": tls,
			"dialled, TLS": tls,
		});
	});

	it.each<[string, Reading]>([
		["into a reused buffer", "reused"],
		["by data events", "events"],
	])("reading %s, it passes everything on as it is, and holds senders back", async (_, reading) => {
		const [echoes, raw] = await Promise.all([echoBackends(), rawBackends()]);
		const gateway = await startGatewayOn(node, reading, {
			...echoes,
			"raw-plain": raw.plain.url,
			"raw-tls": raw.tls.url.replace("ws:", "wss:"),
		});
		await Promise.all(CROSSED.map(({ client, backend }) => echo(gateway.url(client, backend))));
		for (const leg of LEGS) await backpressure(gateway.url(leg, leg));
		for (const leg of LEGS) await endings(gateway, leg, raw[leg]);
		await gateway.stopped();
	});

	it("asks one pipelined request at a time, and frees what a client leaves behind", async () => {
		const backend = await startRawBackend(async (peer) => {
			for (let count = 1; ; count++) {
				await peer.readHead(60_000);
				if (count <= 3) peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${count}`);
			}
		});
		const gateway = await startGatewayOn(node, "reused", { app: backend.url });
		for (const leg of LEGS) {
			const client = await connectRaw({ port: gateway.ports[leg], tls: leg === "tls" });
			client.write("GET /app HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20));
			for (const text of ["1", "2", "3"]) expect(await client.readBody(await client.readHead())).toBe(text);
			const peer = await backend.connection();
			await until(() => peer.all.toString().split("GET ").length === 5, { what: "the fourth request" });
			expect(backend.openCount()).toBe(1);
			client.reset();
			await until(() => backend.openCount() === 0, { what: "the backend's connection to close" });
			await until(() => gateway.child.out.of("http.request").length % 4 === 0, { what: "four lines" });
		}
		expect(gateway.child.out.of("http.request").map(({ status }) => status)).toEqual([
			200, 200, 200, 499, 200, 200, 200, 499,
		]);
		gateway.child.kill("SIGTERM");
		expect(await gateway.child.exit(5_000)).toEqual({ code: 0, signal: null });
	});

	it("serves with two workers, which take each other's TLS sessions, and the right certificate to each name", async () => {
		const gateway = await startGatewayOn(node, "reused", await echoBackends(), 2);
		for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
			for (const [servername, curve] of [
				["a.test", "P-256"],
				["b.test", undefined],
			] as const) {
				let last = await visit(gateway.ports.tls, { version, servername });
				expect(last.certificate.subject.CN).toBe(servername);
				expect(last.certificate.nistCurve).toBe(curve);
				for (let times = 0; times < 4; times++) {
					last = await visit(gateway.ports.tls, { version, servername, session: last.session });
					expect(last.resumed).toBe(true);
				}
			}
		}
		const made = await visit(gateway.ports.selfSigned, { version: "TLSv1.3", servername: "localhost" });
		expect(made.certificate.subject.CN).toBe("localhost");
		for (const leg of LEGS) await echo(gateway.url(leg, leg));
		await gateway.stopped();
	});
});

interface RawBackends {
	readonly plain: RawBackend;
	readonly tls: RawBackend;
}

async function rawBackends(): Promise<RawBackends> {
	const tls = await certificate(["127.0.0.1"]);
	return { plain: await startRawBackend(accepting()), tls: await startRawBackend(accepting(), { tls }) };
}

/** Send every message back; a text `close` is answered by a Close, `flood` by much data. */
async function echoBackends(): Promise<{ plain: string; tls: string }> {
	const options = { perMessageDeflate: true, maxPayload: MAX_PAYLOAD };
	const onConnection = (socket: WebSocket): void => {
		socket.on("error", () => {});
		socket.on("message", (data: Buffer, isBinary) => {
			if (data.equals(Buffer.from("close"))) socket.close(4002, "as you wish");
			else if (data.equals(Buffer.from("flood"))) flood(socket);
			else socket.send(data, { binary: isBinary });
		});
	};
	const plain = await startWsBackend({ ...options, onConnection });
	const server = createTlsServer(await certificate(["127.0.0.1"]));
	const webSockets = new WebSocketServer({ ...options, server });
	webSockets.on("connection", onConnection);
	const { port } = await listen(server, () => {
		for (const socket of webSockets.clients) socket.terminate();
	});
	return { plain: plain.url, tls: `wss://127.0.0.1:${port}` };
}

async function echo(url: string): Promise<void> {
	const client = await openWs(url, [], { perMessageDeflate: { threshold: 0 }, maxPayload: MAX_PAYLOAD });
	expect(client.socket.extensions, url).toContain("permessage-deflate");
	for (const size of SIZES) {
		// Half of it can be compressed.
		const message = Buffer.concat([randomBytes(Math.floor(size / 2)), Buffer.alloc(Math.ceil(size / 2), "clawgate ")]);
		// Compressing takes the test long, not the gateway, which passes it on as it is.
		for (const compress of size < MOST_COMPRESSED ? [false, true] : [false]) {
			client.socket.send(message, { compress });
			expect(sha256(await client.next(15_000)), `${url}: ${size} bytes`).toBe(sha256(message));
		}
		const third = Math.ceil(size / 3);
		client.socket.send(message.subarray(0, third), { fin: false, compress: false });
		client.socket.send(message.subarray(third, 2 * third), { fin: false });
		client.socket.send(message.subarray(2 * third));
		expect(sha256(await client.next(15_000)), `${url}: ${size} bytes in fragments`).toBe(sha256(message));
	}
	client.socket.close(4001, "enough");
	expect(await client.waitClosed()).toEqual({ code: 4001, reason: "enough" });
	const other = await openWs(url);
	other.socket.send("close");
	expect(await other.waitClosed()).toEqual({ code: 4002, reason: "as you wish" });
}

const FLOOD = { chunk: Buffer.alloc(256 * KIB, randomBytes(1021)), times: 80 };
/** The backend's end of the connection that is flooded at the moment. */
let flooding: { readonly socket: WebSocket } | undefined;

function flood(socket: WebSocket): void {
	flooding = { socket };
	for (let index = 0; index < FLOOD.times; index++) socket.send(FLOOD.chunk, { compress: false });
}

/** The backend sends 20 MiB to a client that does not read; then the client does. */
async function backpressure(url: string): Promise<void> {
	flooding = undefined;
	const client = await openWs(url, [], { maxPayload: MAX_PAYLOAD });
	client.socket.send("flood");
	client.socket.pause();
	const { socket } = await until(() => flooding, { what: "the flood" });
	// What fits into the buffers of kernels and gateway has left; the rest waits at its sender.
	let waiting = -1;
	await until(
		async () => {
			const before = waiting;
			waiting = socket.bufferedAmount;
			await new Promise((resolve) => setTimeout(resolve, 100));
			return waiting === before;
		},
		{ what: "the flood to stand still" },
	);
	expect(waiting, url).toBeGreaterThan(MIB);
	expect(client.messages, url).toHaveLength(0);
	client.socket.resume();
	await until(() => client.messages.length === FLOOD.times, {
		timeout: 20_000,
		what: `the rest of the flood from ${url}`,
	});
	const expected = sha256(FLOOD.chunk);
	expect(client.messages.every((message) => sha256(message) === expected)).toBe(true);
	client.socket.close(1000);
	await client.waitClosed();
}

async function endings(gateway: GatewayOn, leg: "plain" | "tls", backend: RawBackend): Promise<void> {
	const open = async (): Promise<{ client: RawClient; server: RawPeer }> => {
		const client = await openRaw(gateway.ports[leg], `/raw-${leg}`, { tls: leg === "tls" });
		return { client, server: await backend.connection() };
	};
	// A Close reply that comes after the other side's Close and FIN.
	const late = await open();
	late.server.sendClose(1000, "done");
	late.server.end();
	expect(await late.client.readFrame(), leg).toMatchObject({ closeCode: 1000, text: "done" });
	expect(await late.client.ended(), leg).toBe("fin");
	late.client.sendClose(1000, "late");
	late.client.end();
	expect(await late.server.readFrame(), leg).toMatchObject({ closeCode: 1000, text: "late" });
	expect(await late.server.ended(), leg).toBe("fin");
	// A client that only ends its own side still gets what the backend has to say.
	const half = await open();
	half.client.end();
	expect(await half.server.ended(), leg).toBe("fin");
	const rest = frame(OPCODE.binary, randomBytes(MIB));
	half.server.write(rest);
	half.server.sendClose(1001);
	half.server.end();
	expect((await half.client.read(rest.length)).equals(rest), leg).toBe(true);
	expect((await half.client.readFrame()).closeCode, leg).toBe(1001);
	// Resets; over TLS there are none, the other side sees an end.
	const end = leg === "tls" ? "fin" : "reset";
	const lost = await open();
	lost.server.reset();
	expect(await lost.client.ended(), leg).toBe(end);
	expect(lost.client.unread, leg).toHaveLength(0);
	const gone = await open();
	gone.client.reset();
	expect(await gone.server.ended(), leg).toBe(end);
	const closed = () => gateway.child.out.of("ws.close").filter(({ path }) => path === `/raw-${leg}`);
	await until(() => closed().length === 4, { what: "a line for each connection" });
	expect(
		closed()
			.map(({ termination }) => termination)
			.sort(),
	).toEqual(["backend_drop", "client_drop", "client_drop", "normal"]);
}

function sha256(data: string | Buffer): string {
	return createHash("sha256").update(data).digest("hex");
}
