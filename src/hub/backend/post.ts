/** Requests of a hub to its backend, over connections that are kept. */
import { type Agent, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";

export interface PostAgents {
	readonly http: Agent;
	readonly https: Agent;
	/** How host names are looked up; undefined: as Node does. */
	readonly lookup?: LookupFunction | undefined;
}

/** There is no answer. */
export class PostError extends Error {
	/** Whether the request may have reached the server. */
	readonly delivered: boolean;

	constructor(error: Error, delivered: boolean) {
		super(error.message, { cause: error });
		this.delivered = delivered;
	}
}

export interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly body: Buffer;
}

export interface PostOptions {
	readonly method: "POST" | "OPTIONS";
	readonly headers: Readonly<Record<string, string | number>>;
	readonly body?: Buffer | undefined;
	/** For the whole exchange, ms. */
	readonly timeout: number;
	/** Bytes of the answer's body. */
	readonly maxBytes: number;
	readonly agents: PostAgents;
	/** Gives it up. */
	readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request and reads the whole answer.
 * @throws PostError in words: no connection, no answer in time, too long an answer
 */
export function post(
	url: URL,
	{ method, headers, body, timeout, maxBytes, agents, signal }: PostOptions,
): Promise<Answer> {
	const secure = url.protocol === "https:";
	return new Promise((resolve, reject) => {
		const request = (secure ? httpsRequest : httpRequest)(url, {
			method,
			headers: { ...headers, "Content-Length": body?.length ?? 0 },
			agent: secure ? agents.https : agents.http,
			...(agents.lookup && { lookup: agents.lookup }),
			...(signal && { signal }),
		});
		let connected = false;
		request.on("socket", (socket) => {
			if (!socket.connecting) connected = true;
			else socket.once(secure ? "secureConnect" : "connect", () => (connected = true));
		});
		const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout);
		const fail = (error: Error): void => {
			clearTimeout(deadline);
			// A server that closes an idle connection does not read what comes over it.
			const stale = request.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
			reject(new PostError(error, connected && !stale));
		};
		request.on("error", fail);
		request.on("upgrade", (_response, socket) => {
			socket.destroy();
			fail(new Error("it answered 101"));
		});
		request.on("response", (response) => {
			const chunks: Buffer[] = [];
			let size = 0;
			response.on("error", fail);
			response.on("data", (chunk: Buffer) => {
				size += chunk.length;
				if (size > maxBytes) request.destroy(new Error(`the answer is longer than ${maxBytes} bytes`));
				else chunks.push(chunk);
			});
			response.on("end", () => {
				clearTimeout(deadline);
				resolve({ status: response.statusCode as number, headers: response.headers, body: Buffer.concat(chunks) });
			});
		});
		request.end(body);
	});
}
