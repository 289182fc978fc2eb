/** A gateway with one guarded route in front of a backend that keeps what reaches it. */
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { startTestGateway, type TestGateway, type TestGatewayOptions } from "./gateway.ts";
import { connectRaw, type HandshakeOptions, type RawClient, type RawClientOptions } from "./raw-client.ts";
import type { Head } from "./raw-peer.ts";
import { startWsBackend } from "./ws-backend.ts";

export interface GuardedOptions extends TestGatewayOptions {
	/** Further top-level keys, each on a line of its own. */
	top?: string;
	handleProtocols?: (protocols: Set<string>) => string | false;
}

export interface UpgradeOptions extends HandshakeOptions, Omit<RawClientOptions, "port" | "host" | "timeout"> {}

export interface Answer {
	readonly head: Head;
	readonly body: string;
}

export interface Guarded {
	readonly gateway: TestGateway;
	/** Every request that reached the backend, handshakes and plain HTTP alike. */
	readonly seen: IncomingMessage[];
	readonly sockets: WebSocket[];
	/** Does an opening handshake; the answer may be anything. */
	upgrade(target?: string, options?: UpgradeOptions): Promise<RawClient & { head: Head }>;
	/** Does a plain HTTP request. `method` defaults to GET. */
	http(
		target?: string,
		options?: Pick<UpgradeOptions, "headers" | "host" | "method" | "localAddress">,
	): Promise<Answer>;
}

/** @param route the route's further keys, indented by three tabs */
export async function startGuarded(route: string, options: GuardedOptions = {}): Promise<Guarded> {
	const { top = "", handleProtocols, ...gatewayOptions } = options;
	const seen: IncomingMessage[] = [];
	const backend = await startWsBackend({
		onRequest: (request, response) => {
			seen.push(request);
			response.end("from the backend");
		},
		...(handleProtocols ? { handleProtocols } : {}),
	});
	backend.server.on("upgrade", (request: IncomingMessage) => seen.push(request));
	const gateway = await startTestGateway(
		[
			'listeners: [{ address: "127.0.0.1:0" }]',
			...top.split("\n").map((line) => line.trim()),
			`upstreams: { app: { endpoints: ["${backend.url}"] } }`,
			"routes:",
			"  - name: app",
			"    upstream: app",
			...route.split("\n").map((line) => `    ${line.trim()}`),
		].join("\n"),
		gatewayOptions,
	);
	return {
		gateway,
		seen,
		sockets: backend.sockets,
		upgrade: async (target = "/", { localAddress, autoClose, allowHalfOpen, tls, ...handshake } = {}) => {
			const client = await connectRaw({
				port: gateway.port,
				...(localAddress === undefined ? {} : { localAddress }),
				...(autoClose === undefined ? {} : { autoClose }),
			});
			return Object.assign(client, { head: await client.handshake(target, handshake) });
		},
		http: async (target = "/", { headers = {}, host = "gateway.test", method = "GET", localAddress } = {}) => {
			const client = await connectRaw({ port: gateway.port, ...(localAddress === undefined ? {} : { localAddress }) });
			const lines = Object.entries(headers).flatMap(([name, value]) =>
				[value].flat().map((one) => `${name}: ${one}\r\n`),
			);
			client.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("")}Connection: close\r\n\r\n`);
			const head = await client.readHead();
			return { head, body: method === "HEAD" ? "" : await client.readBody(head) };
		},
	};
}
