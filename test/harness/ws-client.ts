/** A client made with the `ws` library that keeps what it receives. */
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { until, within } from "./poll.ts";

export interface WsClient {
	readonly socket: WebSocket;
	/** Messages so far: text as string, binary as Buffer. */
	readonly messages: (string | Buffer)[];
	/** The close event, once there. */
	closed: { code: number; reason: string } | undefined;
	/** Next message that was not taken yet. */
	next(timeout?: number): Promise<string | Buffer>;
	/** Waits for the close event. */
	waitClosed(timeout?: number): Promise<{ code: number; reason: string }>;
}

/** Opens a WebSocket and fails when that fails; terminated at the end of the test. */
export async function openWs(url: string, subprotocols: string[] = [], options: ClientOptions = {}): Promise<WsClient> {
	const socket = new WebSocket(url, subprotocols, { rejectUnauthorized: false, ...options });
	const messages: (string | Buffer)[] = [];
	let taken = 0;
	const client: WsClient = {
		socket,
		messages,
		closed: undefined,
		next: async (timeout) => {
			const index = taken++;
			await until(() => messages.length > index || client.closed, {
				what: `message ${index}`,
				...(timeout === undefined ? {} : { timeout }),
			});
			const message = messages[index];
			if (message === undefined) throw new Error(`closed (${JSON.stringify(client.closed)}) before message ${index}`);
			return message;
		},
		waitClosed: (timeout) =>
			until(() => client.closed, { what: "the close event", ...(timeout === undefined ? {} : { timeout }) }),
	};
	onTestFinished(() => socket.terminate());
	socket.on("error", () => {});
	socket.on("message", (data: Buffer, isBinary) => messages.push(isBinary ? data : data.toString()));
	socket.on("close", (code, reason) => {
		client.closed = { code, reason: reason.toString() };
	});
	await within(once(socket, "open"), { what: `the WebSocket ${url} to open` });
	return client;
}
