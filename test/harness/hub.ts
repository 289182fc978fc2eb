/** What tests of hubs share: tokens, clients, and what a backend sends and is sent. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Centrifuge, type Options } from "centrifuge";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { until } from "./poll.ts";
import { rawToken, SECRET } from "./tokens.ts";

/** A token of a user. */
export function hubToken(user: string, claims: Record<string, unknown> = {}): string {
	return rawToken({ alg: "HS256" }, { sub: user, ...claims }, SECRET);
}

/** A client of Centrifugo's; disconnected at the end of the test. */
export function sdk(url: string, options: Partial<Options> = {}): Centrifuge {
	const made = new Centrifuge(url, { websocket: WebSocket, minReconnectDelay: 20, maxReconnectDelay: 200, ...options });
	onTestFinished(() => made.disconnect());
	return made;
}

export interface PlainClient {
	readonly ws: WebSocket;
	readonly told: Record<string, unknown>[];
	/** The close code and reason, once it is closed. */
	readonly end: Promise<readonly [code: number, reason: string]>;
	send(message: unknown): void;
	/** The first message with these members. */
	wait(members: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** A plain WebSocket; gone at the end of the test. */
export async function plainClient(url: string): Promise<PlainClient> {
	const ws = new WebSocket(url);
	onTestFinished(() => ws.terminate());
	const told: Record<string, unknown>[] = [];
	ws.on("message", (data) => told.push(JSON.parse(String(data)) as Record<string, unknown>));
	const end = new Promise<readonly [number, string]>((resolve) => {
		ws.on("close", (code, reason) => resolve([code, reason.toString()]));
	});
	await new Promise((resolve, reject) => {
		ws.once("open", resolve);
		ws.once("error", reject);
	});
	const find = (members: Record<string, unknown>) =>
		told.find((message) => Object.entries(members).every(([name, value]) => message[name] === value));
	return {
		ws,
		told,
		end,
		send: (message) => ws.send(JSON.stringify(message)),
		wait: async (members) => {
			await until(() => find(members) !== undefined, { what: JSON.stringify(members) });
			return find(members) as Record<string, unknown>;
		},
	};
}

export interface HttpBackend {
	readonly url: string;
	readonly server: Server;
	/** Ends it, with its connections. */
	stop(): Promise<void>;
}

/** A real HTTP server on loopback that gets whole bodies; ended at the end of the test. */
export async function startHttpBackend(
	answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
	port = 0,
): Promise<HttpBackend> {
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => answer(request, Buffer.concat(chunks).toString("utf8"), response));
		request.on("error", () => {});
	});
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	const stop = (): Promise<void> =>
		new Promise((resolve) => {
			server.close(() => resolve());
			server.closeAllConnections();
		});
	onTestFinished(stop);
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, stop };
}
