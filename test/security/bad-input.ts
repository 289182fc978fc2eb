/**
 * What holds for every bad input (shared by all tests of this folder): the gateway goes on, the client is answered or cut
 * off in time, nothing of it reaches a backend, and it leaves exactly one log line.
 */
import { expect } from "vitest";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import type { LogRecord } from "../harness/log-lines.ts";
import { until } from "../harness/poll.ts";
import {
	type RawBackend,
	readRequest,
	type Script,
	startRawBackend,
	switchingProtocols,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

/** What a client can keep waiting is given this long (`timeouts` of {@link startTarget}), and a slow machine more. */
const TIMEOUT = 500;
const SLACK = 7_500;
/** A backend that answers has more than a busy machine ever takes. */
const BACKEND_TIMEOUT = "10s";

export interface TargetOptions {
	/** Listener keys, each as YAML text that follows a comma. */
	listener?: string;
	/** Route keys as a YAML flow mapping's content that follows a comma. */
	route?: string;
	/** Further top-level keys. */
	top?: string;
	tls?: boolean;
	script?: Script;
	/** `timeouts.handshake`, where a test waits for it. */
	handshake?: string;
}

export interface Target {
	readonly gateway: TestGateway;
	readonly backend: RawBackend;
	readonly tls: boolean;
}

/** Accepts handshakes politely and answers plain HTTP requests without a body. */
export const anyBackend: Script = async (peer) => {
	const request = await readRequest(peer);
	if (request.header("upgrade")?.toLowerCase() !== "websocket") {
		const body = `saw ${request.startLine}`;
		const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
		peer.write(Buffer.from(answer, "latin1"));
		peer.end();
		return;
	}
	peer.write(switchingProtocols(request));
	if (peer.ending === "fin") peer.end();
	peer.socket.on("end", () => peer.end());
};

/** A gateway with short times in front of one backend. */
export async function startTarget(options: TargetOptions = {}): Promise<Target> {
	const backend = await startRawBackend(options.script ?? anyBackend);
	const gateway = await startTestGateway(`
		listeners:
			- address: "127.0.0.1:0"
				timeouts: { request_headers: ${TIMEOUT}ms, tls_handshake: ${TIMEOUT}ms }
				${options.tls ? "tls: { self_signed: [localhost] }" : ""}
				${options.listener ?? ""}
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: ${BACKEND_TIMEOUT}, handshake: ${options.handshake ?? BACKEND_TIMEOUT}, close: ${TIMEOUT}ms }
				retries: { attempts: 1 }
				${options.route ?? ""}
		${options.top ?? ""}
	`);
	return { gateway, backend, tls: options.tls ?? false };
}

/** What is sent: bytes, or a client's actions. It must not end its side by itself, unless that is the bad input. */
export type Sending = string | Buffer | ((client: RawClient) => void | Promise<void>);

export interface Expected {
	/** Status of the answer; "cut" = the connection ends without one. */
	status: number | "cut";
	/** Of the log line, and of the answer's one line. */
	code: string;
	/** Which log line it leaves; default `ws.reject`. */
	event?: "ws.reject" | "http.request";
	/** Status in the log; default that of the answer. */
	logged?: number;
	/** Bytes may have reached the backend; default false. */
	forwarded?: boolean;
	/** The client speaks plain TCP although the listener speaks TLS. */
	plain?: boolean;
}

/** Sends one bad input on a connection of its own and checks everything that has to hold. */
export async function expectHandled(target: Target, sending: Sending, expected: Expected): Promise<LogRecord> {
	const { gateway, backend } = target;
	const lines = (): LogRecord[] => gateway.logs.filter(({ event }) => LINES.has(event));
	const before = lines().length;
	const dialled = backend.connections.length;
	const client = await connectRaw({ port: gateway.port, ...(target.tls && !expected.plain ? { tls: true } : {}) });
	const startedAt = performance.now();
	if (typeof sending === "function") await sending(client);
	else client.write(sending);
	if (expected.status === "cut") {
		await client.ended(TIMEOUT + SLACK);
		expect(client.unread.toString("latin1")).not.toContain("HTTP/1.1");
	} else {
		const head = await client.readHead(TIMEOUT + SLACK);
		await expectRejection(client, head, expected.status, expected.code);
		expect(head.header("connection")?.toLowerCase()).toContain("close");
		await client.ended(TIMEOUT + SLACK);
		expect(client.unread.length).toBe(0);
	}
	expect(performance.now() - startedAt).toBeLessThan(TIMEOUT + SLACK);
	client.end();
	await until(() => client.closed, { what: "the connection to be closed on both sides" });

	const line = await until(() => lines()[before], { what: "a log line" });
	expect(line).toMatchObject({ event: expected.event ?? "ws.reject", code: expected.code });
	const status = expected.logged ?? (expected.status === "cut" ? undefined : expected.status);
	if (status !== undefined) expect(line.status).toBe(status);
	if (!expected.forwarded) expect(backend.connections.length).toBe(dialled);

	await expectAlive(target);
	// What it left is one line, also after all that came later: the one more is the good connection's.
	expect(lines().length - before).toBe(2);
	expect(gateway.lines.of("internal.error")).toEqual([]);
	return line;
}

const LINES = new Set(["ws.reject", "http.request", "ws.open"]);

/** A good connection still works. */
export async function expectAlive({ gateway, tls }: Target): Promise<void> {
	const client = await openRaw(gateway.port, "/", { tls });
	client.sendClose(1000);
	client.end();
	await until(() => gateway.handle.connectionCount() === 0, { what: "the good connection to end" });
}

/** The lines of a correct opening handshake, to be changed by a test. */
export const HANDSHAKE: Readonly<Record<string, string>> = {
	Host: "gateway.test",
	Upgrade: "websocket",
	Connection: "Upgrade",
	"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	"Sec-WebSocket-Version": "13",
};

export interface HeadOptions {
	/** Default `GET / HTTP/1.1`. */
	start?: string;
	/** Replace headers of the handshake; undefined takes one away. */
	change?: Readonly<Record<string, string | undefined>>;
	/** Raw lines added at the end. */
	extra?: readonly string[];
	/** What follows the empty line. */
	body?: string;
}

/** A head with its headers changed, as latin1 text. */
export function handshakeHead({ start = "GET / HTTP/1.1", change = {}, extra = [], body = "" }: HeadOptions): Buffer {
	const headers = { ...HANDSHAKE, ...change };
	const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
	return Buffer.from(`${[start, ...lines, ...extra].join("\r\n")}\r\n\r\n${body}`, "latin1");
}

/** The same as a plain HTTP request. */
export function plainHead({ start, change = {}, extra, body }: HeadOptions): Buffer {
	return handshakeHead({
		...(start === undefined ? {} : { start }),
		...(extra === undefined ? {} : { extra }),
		...(body === undefined ? {} : { body }),
		change: {
			Upgrade: undefined,
			Connection: undefined,
			"Sec-WebSocket-Key": undefined,
			"Sec-WebSocket-Version": undefined,
			...change,
		},
	});
}
