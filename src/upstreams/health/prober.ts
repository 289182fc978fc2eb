/** Probes one endpoint again and again, one probe at a time. */
import type { LookupFunction } from "node:net";
import type { Endpoint, EndpointAddress } from "../endpoint.ts";
import type { TlsConnectOptions } from "../tls.ts";
import { type HealthCheckConfig, PROBES } from "./index.ts";
import { BadStatus, failureWords, type Probe } from "./probe.ts";
import { badAnswer, type ProbeAnswer, type ProbeTrial } from "./trial.ts";
import { countProbe, forgetHealth } from "./verdict.ts";

/** An endpoint's health changed. */
export interface HealthChange {
	readonly health: "healthy" | "unhealthy";
	/** What the deciding probe saw, in words. */
	readonly reason: string;
	/** Probes in a row that said so. */
	readonly probes: number;
}

export interface ProberDeps {
	/** Milliseconds, monotonic. */
	readonly clock: () => number;
	/** A number in [0, 1). */
	readonly random: () => number;
	readonly onChange: (change: HealthChange) => void;
	/** What an answer counts as; undefined: nothing yet. By default only a good one is good. */
	readonly judge?: ((answer: ProbeAnswer, status: number | undefined) => ReturnType<ProbeTrial["take"]>) | undefined;
	/** `maint` has begun: nothing is known any more. */
	readonly onForgotten?: (() => void) | undefined;
	/** Finds the addresses of a host name. */
	readonly lookup?: LookupFunction | undefined;
	/** Any 101 of a websocket probe counts. */
	readonly lenient?: boolean | undefined;
	/** Sent before anything else on each connection: a PROXY protocol header. */
	readonly preamble?: Buffer | undefined;
	/** Asks; by default the kind of the options. */
	readonly probe?: Probe | undefined;
}

/**
 * The first probe starts at once, the second after a random part of the interval, so that the endpoints of a large
 * upstream are not all asked at the same moment; then one each interval, counted from start to start. A jitter only
 * shortens a wait and a probe never takes longer than the interval, so a failing endpoint is found out within
 * `interval × unhealthy_threshold + timeout`.
 */
export class Prober {
	readonly #options: HealthCheckConfig;
	readonly #deps: ProberDeps;
	readonly #probe: Probe;
	#endpoint: Endpoint;
	#tls: TlsConnectOptions | undefined;
	/** Of the present or last probe: what it has open ends with it. */
	#attempt: AbortController | undefined;
	#concluded = true;
	#startedAt = 0;
	#first = true;
	#inMaint = false;
	#next: NodeJS.Timeout | undefined;
	#limit: NodeJS.Timeout | undefined;
	#lastChance: NodeJS.Immediate | undefined;

	constructor(options: HealthCheckConfig, endpoint: Endpoint, tls: TlsConnectOptions | undefined, deps: ProberDeps) {
		this.#options = options;
		this.#deps = deps;
		this.#probe = deps.probe ?? PROBES[options.type];
		this.#endpoint = endpoint;
		this.#tls = tls;
		this.#start();
	}

	/** The same endpoint, in a new snapshot or with another mode: timers and state go on, unless `maint` begins or ends. */
	update(endpoint: Endpoint, tls: TlsConnectOptions | undefined): void {
		this.#endpoint = endpoint;
		this.#tls = tls;
		if ((endpoint.mode === "maint") !== this.#inMaint) this.#start();
	}

	/** Leaves no timer and no socket behind. */
	stop(): void {
		clearTimeout(this.#next);
		clearTimeout(this.#limit);
		clearImmediate(this.#lastChance);
		this.#concluded = true;
		this.#attempt?.abort();
	}

	#start(): void {
		this.stop();
		this.#startedAt = this.#deps.clock();
		this.#inMaint = this.#endpoint.mode === "maint";
		if (this.#inMaint) {
			// Somebody works on it: what it answers means nothing, and afterwards it is like a new one.
			const known = this.#endpoint.state.health !== "unknown";
			forgetHealth(this.#endpoint.state);
			if (known) this.#deps.onForgotten?.();
			this.#scheduleNext();
			return;
		}
		const { timeout, interval, port, path, host, headers, subprotocol } = this.#options;
		const { expected_statuses: expectedStatuses } = this.#options;
		const attempt = new AbortController();
		this.#attempt = attempt;
		this.#concluded = false;
		const limit = Math.min(timeout, interval);
		this.#limit = setTimeout(() => {
			// When the process was busy, the answer may wait in the socket: one more turn of the event loop reads it.
			this.#lastChance = setImmediate(() => {
				this.#conclude(attempt, "none", `no answer within ${durationWords(limit)}`);
				attempt.abort();
			});
		}, limit);
		const address = probedAddress(this.#endpoint.address, port);
		const { lookup, lenient, preamble } = this.#deps;
		const question = { path, host, headers, subprotocol, expectedStatuses };
		this.#probe({ address, tls: this.#tls, lookup, lenient, preamble, ...question }, attempt.signal).then(
			(words) => this.#conclude(attempt, "good", words),
			(error: unknown) => {
				const status = error instanceof BadStatus ? error.status : undefined;
				this.#conclude(attempt, badAnswer(status), failureWords(error, address), status);
			},
		);
	}

	/** Only the first word about a probe counts. */
	#conclude(attempt: AbortController, answer: ProbeAnswer, words: string, status?: number): void {
		if (this.#attempt !== attempt || this.#concluded) return;
		this.#concluded = true;
		this.#scheduleNext();
		const { judge } = this.#deps;
		const verdict = judge ? judge(answer, status) : answer === "good" ? "good" : "failed";
		if (verdict === undefined) return;
		const { state } = this.#endpoint;
		const healthy = verdict !== "failed";
		const health = countProbe(state, healthy, this.#options);
		const reason = verdict === "alive" ? `probe refused: ${status}` : words;
		if (health !== undefined || (healthy && state.health === "healthy")) {
			state.healthReason = reason;
			state.probeRefused = verdict === "alive";
		}
		if (health === undefined) return;
		this.#deps.onChange({ health, reason, probes: healthy ? state.probeSuccesses : state.probeFailures });
	}

	#scheduleNext(): void {
		const { interval, jitter } = this.#options;
		const wait = interval * (this.#first ? this.#deps.random() : 1 - (jitter / 100) * this.#deps.random());
		this.#first = false;
		const due = this.#startedAt + wait - this.#deps.clock();
		this.#next = setTimeout(() => this.#start(), Math.max(0, due));
	}
}

/** Where a probe goes: the endpoint, or another port of its host. */
function probedAddress(address: EndpointAddress, port: number | undefined): EndpointAddress {
	if (port === undefined || address.socketPath !== undefined) return address;
	const host = address.host.includes(":") ? `[${address.host}]` : address.host;
	return { ...address, port, authority: port === (address.secure ? 443 : 80) ? host : `${host}:${port}` };
}

function durationWords(ms: number): string {
	return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
