/**
 * `circuit_breaker`: limits for each endpoint, and a breaker (opossum) that stops sending it handshakes while too large a
 * part of them fails. The same failures count as for outlier detection, and those that a request can bring about count once
 * in `window` for each client address, from the second address on.
 *
 * opossum is told the outcome of an attempt when it is known instead of being wrapped around the dial. It counts a call
 * when it begins, takes an error that its filter lets pass for a success, and lets whatever ends during half-open decide;
 * told outcomes, it never hears of a client that left, and only the trial itself decides a trial.
 */
import CircuitBreaker from "opossum";
import { z } from "zod";
import type { DepartureSignal } from "../departure.ts";
import { finiteDuration, percent } from "../options.ts";
import type { Notice } from "./attempts/notice.ts";
import type { EligibilityRule } from "./eligible.ts";

const time = finiteDuration.refine((ms) => ms > 0 && ms < 2 ** 31, { error: "has to be longer than 0, at most 596h" });
const count = z.int().min(1).max(100_000_000);

/** The option `circuit_breaker` of an upstream. */
export const breakerOptions = z.strictObject({
	error_threshold: percent
		.refine((value) => value > 0 && value <= 100, { error: "has to be above 0%, at most 100%" })
		.prefault("50%")
		.meta({
			description:
				"The breaker opens when at least this part of an endpoint's handshakes failed. Failures that a request can bring about (all but connections that cannot be made) count once in `window` for each client address, and only when two addresses at least meet them.",
		}),
	minimum_handshakes: count
		.prefault(10)
		.meta({ description: "It does not open before so many handshakes with the endpoint ended within `window`." }),
	window: time
		.refine((ms) => ms >= 100, { error: "has to be at least 100ms" })
		.prefault("10s")
		.meta({ description: "How long a handshake counts." }),
	reset_timeout: time.prefault("10s").meta({
		description:
			"After this time an open breaker is half-open: one handshake is let through, and how it ends closes the breaker or opens it again.",
	}),
	max_connections: count.optional().meta({
		description:
			"Connections of each endpoint, those being opened included; at the limit the endpoint is passed over, and when all are, the client gets 503 with Retry-After. Off by default.",
	}),
	max_pending_handshakes: count.optional().meta({
		description: "Handshakes under way with each endpoint at once; as above at the limit. Off by default.",
	}),
});

export type BreakerConfig = z.output<typeof breakerOptions>;

export type BreakerState = "closed" | "half_open" | "open";

/** The handshake that decides about a half-open breaker. */
export interface Trial {
	/** Aborted only when the endpoint or the process goes: a trial outlives its client. */
	readonly signal: DepartureSignal;
}

/** What a breaker decided; open: for so many ms. */
export type BreakerChange = { readonly state: "open"; readonly ms: number } | { readonly state: "closed" };

export interface BreakerParts {
	readonly upstream: string;
	/** The endpoint's id. */
	readonly endpoint: string;
	readonly notice: Notice;
	/** Milliseconds, monotonic. */
	readonly now: () => number;
	/** Called when the breaker closed. */
	readonly closed: () => void;
	/** Called when outcomes of this process opened or closed it, for the other workers. */
	readonly decided: (change: BreakerChange) => void;
}

type Circuit = CircuitBreaker<[failure: string | undefined], void>;

/** More clients that fail at once need not be told apart. */
const MOST_CLIENTS = 1_000;
const BUCKETS = 10;
/** opossum opens above its threshold, this one at it. */
const JUST_BELOW = 1e-9;

/** The breaker of one endpoint. It outlives reloads, and takes over changed options where it stands. */
export class Breaker {
	readonly #parts: BreakerParts;
	#options: BreakerConfig;
	#circuit: Circuit;
	#trial: AbortController | undefined;
	/** Opened by another worker, who tells of it. */
	#follows = false;
	/** Clients whose requests failed in the present window, and when that began. */
	readonly #failing = new Set<string>();
	#failingSince = 0;
	/** Whose request failed the last trial. */
	#lastTrialBy: string | undefined;
	/** What the failure that is being told was. */
	#failure = "";

	constructor(options: BreakerConfig, parts: BreakerParts) {
		this.#options = options;
		this.#parts = parts;
		this.#circuit = this.#make("closed");
	}

	get state(): BreakerState {
		if (this.#circuit.closed) return "closed";
		return this.#circuit.halfOpen ? "half_open" : "open";
	}

	/** Whether a trial is under way. */
	get onTrial(): boolean {
		return this.#trial !== undefined;
	}

	/**
	 * An attempt begins.
	 *
	 * @returns the trial, if this attempt is the one
	 */
	begin(options: BreakerConfig): Trial | undefined {
		if (options !== this.#options) this.#configure(options);
		if (this.#trial !== undefined || !this.#circuit.halfOpen) return undefined;
		this.#trial = new AbortController();
		return this.#trial;
	}

	/** The endpoint accepted the handshake. */
	succeeded(trial: Trial | undefined): void {
		if (this.#decides(trial)) this.#tell(undefined);
	}

	/**
	 * The handshake failed; `reason` in a word.
	 * @param client whose request it was, when that can be the cause
	 */
	failed(trial: Trial | undefined, reason: string, client: string | undefined): void {
		if (!this.#decides(trial)) return;
		if (trial === undefined) {
			for (let count = this.#countFor(client); count > 0; count--) this.#tell(reason);
		} else if (client !== undefined && client === this.#lastTrialBy) {
			// One client must not keep it open by failing every trial: somebody else's decides.
			this.abandoned(trial);
		} else {
			this.#lastTrialBy = client;
			this.#tell(reason);
		}
	}

	/** The attempt ended and says nothing about the endpoint: after a trial the next attempt is the trial. */
	abandoned(trial: Trial | undefined): void {
		if (trial !== undefined && trial === this.#trial) this.#trial = undefined;
	}

	/** Takes over what another worker's breaker decided, without a word. */
	learn(change: BreakerChange): void {
		if (this.#circuit.isShutdown || this.state === change.state) return;
		this.#trial = undefined;
		if (change.state === "open") {
			this.#follows = true;
			this.#replace(this.#make("open", undefined, change.ms));
		} else {
			this.#replace(this.#make("closed"));
			this.#parts.closed();
		}
	}

	/** Ends timers and a trial under way; the endpoint is gone. */
	shutDown(): void {
		this.#circuit.shutdown();
		this.#trial?.abort();
		this.#trial = undefined;
	}

	/** The first client that fails counts when there is a second one. */
	#countFor(client: string | undefined): number {
		if (client === undefined) return 1;
		const now = this.#parts.now();
		if (now - this.#failingSince > this.#options.window) {
			this.#failing.clear();
			this.#failingSince = now;
		}
		if (this.#failing.has(client)) return 0;
		if (this.#failing.size < MOST_CLIENTS) this.#failing.add(client);
		const { size } = this.#failing;
		return size === 1 ? 0 : size === 2 ? 2 : 1;
	}

	/** While closed every outcome counts, half-open only the trial's, open none: those are stragglers. */
	#decides(trial: Trial | undefined): boolean {
		if (this.#circuit.isShutdown) return false;
		if (this.#circuit.closed) return true;
		return trial !== undefined && trial === this.#trial;
	}

	#tell(failure: string | undefined): void {
		const trial = this.#trial;
		this.#failure = failure ?? "";
		const told = (): void => this.abandoned(trial);
		// A failure rejects here as well; it was the attempt's to report.
		this.#circuit.fire(failure).then(told, told);
	}

	#configure(options: BreakerConfig): void {
		const before = this.#options;
		this.#options = options;
		const same =
			before.error_threshold === options.error_threshold &&
			before.minimum_handshakes === options.minimum_handshakes &&
			before.window === options.window &&
			before.reset_timeout === options.reset_timeout;
		if (!same && !this.#circuit.isShutdown) this.#replace(this.#make(this.state, this.#circuit.stats));
	}

	#replace(circuit: Circuit): void {
		this.#circuit.shutdown();
		this.#circuit = circuit;
	}

	/** @param openFor ms until an open one is half-open */
	#make(state: BreakerState, stats?: CircuitBreaker.Stats, openFor?: number): Circuit {
		const { error_threshold, minimum_handshakes, window, reset_timeout } = this.#options;
		const counting = {
			rollingCountTimeout: window,
			rollingCountBuckets: BUCKETS,
			rollingPercentilesEnabled: false,
			enableSnapshots: false,
		};
		const settings = {
			...counting,
			name: `${this.#parts.upstream} ${this.#parts.endpoint}`,
			timeout: false as const,
			resetTimeout: openFor ?? reset_timeout,
			errorThresholdPercentage: error_threshold - JUST_BELOW,
			volumeThreshold: minimum_handshakes,
			// An open one begins its time anew; it does not say so again.
			state: { closed: state === "closed", halfOpen: state === "half_open" },
			...(stats && { status: CircuitBreaker.newStatus({ ...counting, stats }) }),
		};
		const circuit: Circuit = new CircuitBreaker(settle, settings);
		circuit.on("open", () => this.#opened(circuit.stats));
		circuit.on("halfOpen", () => this.#halfOpened(openFor !== undefined));
		circuit.on("close", () => this.#closed());
		return circuit;
	}

	#opened({ fires, failures }: CircuitBreaker.Stats): void {
		this.#follows = false;
		this.#parts.decided({ state: "open", ms: this.#options.reset_timeout });
		const rate = Math.round((failures / fires) * 100);
		const reset = { reset_ms: this.#options.reset_timeout };
		if (this.#trial !== undefined) {
			this.#notice("warn", "breaker.open", { reason: `the trial failed: ${this.#failure}`, ...reset });
			return;
		}
		this.#notice("warn", "breaker.open", {
			reason: `${rate}% of ${fires} handshakes failed, the last one: ${this.#failure}`,
			failure_rate: rate,
			handshakes: fires,
			...reset,
		});
	}

	#halfOpened(ownTime: boolean): void {
		// A trial that fails opens it for the configured time, not for the rest of another's.
		if (ownTime) this.#replace(this.#make("half_open"));
		if (!this.#follows) this.#notice("info", "breaker.half_open", { reason: "reset_timeout is over" });
	}

	#closed(): void {
		this.#trial = undefined;
		this.#lastTrialBy = undefined;
		this.#failing.clear();
		// What failed before it opened is not held against the endpoint a second time.
		this.#replace(this.#make("closed"));
		this.#notice("info", "breaker.closed", { reason: "the trial succeeded" });
		this.#parts.decided({ state: "closed" });
		this.#parts.closed();
	}

	#notice(level: "info" | "warn", event: Parameters<Notice>[1], fields: Record<string, unknown>): void {
		const { upstream, endpoint, notice } = this.#parts;
		notice(level, event, { upstream, endpoint, ...fields });
	}
}

/** The action of every circuit. To throw at once makes opossum open at once, not some turns of the loop later. */
function settle(failure: string | undefined): Promise<void> {
	if (failure !== undefined) throw new Error(failure);
	return Promise.resolve();
}

/** The rules of an upstream with `circuit_breaker`, apart from its limits. */
export function breakerRules(): EligibilityRule[] {
	return [
		{ reason: "breaker open", allows: ({ state }) => state.breaker?.state !== "open" },
		{ reason: "breaker half-open, its trial is under way", allows: ({ state }) => state.breaker?.onTrial !== true },
	];
}
