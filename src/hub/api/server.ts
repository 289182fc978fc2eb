/** `hub_api`: the HTTP server for backends, as Centrifugo's server API speaks. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { HubError } from "../errors.ts";
import type { Hub } from "../hub.ts";
import { jsonText, rawElements, rawMembers } from "../raw-json.ts";
import { errorBody, type NodeInfo, OPERATIONS, type OperationResult } from "./operations.ts";

/** Bytes of one request. */
const MAX_BODY = 16 * 1024 * 1024;
/** Commands of one `batch`. */
const MOST_COMMANDS = 1_000;

export interface HubApiParts {
	/** By name. */
	readonly hubs: () => ReadonlyMap<string, Hub>;
	/** Names by the SHA-256 of their keys, in hex; undefined: whoever reaches the address may. */
	readonly keys: () => ReadonlyMap<string, string> | undefined;
	readonly node: () => NodeInfo;
	/** An operation was carried out, or refused. */
	readonly log: (entry: HubApiEntry) => void;
	/** Something failed that should not have. */
	readonly failed: (error: unknown) => void;
}

/** What the log says of a request. */
export interface HubApiEntry {
	readonly operation: string;
	readonly caller: string | undefined;
	readonly status: number;
	/** In words, when it was refused. */
	readonly message?: string | undefined;
}

/** Answers requests of backends. */
export class HubApi {
	readonly #parts: HubApiParts;

	constructor(parts: HubApiParts) {
		this.#parts = parts;
	}

	/** Never rejects. */
	async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		request.on("error", ignoreError);
		response.on("error", ignoreError);
		const { pathname, searchParams } = splitTarget(request.url ?? "/");
		const operation = /^\/api\/([a-z_]+)\/?$/.exec(pathname)?.[1] ?? "";
		let caller: string | undefined;
		let status = 200;
		let message: string | undefined;
		let answer: OperationResult;
		try {
			if (operation !== "batch" && !OPERATIONS.has(operation))
				throw new Refusal(404, `there is no ${pathname.slice(0, 128)}`);
			if (request.method !== "POST") throw new Refusal(405, "use POST");
			caller = this.#caller(request, searchParams);
			const text = await readBody(request);
			const params = parseObject(text);
			answer =
				operation === "batch"
					? await this.#batch(params, text, caller, searchParams.get("hub"))
					: { result: await this.#run(operation, params, text, caller, searchParams.get("hub")) };
		} catch (error) {
			({ status, message } = this.#describe(error));
			answer = { error: error instanceof HubError ? errorBody(error) : { code: status, message } };
		}
		this.#parts.log({ operation, caller, status, message });
		if (response.destroyed) return;
		const body = Buffer.from(jsonText(answer));
		// The rest of a body that was not read must not be taken for the next request.
		const headers = request.complete ? {} : { Connection: "close" };
		response.writeHead(status, { ...headers, "Content-Type": "application/json", "Content-Length": body.length });
		response.end(body);
	}

	/** @throws Refusal 401 */
	#caller({ headers }: IncomingMessage, query: URLSearchParams): string | undefined {
		const keys = this.#parts.keys();
		if (keys === undefined) return undefined;
		const authorization = /^apikey +(.+)$/i.exec(headers.authorization ?? "")?.[1];
		const header = headers["x-api-key"];
		const given = (typeof header === "string" ? header : undefined) ?? authorization ?? query.get("api_key") ?? "";
		const digest = createHash("sha256").update(given).digest();
		for (const [hex, name] of keys) if (timingSafeEqual(digest, Buffer.from(hex, "hex"))) return name;
		throw new Refusal(401, "send a key of hub_api.keys_file as X-API-Key");
	}

	async #run(
		operation: string,
		params: Readonly<Record<string, unknown>>,
		text: string,
		caller: string | undefined,
		hubName: string | null,
	): Promise<OperationResult> {
		const run = OPERATIONS.get(operation);
		if (!run) throw new HubError("UNKNOWN_METHOD", `unknown operation ${operation.slice(0, 128)}`);
		let members: ReadonlyMap<string, string> | undefined;
		const raw = (member: string): string | undefined => {
			members ??= rawMembers(text);
			return members.get(member);
		};
		return await run(params, { hub: this.#hub(params.hub ?? hubName), caller, raw, node: this.#parts.node() });
	}

	/** Centrifugo's `batch`: each command has an answer of its own. */
	async #batch(
		{ commands, parallel }: Readonly<Record<string, unknown>>,
		text: string,
		caller: string | undefined,
		hubName: string | null,
	): Promise<OperationResult> {
		if (!Array.isArray(commands)) throw new HubError("BAD_REQUEST", "commands is a list");
		if (commands.length > MOST_COMMANDS) throw new HubError("LIMIT_EXCEEDED", `at most ${MOST_COMMANDS} commands`);
		const texts = rawElements(rawMembers(text).get("commands") as string);
		const one = async (command: unknown, index: number): Promise<OperationResult> => {
			try {
				if (typeof command !== "object" || command === null || Array.isArray(command)) {
					throw new HubError("BAD_REQUEST", "a command is an object: { operation: parameters }");
				}
				const [operation] = Object.keys(command);
				if (operation === undefined) throw new HubError("BAD_REQUEST", "the command is empty");
				const raw = rawMembers(texts[index] as string).get(operation) as string;
				return { [operation]: await this.#run(operation, parseObject(raw), raw, caller, hubName) };
			} catch (error) {
				return { error: errorBody(error) };
			}
		};
		if (parallel === true) return { replies: await Promise.all(commands.map(one)) };
		const replies: OperationResult[] = [];
		for (const [index, command] of commands.entries()) replies.push(await one(command, index));
		return { replies };
	}

	/** The hub that is meant; where there is only one it need not be named. */
	#hub(name: unknown): Hub {
		const hubs = this.#parts.hubs();
		if (typeof name === "string") {
			const hub = hubs.get(name);
			if (hub) return hub;
			throw new HubError("BAD_REQUEST", `there is no hub ${name.slice(0, 128)}`);
		}
		const [only] = hubs.values();
		if (only && hubs.size === 1) return only;
		throw new HubError("BAD_REQUEST", `hub is missing: one of ${[...hubs.keys()].join(", ")}`);
	}

	#describe(error: unknown): { status: number; message: string } {
		if (error instanceof Refusal) return { status: error.status, message: error.message };
		if (error instanceof HubError) {
			// Libraries read the error from the body; what is away is a status too, so that proxies and probes see it.
			return { status: error.code === "ENGINE_UNAVAILABLE" ? 503 : 200, message: `${error.code}: ${error.message}` };
		}
		this.#parts.failed(error);
		return { status: 500, message: "an error inside the gateway; its log has the details" };
	}
}

/** A request that is no operation. */
class Refusal extends Error {
	readonly status: number;

	constructor(status: number, message: string) {
		super(message);
		this.status = status;
	}
}

/** Path and query of a request's target; whatever a client sends there, it is never thrown at. */
function splitTarget(target: string): { readonly pathname: string; readonly searchParams: URLSearchParams } {
	const mark = target.indexOf("?");
	if (mark < 0) return { pathname: target, searchParams: new URLSearchParams() };
	return { pathname: target.slice(0, mark), searchParams: new URLSearchParams(target.slice(mark + 1)) };
}

function readBody(request: IncomingMessage): Promise<string> {
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = [];
		let size = 0;
		request.on("data", (chunk: Buffer) => {
			size += chunk.length;
			if (size > MAX_BODY) {
				request.pause();
				reject(new Refusal(413, `a request has at most ${MAX_BODY} bytes`));
			} else chunks.push(chunk);
		});
		request.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
		request.once("close", () => reject(new Refusal(400, "the request broke off")));
	});
}

/** @throws HubError BAD_REQUEST */
function parseObject(text: string): Readonly<Record<string, unknown>> {
	if (text.trim() === "") return {};
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw new HubError("BAD_REQUEST", "the body is not JSON");
	}
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		throw new HubError("BAD_REQUEST", "the body is not a JSON object");
	}
	return value as Record<string, unknown>;
}

function ignoreError(): void {
	// `close` tells whoever waits.
}
