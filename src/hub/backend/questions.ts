/**
 * `backend.ask`: what clients do is put to a backend first, as Centrifugo's proxy requests. Each kind of question has a path
 * of its own under the URL. No answer is a refusal.
 */
import CircuitBreaker from "opossum";
import { z } from "zod";
import { finiteDuration } from "../../options.ts";
import { HubDisconnect, HubError } from "../errors.ts";
import type { BackendAnswer, ConnectAnswer, QuestionClient, Questions } from "../protocol.ts";
import { jsonText, RawJson, rawMembers } from "../raw-json.ts";
import { type Answer, type PostAgents, PostError, post } from "./post.ts";

const KINDS = ["connect", "subscribe", "publish", "rpc"] as const;
export type QuestionKind = (typeof KINDS)[number];

export const backendOptions = z.strictObject({
	url: z.url({ protocol: /^https?$/, error: "expected an http:// or https:// URL" }).meta({
		description: "Each kind of question is a POST to a path under it: `/connect`, `/subscribe`, `/publish`, `/rpc`.",
	}),
	ask: z
		.array(z.enum(KINDS))
		.min(1)
		.meta({ description: "What is put to the backend. `rpc` is how a client's message reaches a service." }),
	timeout: finiteDuration
		.refine((ms) => ms > 0, { error: "has to be longer than 0" })
		.prefault("2s")
		.meta({ description: "For one question as a whole. No answer is a refusal." }),
	retries: z.int().min(0).max(10).prefault(1).meta({
		description: "How often a question is asked again that could not be delivered, or was answered with 502 to 504.",
	}),
});

export type BackendConfig = z.output<typeof backendOptions>;

/** Questions of one hub that may be open at a time. */
const MOST_OPEN = 1_000;
/** Bytes of an answer. */
const MAX_ANSWER = 1024 * 1024;
/** The breaker: opens when half of at least so many questions within 10 s failed, for so long (ms). */
const MINIMUM = 10;
const RESET_MS = 5_000;
/** Codes that an application may give its own errors. */
const OWN_ERRORS = 400;

/** A refusal in the backend's own words. */
export class BackendRefusal extends HubError {
	override readonly number: number;

	constructor(number: number, message: string) {
		super("PERMISSION_DENIED", message);
		this.number = number;
	}
}

export interface QuestionParts {
	readonly agents: PostAgents;
	/** A question was answered, or not: in seconds. */
	readonly asked: (kind: QuestionKind, result: "ok" | "refused" | "failed", seconds: number) => void;
	/** The breaker opened or closed; with what was wrong. */
	readonly changed: (open: boolean, message: string) => void;
}

/** Puts questions to one hub's backend. */
export class HttpQuestions implements Questions {
	readonly asks: ReadonlySet<QuestionKind>;
	readonly #config: BackendConfig;
	readonly #parts: QuestionParts;
	readonly #circuit: CircuitBreaker<[QuestionKind, Buffer], Answer>;
	#open = 0;
	#lastFailure = "";

	constructor(config: BackendConfig, parts: QuestionParts) {
		this.asks = new Set(config.ask);
		this.#config = config;
		this.#parts = parts;
		this.#circuit = new CircuitBreaker((kind: QuestionKind, body: Buffer) => this.#send(kind, body), {
			timeout: false,
			errorThresholdPercentage: 50,
			volumeThreshold: MINIMUM,
			resetTimeout: RESET_MS,
		});
		this.#circuit.on("open", () => parts.changed(true, this.#lastFailure));
		this.#circuit.on("close", () => parts.changed(false, ""));
	}

	close(): void {
		this.#circuit.shutdown();
	}

	async connect(client: QuestionClient, data: Uint8Array | undefined): Promise<ConnectAnswer> {
		const { result, members } = await this.#ask("connect", client, { ...dataOf(client, data) });
		const { user, expire_at: expireAt, channels } = result;
		return {
			user: typeof user === "string" ? user : undefined,
			expiresAt: typeof expireAt === "number" && expireAt > 0 ? expireAt * 1000 : undefined,
			topics: Array.isArray(channels) ? channels.filter((each) => typeof each === "string") : undefined,
			info: bytesOf(result, members, "info"),
			data: bytesOf(result, members, "data"),
		};
	}

	async subscribe(client: QuestionClient, topic: string, data: Uint8Array | undefined): Promise<BackendAnswer> {
		const { result, members } = await this.#ask("subscribe", client, {
			user: client.user,
			channel: topic,
			...dataOf(client, data),
		});
		return { data: bytesOf(result, members, "data") };
	}

	async publish(client: QuestionClient, topic: string, data: Uint8Array): Promise<BackendAnswer> {
		const { result, members } = await this.#ask("publish", client, {
			user: client.user,
			channel: topic,
			...dataOf(client, data),
		});
		return { data: bytesOf(result, members, "data") };
	}

	async rpc(client: QuestionClient, method: string, data: Uint8Array | undefined): Promise<BackendAnswer> {
		const { result, members } = await this.#ask("rpc", client, { user: client.user, method, ...dataOf(client, data) });
		return { data: bytesOf(result, members, "data") };
	}

	/** @throws HubError a refusal; HubDisconnect */
	async #ask(kind: QuestionKind, client: QuestionClient, fields: Readonly<Record<string, unknown>>): Promise<Parsed> {
		if (this.#open >= MOST_OPEN) throw new HubError("TOO_MANY_REQUESTS", "too many questions wait for the backend");
		const body = Buffer.from(
			jsonText({
				client: client.id,
				transport: "websocket",
				protocol: client.json ? "json" : "protobuf",
				encoding: client.json ? "json" : "binary",
				...fields,
			}),
		);
		const startedAt = performance.now();
		let result: "ok" | "refused" | "failed" = "failed";
		this.#open++;
		try {
			const answer = await this.#circuit.fire(kind, body);
			result = "refused";
			const parsed = parseAnswer(answer.body);
			result = "ok";
			return parsed;
		} catch (error) {
			if (error instanceof HubError || error instanceof HubDisconnect) throw error;
			throw new HubError("INTERNAL", "the backend did not answer", { cause: error });
		} finally {
			this.#open--;
			this.#parts.asked(kind, result, (performance.now() - startedAt) / 1000);
		}
	}

	/** @throws Error when there is no usable answer */
	async #send(kind: QuestionKind, body: Buffer): Promise<Answer> {
		const { url, timeout, retries } = this.#config;
		const base = new URL(url);
		base.pathname = `${base.pathname.replace(/\/$/, "")}/${kind}`;
		const deadline = performance.now() + timeout;
		for (let tried = 0; ; tried++) {
			try {
				const answer = await post(base, {
					method: "POST",
					headers: { "Content-Type": "application/json", Accept: "application/json" },
					body,
					timeout: Math.max(1, deadline - performance.now()),
					maxBytes: MAX_ANSWER,
					agents: this.#parts.agents,
				});
				if (answer.status === 200) return answer;
				throw new UnusableAnswer(answer.status);
			} catch (error) {
				this.#lastFailure = `${base.origin}${base.pathname}: ${(error as Error).message}`;
				if (tried >= retries || !mayAskAgain(error) || performance.now() >= deadline) throw error;
			}
		}
	}
}

/** An answer with another status than 200. */
class UnusableAnswer extends Error {
	readonly status: number;

	constructor(status: number) {
		super(`status ${status}`);
		this.status = status;
	}
}

/** Whether the backend cannot have acted on it: what was sent twice would be done twice. */
function mayAskAgain(error: unknown): boolean {
	if (error instanceof UnusableAnswer) return error.status >= 502 && error.status <= 504;
	return error instanceof PostError && !error.delivered;
}

interface Parsed {
	readonly result: Readonly<Record<string, unknown>>;
	/** The texts of the result's members. */
	readonly members: ReadonlyMap<string, string>;
}

/** @throws BackendRefusal, HubDisconnect; HubError when it is not an answer */
function parseAnswer(body: Buffer): Parsed {
	const text = body.toString("utf8");
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw new HubError("INTERNAL", "the backend's answer is not JSON");
	}
	if (!isObject(value)) throw new HubError("INTERNAL", "the backend's answer is not a JSON object");
	const { error, disconnect, result } = value;
	if (isObject(disconnect)) {
		const { code, reason } = disconnect;
		const usable = typeof code === "number" && Number.isInteger(code) && code >= 3000 && code <= 4999;
		throw new HubDisconnect(usable ? code : 3503, typeof reason === "string" ? reason : "");
	}
	if (isObject(error)) {
		const { code, message } = error;
		const number =
			typeof code === "number" && Number.isInteger(code) && code >= 0 && code < 2 ** 32 ? code : OWN_ERRORS;
		throw new BackendRefusal(number, typeof message === "string" ? message : "refused");
	}
	if (!isObject(result)) return { result: {}, members: new Map() };
	return { result, members: rawMembers(rawMembers(text).get("result") as string) };
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `data` or `b64data` of a question. */
function dataOf({ json }: QuestionClient, data: Uint8Array | undefined): Readonly<Record<string, unknown>> {
	if (data === undefined) return {};
	return json
		? { data: new RawJson(Buffer.from(data).toString("utf8")) }
		: { b64data: Buffer.from(data).toString("base64") };
}

/** A member of an answer, or its base64 form. */
function bytesOf(result: Parsed["result"], members: Parsed["members"], name: string): Buffer | undefined {
	const coded = result[`b64${name}`];
	if (typeof coded === "string" && coded !== "") return Buffer.from(coded, "base64");
	const text = members.get(name);
	return text === undefined || text === "null" ? undefined : Buffer.from(text);
}
