/** Keys from a JWKS URL (RFC 7517): fetched when needed, kept while they are fresh, and the last good ones for as long as it fails. */
import type { KeyObject } from "node:crypto";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from "jose";
import { GatewayError } from "../errors.ts";
import { challenge } from "./bearer.ts";
import { withoutSecrets } from "./http-url.ts";
import type { Notice } from "./notice.ts";

export interface JwksOptions {
	readonly url: string;
	/** Keys older than this are fetched anew before they are used, ms. */
	readonly maxAge: number;
	/** The least time between two fetches, ms: tokens with invented key ids cannot make more. */
	readonly cooldown: number;
	/** For one fetch, ms. */
	readonly timeout: number;
}

export interface JwksDeps {
	/** Monotonic, ms. */
	readonly clock: () => number;
	readonly notice: Notice;
	/** Aborts when the gateway stops. */
	readonly signal: AbortSignal;
	/** Finds the addresses of host names; Node's own when absent. */
	readonly lookup?: LookupFunction | undefined;
}

type Lookup = ReturnType<typeof createLocalJWKSet>;
type Key = Awaited<ReturnType<Lookup>> | KeyObject;

/** Far above any real key set. */
const MAX_BYTES = 256 * 1024;

/** The keys of one URL. Lives across reloads, so that a reload fetches nothing and loses nothing. */
export class JwksSource {
	readonly #deps: JwksDeps;
	#options: JwksOptions;
	#lookup: Lookup | undefined;
	#loadedAt = 0;
	#triedAt = Number.NEGATIVE_INFINITY;
	#loading: Promise<void> | undefined;
	#failing = false;

	constructor(options: JwksOptions, deps: JwksDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	/** Takes over the times of a new configuration. */
	configure(options: JwksOptions): void {
		this.#options = options;
	}

	/**
	 * The key for a token's header. A key id that nobody knows makes it look for new keys.
	 * @throws GatewayError JWKS_UNAVAILABLE when there are no keys at all
	 * @throws jose's errors for a header that fits no key, or several
	 */
	async key(header: JWSHeaderParameters): Promise<Key> {
		if (this.#lookup === undefined || this.#deps.clock() - this.#loadedAt > this.#options.maxAge) await this.#load();
		if (this.#lookup === undefined) throw new GatewayError("JWKS_UNAVAILABLE", undefined, { headers: challenge() });
		try {
			return await this.#lookup(header);
		} catch (error) {
			if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
			const before = this.#lookup;
			await this.#load();
			if (this.#lookup === before) throw error;
			return await this.#lookup(header);
		}
	}

	/** One fetch at a time, not more often than the cooldown allows. Never rejects. */
	async #load(): Promise<void> {
		if (this.#loading === undefined) {
			if (this.#deps.clock() - this.#triedAt < this.#options.cooldown) return;
			this.#triedAt = this.#deps.clock();
			this.#loading = this.#fetch().finally(() => {
				this.#loading = undefined;
			});
		}
		await this.#loading;
	}

	async #fetch(): Promise<void> {
		const { url, timeout } = this.#options;
		const { clock, notice, signal, lookup } = this.#deps;
		try {
			const stop = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
			this.#lookup = createLocalJWKSet(await fetchKeySet(url, stop, lookup));
			this.#loadedAt = clock();
			if (this.#failing) notice("info", "jwks.available", { url: withoutSecrets(url) });
			this.#failing = false;
		} catch (error) {
			if (signal.aborted) return;
			if (!this.#failing) {
				notice("warn", "jwks.unavailable", {
					url: withoutSecrets(url),
					message: `${reasonOf(error)}; ${this.#lookup ? "the last good keys are kept" : "no token can be checked"}`,
				});
			}
			this.#failing = true;
		}
	}
}

/** Node's own client and not `fetch`, which cannot be told how to find addresses. A redirect is not followed: it could lead from https to anywhere. */
async function fetchKeySet(
	url: string,
	signal: AbortSignal,
	lookup: LookupFunction | undefined,
): Promise<JSONWebKeySet> {
	const response = await get(url, signal, lookup);
	try {
		const status = response.statusCode as number;
		if (status < 200 || status > 299) throw new Error(`the answer has status ${status}`);
		const chunks: Buffer[] = [];
		let bytes = 0;
		for await (const chunk of response as AsyncIterable<Buffer>) {
			bytes += chunk.length;
			if (bytes > MAX_BYTES) throw new Error("the answer is larger than 256 KiB");
			chunks.push(chunk);
		}
		return JSON.parse(Buffer.concat(chunks).toString("utf8")) as JSONWebKeySet;
	} finally {
		response.destroy();
	}
}

function get(url: string, signal: AbortSignal, lookup: LookupFunction | undefined): Promise<IncomingMessage> {
	return new Promise((resolve, reject) => {
		const request = new URL(url).protocol === "https:" ? requestHttps : requestHttp;
		request(url, {
			agent: false,
			signal,
			headers: { Accept: "application/jwk-set+json, application/json" },
			...(lookup && { lookup }),
		})
			.on("error", reject)
			.on("response", resolve)
			.on("upgrade", (_response, socket) => {
				socket.destroy();
				reject(new Error("the answer has status 101"));
			})
			.end();
	});
}

/** What an operator can act on. */
function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	if (error instanceof SyntaxError) return "the answer is not JSON";
	if (error.name === "AbortError" || error.name === "TimeoutError") return "no answer in time";
	const first = error instanceof AggregateError ? error.errors[0] : error;
	return first.message;
}
