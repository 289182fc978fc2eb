/** Outlier detection and circuit breaker of one upstream, as attempts see them: told of each outcome once. */
import { clientKey } from "../../protocol/client-key.ts";
import { Breaker, type BreakerConfig, breakerRules, type Trial } from "../breaker.ts";
import { capacityRules } from "../capacity.ts";
import type { EligibilityRule } from "../eligible.ts";
import type { Endpoint } from "../endpoint.ts";
import { type OutlierConfig, OutlierDetection, type OutlierParts } from "../outlier.ts";
import type { EndpointNews } from "../shared.ts";
import { becameAvailable } from "../slow-start.ts";
import { noteOutcome } from "./failing.ts";
import type { Verdict } from "./verdict.ts";

/** A tunnel that the backend drops without a Close sooner than this after the 101 is a failure of the endpoint. In ms. */
export const EARLY_END = 1_000;

const DROPPED_EARLY = "dropped without a Close in the first second";

export interface ProtectionConfig {
	readonly outlier_detection?: OutlierConfig | undefined;
	readonly circuit_breaker?: BreakerConfig | undefined;
}

/** Lives as long as its snapshot; what it knows is in the endpoints' states. */
export class Protection {
	/** Which endpoints may be used. */
	readonly rules: readonly EligibilityRule[];
	/** Milliseconds, monotonic. */
	readonly now: () => number;
	readonly #parts: OutlierParts;
	readonly #outlier: OutlierDetection | undefined;
	readonly #breaker: BreakerConfig | undefined;

	constructor(config: ProtectionConfig, parts: OutlierParts) {
		this.#parts = parts;
		this.now = parts.now;
		this.#outlier = config.outlier_detection && new OutlierDetection(config.outlier_detection, parts);
		this.#breaker = config.circuit_breaker;
		this.rules = [
			...(this.#outlier === undefined ? [] : [this.#outlier.rule]),
			...(this.#breaker === undefined ? [] : breakerRules()),
			...capacityRules(parts.endpoints, this.#breaker),
		];
	}

	/**
	 * An attempt begins; to be judged once.
	 * @param client the client's address; without one, each attempt counts as another client's
	 */
	begin(endpoint: Endpoint, client?: string): Judgement {
		return new Judgement(
			this,
			endpoint,
			client,
			this.#breaker && this.#breakerOf(endpoint, this.#breaker).begin(this.#breaker),
		);
	}

	/** Takes over what another worker decided. */
	learn(endpoint: Endpoint, news: EndpointNews): void {
		if (news.kind === "ejected") this.#outlier?.learn(endpoint, news);
		else if (this.#breaker) this.#breakerOf(endpoint, this.#breaker).learn(news);
	}

	/** For {@link Judgement} only. */
	judged({ endpoint, trial, client }: Judgement, verdict: Verdict): void {
		const { breaker } = endpoint.state;
		noteOutcome(endpoint.state, verdict);
		switch (verdict.kind) {
			case "success":
				this.#outlier?.accepted(endpoint);
				breaker?.succeeded(trial);
				break;
			case "failure":
				if (this.#outlier || breaker) {
					const by = verdict.provoked && client !== undefined ? clientKey(client) : undefined;
					this.#outlier?.failed(endpoint, verdict.reason, by);
					breaker?.failed(trial, verdict.reason, by);
				}
				break;
			case "neutral":
				breaker?.abandoned(trial);
		}
	}

	/** The backend dropped a tunnel before {@link EARLY_END}. For the breaker it is a failed handshake besides. */
	endedEarly({ endpoint, client }: Judgement): void {
		const by = client === undefined ? undefined : clientKey(client);
		this.#outlier?.endedEarly(endpoint, DROPPED_EARLY, by);
		endpoint.state.breaker?.failed(undefined, DROPPED_EARLY, by);
	}

	/** A tunnel outlived {@link EARLY_END}, or was closed properly. */
	survived(endpoint: Endpoint): void {
		this.#outlier?.survived(endpoint);
	}

	#breakerOf(endpoint: Endpoint, options: BreakerConfig): Breaker {
		const { upstream, notice, now, shared } = this.#parts;
		endpoint.state.breaker ??= new Breaker(options, {
			upstream,
			endpoint: endpoint.id,
			notice,
			now,
			closed: () => becameAvailable(endpoint, now()),
			decided: (change) => shared?.breakerChanged({ kind: "breaker", upstream, endpoint: endpoint.id, ...change }),
		});
		return endpoint.state.breaker;
	}
}

/** One attempt in the eyes of outlier detection and circuit breaker. */
export class Judgement {
	readonly endpoint: Endpoint;
	/** The client's address. */
	readonly client: string | undefined;
	/** Set when the attempt is the trial of a half-open breaker: it should go on when its client leaves. */
	readonly trial: Trial | undefined;
	readonly #protection: Protection;
	#open = true;

	constructor(protection: Protection, endpoint: Endpoint, client: string | undefined, trial: Trial | undefined) {
		this.#protection = protection;
		this.endpoint = endpoint;
		this.client = client;
		this.trial = trial;
	}

	/** How it ended; the first word counts. */
	settle(verdict: Verdict): void {
		if (!this.#open) return;
		this.#open = false;
		this.#protection.judged(this, verdict);
	}
}
