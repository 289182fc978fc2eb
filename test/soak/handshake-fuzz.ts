/**
 * Requests that were changed at random, on live connections: the gateway must answer or end each in time, stay what it was,
 * and send its backend nothing but correct requests. The small size is in `npm test`, the large one in the soak.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { randomChunks, seeded } from "../harness/sequences.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { startStrictBackend } from "./strict-backend.ts";

export interface FuzzResult {
	readonly inputs: number;
	/** Inputs by the first status they were answered with; `none` = the connection just ended. */
	readonly statuses: Readonly<Record<string, number>>;
	/** Requests, and opening handshakes among them, that the backend read. */
	readonly requests: number;
	readonly handshakes: number;
	/** What the backend must never have been sent. */
	readonly breaches: readonly string[];
	/** Inputs whose connection did not end. */
	readonly hung: readonly string[];
	/** Answers to clients, and log lines: there is one for each. */
	readonly answers: number;
	readonly lines: number;
	readonly open: number;
	readonly errors: readonly string[];
	readonly heapBefore: number;
	readonly heapAfter: number;
	readonly seconds: number;
}

const SEEDS = [
	"GET /ws/room?id=1 HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nCookie: a=1; session=x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
	"GET / HTTP/1.1\r\nhost: gateway.test:8080\r\nconnection: keep-alive, Upgrade, X-Hop\r\nupgrade: WebSocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\nX-Hop: 1\r\n\r\n\u0081\u0085\u0001\u0002\u0003\u0004abcde",
	"POST /poll HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nhello world",
	"POST /poll HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
	"DELETE /x/../y HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
	"GET /h2c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n",
];

/** What stands anywhere. */
const PIECES = [
	"\r\n",
	"\r",
	"\n",
	"\0",
	" ",
	"\t",
	":",
	",",
	"\r\n\r\n",
	"\r\n ",
	"%2e%2e/",
	"%00",
	"\\",
	"#",
	"//",
	"/./",
	"\u00ff",
];
/** What stands between two lines. */
const LINES = [
	"Content-Length: 3",
	"Content-Length: 0",
	"Content-Length: 11",
	"Transfer-Encoding: chunked",
	"Transfer-Encoding: gzip",
	"Transfer-Encoding : chunked",
	"transfer-encoding:\tchunked",
	"Host: evil.test",
	"Upgrade: h2c",
	"Upgrade: websocket",
	"Connection: close",
	"Connection: upgrade",
	"Connection: Host, X-Forwarded-For, Sec-WebSocket-Key, Content-Length, Transfer-Encoding",
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
	"Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Version: 8",
	"Sec-WebSocket-Protocol: another",
	"X-Forwarded-For: 6.6.6.6",
	"X_Forwarded_For: 6.6.6.6",
	"X-Real-IP: 6.6.6.6",
	"X-Request-Id: a\tb",
	"Content_Length: 5",
	"Expect: 100-continue",
	"Trailer: X",
	"TE: trailers",
	"0",
	"",
	"GET /smuggled HTTP/1.1\r\nHost: x\r\n",
	"POST http://evil.test/ HTTP/1.1",
	`X-Long: ${"x".repeat(3_000)}`,
];

const HANGS_AFTER_MS = 10_000;

export async function fuzzHandshakes(inputs: number, options: { warmUp: number; seed?: number }): Promise<FuzzResult> {
	const random = seeded(options.seed ?? 1);
	const backend = await startStrictBackend();
	const port = await freePort();
	const folder = mkdtempSync(join(tmpdir(), "clawgate-fuzz-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const file = join(folder, "routes.yaml");
	writeFileSync(
		file,
		`
log: { level: info }
shutdown: { drain: { timeout: 2s, spread: 0s } }
listeners: [{ address: "127.0.0.1:${port}", timeouts: { request_headers: 500ms } }]
upstreams: { app: { endpoints: ["${backend.url}"] } }
routes: [{ match: { path_prefix: / }, upstream: app, timeouts: { handshake: 2s, idle: 2s, close: 300ms } }]
`,
	);
	const gateway = GatewayProcess.start(file);
	await until(() => accepts(port), { timeout: 15_000, what: "the gateway to listen" });

	const statuses: Record<string, number> = {};
	const hung: string[] = [];
	let answers = 0;
	const run = async (count: number): Promise<void> => {
		let left = count;
		const worker = async (): Promise<void> => {
			while (left-- > 0) {
				const input = mutated(random);
				const seen = await send(port, input, random);
				answers += seen.answers;
				const status = seen.status ?? "none";
				statuses[status] = (statuses[status] ?? 0) + 1;
				if (seen.hung) hung.push(JSON.stringify(input.toString("latin1")));
			}
		};
		await Promise.all(Array.from({ length: 128 }, worker));
		await until(() => gateway.open === 0, { timeout: 20_000, what: "every tunnel to end" });
	};
	await run(options.warmUp);
	const heapBefore = await gateway.heap();
	const startedAt = performance.now();
	await run(inputs);
	const seconds = (performance.now() - startedAt) / 1000;
	const heapAfter = await gateway.heap();
	const { opened, rejected, http, open, errors } = gateway;
	await gateway.stop();
	await backend.close();
	return {
		inputs,
		statuses,
		requests: backend.requests(),
		handshakes: backend.handshakes(),
		breaches: backend.breaches,
		hung,
		answers,
		lines: opened + rejected + http,
		open,
		errors,
		heapBefore,
		heapAfter,
		seconds,
	};
}

/** One request with a few changes: most leave it a request. */
function mutated(random: () => number): Buffer {
	const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
	let bytes = Buffer.from(pick(SEEDS), "latin1");
	while (random() < 0.55) {
		const at = Math.floor(random() * bytes.length);
		const lineStart = bytes.lastIndexOf("\n", at) + 1;
		const draw = random();
		if (draw < 0.55) bytes = splice(bytes, lineStart, Buffer.from(`${pick(LINES)}\r\n`, "latin1"));
		else if (draw < 0.65) bytes = splice(bytes, at, Buffer.from(pick(PIECES), "latin1"));
		else if (draw < 0.73) bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
		else if (draw < 0.8) bytes[at] = Math.floor(random() * 256);
		else if (draw < 0.88) bytes = splice(bytes, at, Buffer.alloc(0), 1 + Math.floor(random() * 12));
		else if (draw < 0.96) bytes = splice(bytes, lineStart, bytes.subarray(at, at + Math.floor(random() * 60)));
		else bytes = splice(bytes, at, Buffer.alloc(0), bytes.length);
		if (bytes.length === 0) bytes = Buffer.from("G");
	}
	return bytes;
}

/** Puts `piece` at `at`, in the place of `removed` bytes. */
function splice(bytes: Buffer, at: number, piece: Buffer, removed = 0): Buffer<ArrayBuffer> {
	return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + removed)]);
}

interface Seen {
	/** Of the first answer. */
	readonly status: string | undefined;
	/** Final answers, the 101 included. */
	readonly answers: number;
	readonly hung: boolean;
}

/** Sends one input; ends its side soon after, or when it is answered, or waits for the gateway to. */
function send(port: number, input: Buffer, random: () => number): Promise<Seen> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: "127.0.0.1", noDelay: true });
		let text = "";
		let status: string | undefined;
		let hung = false;
		const timer = setTimeout(() => {
			hung = true;
			socket.destroy();
		}, HANGS_AFTER_MS);
		const leaves = random() < 0.5;
		socket.on("error", () => undefined);
		socket.on("connect", () => {
			for (const chunk of random() < 0.3 ? randomChunks(input, random) : [input]) socket.write(chunk);
			// Some leave soon: the many heads that never end do not all wait for their time, and answers find nobody.
			if (leaves) setTimeout(() => socket.end(), 250 + random() * 200);
		});
		socket.on("data", (chunk: Buffer) => {
			text += chunk.toString("latin1");
			status ??= /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
			if (text.includes("HTTP/1.1 101 ")) socket.resetAndDestroy();
			else if (/HTTP\/1\.1 (?!100)\d{3} /.test(text)) socket.end();
		});
		socket.on("close", () => {
			clearTimeout(timer);
			const answers = [...text.matchAll(/(?:^|ok|\n)HTTP\/1\.1 (?!100)\d{3} /g)].length;
			resolve({ status, answers, hung });
		});
	});
}
