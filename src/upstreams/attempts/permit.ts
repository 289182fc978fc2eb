/** What other workers have to agree to before an attempt: a place at the endpoint, and the trial of a half-open breaker. */
import type { GatewayRequest } from "../../protocol/request.ts";
import type { BreakerConfig } from "../breaker.ts";
import type { Candidates } from "../candidates.ts";
import { capacityOf, isOverload } from "../capacity.ts";
import { type EligibilityContext, ineligible } from "../eligible.ts";
import type { Endpoint } from "../endpoint.ts";
import type { EndpointName, SharedUpstreams } from "../shared.ts";

/** What was granted for one attempt. */
export class Permit {
	readonly #shared: SharedUpstreams;
	readonly #name: EndpointName;
	#place: "none" | "pending" | "active";
	#trial: number | undefined;

	/** @param counted whether a place was taken */
	constructor(shared: SharedUpstreams, name: EndpointName, counted: boolean, trial: number | undefined) {
		this.#shared = shared;
		this.#name = name;
		this.#place = counted ? "pending" : "none";
		this.#trial = trial;
	}

	/** The handshake became a tunnel. */
	opened(): void {
		if (this.#place === "pending") {
			this.#place = "active";
			this.#shared.opened(this.#name);
		}
		this.#endTrial();
	}

	/** The attempt, or its tunnel, is over: gives everything back. Afterwards it does nothing. */
	release(): void {
		if (this.#place !== "none") this.#shared.released(this.#name, this.#place === "pending");
		this.#place = "none";
		this.#endTrial();
	}

	#endTrial(): void {
		if (this.#trial !== undefined) this.#shared.trialOver(this.#name, this.#trial);
		this.#trial = undefined;
	}
}

/** The endpoint to try, with what was granted for it. */
export interface Permitted {
	/** Undefined when none is left. */
	readonly endpoint: Endpoint | undefined;
	/** Undefined when nothing had to be asked. Whoever has it releases it. */
	readonly permit: Permit | undefined;
	/** Whether an endpoint was passed over because the workers together have filled it. */
	readonly full: boolean;
}

/** Asks for the permits of one upstream with `circuit_breaker`, or with endpoints that have `max_connections`. */
export class Permits {
	readonly #shared: SharedUpstreams;
	readonly #upstream: string;
	readonly #breaker: BreakerConfig | undefined;
	readonly #context: EligibilityContext;

	constructor(
		shared: SharedUpstreams,
		upstream: string,
		breaker: BreakerConfig | undefined,
		context: EligibilityContext,
	) {
		this.#shared = shared;
		this.#upstream = upstream;
		this.#breaker = breaker;
		this.#context = context;
	}

	/**
	 * The next of `candidates` that may be tried. The others are passed over as if this worker had known why.
	 * @throws GatewayError LIMITS_UNAVAILABLE
	 */
	async next(candidates: Candidates, request: GatewayRequest): Promise<Permitted> {
		let full = false;
		for (;;) {
			const endpoint = candidates.next();
			if (endpoint === undefined) return { endpoint, permit: undefined, full };
			const permit = await this.#ask(endpoint, request);
			if (typeof permit !== "string") return { endpoint, permit, full };
			if (permit === "full") full = true;
		}
	}

	async #ask(endpoint: Endpoint, request: GatewayRequest): Promise<Permit | "full" | "passed over" | undefined> {
		const { max_connections, max_pending_handshakes } = capacityOf(endpoint, this.#breaker);
		const counted = request.websocket && (max_connections ?? max_pending_handshakes) !== undefined;
		const name = { upstream: this.#upstream, endpoint: endpoint.id };
		const limits = counted ? { max_connections, max_pending_handshakes } : {};
		for (;;) {
			const trial = halfOpen(endpoint);
			if (!counted && !trial) return undefined;
			const answer = await this.#shared.permit({ ...name, ...limits, trial });
			if ("refused" in answer) return answer.refused === "full" ? "full" : "passed over";
			const permit = new Permit(this.#shared, name, counted, answer.trial);
			// While it was asked for, the endpoint may have been ejected, or its breaker have changed.
			const reason = ineligible(endpoint, this.#context, true, request);
			if (reason === undefined && (trial || !halfOpen(endpoint))) return permit;
			permit.release();
			if (reason !== undefined) return isOverload(reason) ? "full" : "passed over";
		}
	}
}

function halfOpen({ state }: Endpoint): boolean {
	return state.breaker?.state === "half_open";
}
