/** Scripted raw backends: peers that accept, refuse, stay silent, reset, answer wrongly or slowly, to the byte. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createSecureContext, type SecureContextOptions, TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import { OPCODE } from "./frames.ts";
import { until } from "./poll.ts";
import { acceptFor, type Head, RawPeer } from "./raw-peer.ts";

/** One accepted connection of a raw backend. */
export class BackendPeer extends RawPeer {
	/** The request head, once read. */
	request: Head | undefined;

	/** Everything received after the request head, to the byte. */
	get after(): Buffer {
		return this.request ? this.all.subarray(this.request.raw.length) : Buffer.alloc(0);
	}
}

/** What a backend does with a connection. A failure (the gateway went away) only ends that connection. */
export type Script = (peer: BackendPeer, index: number) => void | Promise<void>;

export interface RawBackend {
	readonly port: number;
	/** `ws://127.0.0.1:port` */
	readonly url: string;
	/** `127.0.0.1:port`: the endpoint's name in log lines. */
	readonly id: string;
	/** Every connection so far, in order. */
	readonly connections: readonly BackendPeer[];
	/** The connection with this index (default the last one), once it is there. */
	connection(index?: number): Promise<BackendPeer>;
	/** Connections that the gateway has not ended (FIN or RST) yet. */
	openCount(): number;
	/** Stops listening and destroys every connection. */
	close(): Promise<void>;
}

export interface RawBackendOptions {
	port?: number;
	/** Speaks TLS with these options. */
	tls?: SecureContextOptions;
	/** Closed at the end of the test; default true. */
	autoClose?: boolean;
}

/** Starts a backend on a free loopback port; it closes itself at the end of the test. */
export async function startRawBackend(script: Script, options: RawBackendOptions = {}): Promise<RawBackend> {
	const connections: BackendPeer[] = [];
	const secureContext = options.tls && createSecureContext(options.tls);
	const server = createServer({ allowHalfOpen: true }, (tcp: Socket) => {
		tcp.setNoDelay(true);
		tcp.on("error", () => {});
		const socket = secureContext ? new TLSSocket(tcp, { isServer: true, secureContext }) : tcp;
		const peer = new BackendPeer(socket, tcp);
		connections.push(peer);
		run(script, peer, connections.length - 1).catch(() => tcp.destroy());
	});
	server.listen(options.port ?? 0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	let closed: Promise<void> | undefined;
	const close = (): Promise<void> => {
		closed ??= new Promise((resolve) => {
			server.close(() => resolve());
			for (const peer of connections) peer.tcp.destroy();
		});
		return closed;
	};
	if (options.autoClose !== false) onTestFinished(close);
	return {
		port,
		url: `${options.tls ? "wss" : "ws"}://127.0.0.1:${port}`,
		id: `127.0.0.1:${port}`,
		connections,
		connection: (index) =>
			until(() => connections[index ?? connections.length - 1], { what: "a connection at the backend" }),
		openCount: () => connections.filter((peer) => peer.ending === "open" && !peer.closed).length,
		close,
	};
}

async function run(script: Script, peer: BackendPeer, index: number): Promise<void> {
	await script(peer, index);
}

/** Reads the request head and remembers it. */
export async function readRequest(peer: BackendPeer): Promise<Head> {
	peer.request = await peer.readHead(60_000);
	return peer.request;
}

export interface AcceptOptions {
	subprotocol?: string;
	/** Further headers of the 101, in order. */
	headers?: Record<string, string>;
	/** Bytes sent with the 101 in one write. */
	early?: Buffer;
}

/** The bytes of a correct 101 for a request. */
export function switchingProtocols(request: Head, options: AcceptOptions = {}): string {
	const lines = [
		"HTTP/1.1 101 Switching Protocols",
		"Upgrade: websocket",
		"Connection: Upgrade",
		`Sec-WebSocket-Accept: ${acceptFor(request.header("sec-websocket-key") ?? "")}`,
	];
	if (options.subprotocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${options.subprotocol}`);
	for (const [name, value] of Object.entries(options.headers ?? {})) lines.push(`${name}: ${value}`);
	return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Answers a correct 101, then does what `then` says (default: nothing, but keeps recording). */
export function accepting(options: AcceptOptions = {}, then?: Script): Script {
	return async (peer, index) => {
		const request = await readRequest(peer);
		peer.write(Buffer.concat([Buffer.from(switchingProtocols(request, options)), options.early ?? Buffer.alloc(0)]));
		await then?.(peer, index);
	};
}

/** Answers a correct 101, records, and ends when the gateway ends. */
export function acceptingPolitely(options: AcceptOptions = {}): Script {
	return accepting(options, (peer) => {
		if (peer.ending === "fin") peer.end();
		peer.socket.on("end", () => peer.end());
	});
}

/** Answers a correct 101, then sends every byte back as it came (a client's frames stay masked). */
export function echoingBytes(options: AcceptOptions = {}): Script {
	return accepting(options, (peer) => {
		if (peer.unread.length > 0) peer.write(peer.unread);
		peer.socket.on("data", (chunk: Buffer) => peer.write(chunk));
		peer.socket.on("end", () => peer.end());
	});
}

/** Answers a correct 101, then sends each frame back unmasked, as a server's; ends after a Close (RFC 6455 §7.1.1). */
export function echoingFrames(options: AcceptOptions = {}): Script {
	return accepting(options, echoFrames);
}

/** Sends every frame back; a Close ends the connection. */
export async function echoFrames(peer: BackendPeer): Promise<void> {
	for (;;) {
		const next = await peer.readFrame(10 * 60_000);
		peer.sendFrame(next.opcode === OPCODE.ping ? OPCODE.pong : next.opcode, next.payload, {
			fin: next.fin,
			rsv: next.rsv,
		});
		if (next.opcode === OPCODE.close) return peer.end();
	}
}

/** Accepts the connection and never says anything. */
export const silent: Script = async (peer) => {
	await readRequest(peer);
};

/** Resets the connection as soon as it is there. */
export const resetOnAccept: Script = (peer) => peer.reset();

/** Resets the connection after the request head. */
export const resetAfterHead: Script = async (peer) => {
	await readRequest(peer);
	peer.reset();
};

/** Closes the connection (FIN) after the request head, without an answer. */
export const endAfterHead: Script = async (peer) => {
	await readRequest(peer);
	peer.end();
};

/** Answers with these bytes, or with what is made from the request, and keeps the connection open. */
export function answering(answer: string | Buffer | ((request: Head) => string | Buffer)): Script {
	return async (peer) => {
		const request = await readRequest(peer);
		peer.write(typeof answer === "function" ? answer(request) : answer);
	};
}

/** A 101 whose Sec-WebSocket-Accept belongs to another key. */
export const wrongAccept: Script = answering((request) =>
	switchingProtocols(request).replace(/Accept: .*\r\n/, `Accept: ${acceptFor("AAAAAAAAAAAAAAAAAAAAAA==")}\r\n`),
);

/** A 101 without an Upgrade header. */
export const missingUpgrade: Script = answering((request) =>
	switchingProtocols(request).replace("Upgrade: websocket\r\n", ""),
);

/** A 101 with a subprotocol that the client did not offer. */
export function unaskedSubprotocol(subprotocol = "not.offered"): Script {
	return answering((request) => switchingProtocols(request, { subprotocol }));
}

export interface RefusalOptions {
	headers?: Record<string, string>;
	body?: string;
}

/** Refuses the handshake with a status; the answer has a Content-Length and the connection is closed. */
export function refusing(status: number, options: RefusalOptions = {}): Script {
	return async (peer) => {
		await readRequest(peer);
		const body = options.body ?? "";
		const headers = { "Content-Length": String(Buffer.byteLength(body)), Connection: "close", ...options.headers };
		const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
		peer.write(`HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${body}`);
		peer.end();
	};
}

/** Answers a correct 101 one byte at a time, then sends frames back. */
export function acceptingSlowly(pauseMs = 1): Script {
	return async (peer) => {
		await peer.writeSlowly(switchingProtocols(await readRequest(peer)), pauseMs);
		await echoFrames(peer);
	};
}
