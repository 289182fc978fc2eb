/** A raw client: sends what the test says, reads what comes. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { onTestFinished } from "vitest";
import type { FrameOptions } from "./frames.ts";
import { within } from "./poll.ts";
import { acceptFor, type Head, RawPeer } from "./raw-peer.ts";

export interface RawClientOptions {
	port: number;
	host?: string;
	/** Speaks TLS; certificates are not checked unless asked. */
	tls?: ConnectionOptions | boolean;
	/** Keeps the sending side open after the gateway's FIN; default true, so that tests decide. */
	allowHalfOpen?: boolean;
	/** The address the connection comes from, such as 127.0.0.2. */
	localAddress?: string;
	/** Destroyed at the end of the test; default true. Soak tests do it themselves. */
	autoClose?: boolean;
}

export interface HandshakeOptions {
	/** Further headers, in order. */
	headers?: Record<string, string | string[]>;
	host?: string;
	subprotocols?: string[];
	/** Bytes sent with the head in one write. */
	early?: Buffer;
	method?: string;
	version?: string;
	timeout?: number;
}

/** A raw client's connection. */
export class RawClient extends RawPeer {
	/** The Sec-WebSocket-Key sent last. */
	key = "";

	/** Sends an opening handshake and returns the answer's head, whatever it is. */
	async handshake(target = "/", options: HandshakeOptions = {}): Promise<Head> {
		this.write(
			Buffer.concat([Buffer.from(this.handshakeHead(target, options), "latin1"), options.early ?? Buffer.alloc(0)]),
		);
		return this.readHead(options.timeout);
	}

	/** Does an opening handshake and fails unless the answer is a valid 101. */
	async open(target = "/", options: HandshakeOptions = {}): Promise<Head> {
		const head = await this.handshake(target, options);
		if (head.status !== 101) throw new Error(`expected a 101, got: ${head.raw}${this.unread.toString()}`);
		if (head.header("sec-websocket-accept") !== acceptFor(this.key)) throw new Error(`wrong Accept: ${head.raw}`);
		return head;
	}

	/** The bytes of a correct opening handshake (RFC 6455 §4.1). */
	handshakeHead(target = "/", options: HandshakeOptions = {}): string {
		this.key = randomBytes(16).toString("base64");
		const lines = [
			`${options.method ?? "GET"} ${target} HTTP/1.1`,
			`Host: ${options.host ?? "gateway.test"}`,
			"Upgrade: websocket",
			"Connection: Upgrade",
			`Sec-WebSocket-Key: ${this.key}`,
			`Sec-WebSocket-Version: ${options.version ?? "13"}`,
		];
		if (options.subprotocols) lines.push(`Sec-WebSocket-Protocol: ${options.subprotocols.join(", ")}`);
		for (const [name, value] of Object.entries(options.headers ?? {})) {
			for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
		}
		return `${lines.join("\r\n")}\r\n\r\n`;
	}

	/** Sends a frame, masked as a client must unless told otherwise. */
	override sendFrame(opcode: number, payload: Buffer | string = "", options: FrameOptions = {}): void {
		super.sendFrame(opcode, payload, { mask: true, ...options });
	}

	/** Sends a masked Close frame. */
	override sendClose(code?: number, reason = "", options: FrameOptions = {}): void {
		super.sendClose(code, reason, { mask: true, ...options });
	}
}

/** Connects; destroyed by itself at the end of the test. */
export async function connectRaw(options: RawClientOptions): Promise<RawClient> {
	const target = {
		port: options.port,
		host: options.host ?? "127.0.0.1",
		allowHalfOpen: options.allowHalfOpen ?? true,
		...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
	};
	const tls = options.tls === true ? {} : options.tls;
	const tcp = connect(target);
	tcp.setNoDelay(true);
	if (tls) tcp.on("error", () => {});
	const socket = tls ? connectTls({ rejectUnauthorized: false, ...tls, socket: tcp }) : tcp;
	const client = new RawClient(socket, tcp);
	if (options.autoClose !== false) onTestFinished(() => void tcp.destroy());
	await within(once(socket, tls ? "secureConnect" : "connect"), { what: `a connection to port ${options.port}` });
	return client;
}

/** Connects and does an opening handshake that has to succeed. */
export async function openRaw(
	port: number,
	target = "/",
	options: HandshakeOptions & Omit<RawClientOptions, "port" | "host"> = {},
): Promise<RawClient & { head: Head }> {
	const { tls, allowHalfOpen, localAddress, autoClose, ...handshake } = options;
	const client = await connectRaw({
		port,
		...(tls === undefined ? {} : { tls }),
		...(allowHalfOpen === undefined ? {} : { allowHalfOpen }),
		...(localAddress === undefined ? {} : { localAddress }),
		...(autoClose === undefined ? {} : { autoClose }),
	});
	const head = await client.open(target, handshake);
	return Object.assign(client, { head });
}
