/** Talks to the admin API of a running gateway. */
import { type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** Without a word from the gateway for this long, it is given up. */
const TIMEOUT_MS = 10_000;
/** More than any answer of the API. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Where the admin port is, and how to get in. */
export interface AdminTarget {
	/** For messages: `http://127.0.0.1:9090`, `unix:/run/admin.sock`. */
	readonly name: string;
	/** A sentence for messages: who says so. */
	readonly origin: string;
	readonly secure: boolean;
	readonly host: string;
	readonly port: number;
	readonly socketPath?: string | undefined;
	/** In front of every path; "" or `/prefix`. */
	readonly base: string;
	readonly token: string | undefined;
}

/** The gateway was not reached, or said no. The message is for the operator: what, and what to do. */
export class AdminError extends Error {
	override readonly name = "AdminError";
	/** The command line itself was at fault. */
	readonly usage: boolean;
	/** What the gateway answered, when it said no. */
	readonly answer: unknown;

	constructor(message: string, usage = false, answer?: unknown) {
		super(message);
		this.usage = usage;
		this.answer = answer;
	}
}

type Json = Readonly<Record<string, unknown>>;

export class AdminClient {
	readonly target: AdminTarget;
	/** Numbers of worker processes whose part was missing from an answer. */
	readonly missingWorkers = new Set<number>();
	/** How long an answer may take, ms. */
	readonly #timeout: number;

	constructor(target: AdminTarget, timeout = TIMEOUT_MS) {
		this.target = target;
		this.#timeout = timeout;
	}

	/** The same, for what takes the gateway so many ms. */
	withTimeout(timeout: number): AdminClient {
		return new AdminClient(this.target, timeout);
	}

	/** @throws AdminError */
	get<T>(path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> {
		return this.#ask("GET", path, query) as Promise<T>;
	}

	/** @throws AdminError */
	change<T>(
		method: "POST" | "PATCH" | "DELETE",
		path: string,
		body: Json = {},
		query: Readonly<Record<string, string | undefined>> = {},
	): Promise<T> {
		return this.#ask(method, path, query, body) as Promise<T>;
	}

	async #ask(
		method: string,
		path: string,
		query: Readonly<Record<string, string | undefined>>,
		body?: Json,
	): Promise<unknown> {
		const { status, text } = await this.#send(method, `/api/v1/${path}${queryText(query)}`, body);
		let answer: unknown;
		try {
			answer = JSON.parse(text);
		} catch {
			throw new AdminError(
				`${this.target.name} does not answer like a Clawgate admin port (status ${status}); is it that of admin.address?`,
			);
		}
		const { missing_workers = [] } = answer as { missing_workers?: readonly number[] };
		for (const worker of missing_workers) this.missingWorkers.add(worker);
		if (status < 400) return answer;
		throw this.#refused(status, answer);
	}

	#refused(status: number, answer: unknown): AdminError {
		const { code = "", message = "" } = (answer as { error?: { code?: string; message?: string } }).error ?? {};
		if (status === 401) {
			const why = this.target.token === undefined ? "wants a token" : "does not take this token";
			const what = "set CLAWGATE_ADMIN_TOKEN, or give --token, to the admin.token of its configuration";
			return new AdminError(`the admin port at ${this.target.name} ${why}; ${what}`);
		}
		return new AdminError(message === "" ? `the gateway answered ${status} ${code}` : message, status === 400, answer);
	}

	#send(method: string, path: string, body: Json | undefined): Promise<{ status: number; text: string }> {
		const { secure, host, port, socketPath, base, token } = this.target;
		const content = body === undefined ? undefined : JSON.stringify(body);
		const options: RequestOptions = {
			method,
			path: base + path,
			...(socketPath === undefined ? { host, port } : { socketPath }),
			agent: false,
			timeout: this.#timeout,
			headers: {
				...(socketPath !== undefined && { Host: "localhost" }),
				...(token !== undefined && { Authorization: `Bearer ${token}` }),
				...(content !== undefined && {
					"Content-Type": "application/json",
					"Content-Length": Buffer.byteLength(content),
				}),
			},
		};
		return new Promise((resolve, reject) => {
			const sent = (secure ? requestHttps : requestHttp)(options, (response) => {
				readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), failed);
			});
			const failed = (error: Error): void => reject(this.#unreachable(error));
			sent.on("timeout", () => sent.destroy(new Error(`no answer within ${this.#timeout / 1000} s`)));
			sent.on("error", failed);
			sent.end(content);
		});
	}

	#unreachable(error: NodeJS.ErrnoException): AdminError {
		const why = WORDS[error.code ?? ""] ?? error.message;
		return new AdminError(
			`cannot reach the gateway's admin port at ${this.target.name}: ${why}\n` +
				`${this.target.origin} Is the gateway running? --admin URL names another address, -c FILE takes it from a configuration.`,
		);
	}
}

const WORDS: Readonly<Record<string, string>> = {
	ECONNREFUSED: "nobody listens there",
	ENOTFOUND: "there is no such host",
	EAI_AGAIN: "the name cannot be looked up now",
	ENOENT: "there is no such socket",
	EACCES: "permission denied",
	ECONNRESET: "the connection was reset",
	EHOSTUNREACH: "there is no way to that host",
	ENETUNREACH: "there is no way to that network",
	ETIMEDOUT: "nobody answers there",
	EPROTO: "it does not speak TLS; try http://",
};

async function readAll(response: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of response as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString("utf8");
}

function queryText(query: Readonly<Record<string, string | undefined>>): string {
	const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
	return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}
