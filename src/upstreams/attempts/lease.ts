/** A lease on an endpoint: the place of a handshake, then of its tunnel. The endpoint's counts change here and nowhere else. */
import type { Endpoint } from "../endpoint.ts";
import type { Permit } from "./permit.ts";
import { EARLY_END, type Judgement, type Protection } from "./protection.ts";

/** How a tunnel ended, as far as the backend is concerned: dropped by it without a Close, closed properly, or otherwise. */
export type TunnelEnd = "dropped" | "closed" | "other";

export class Lease {
	readonly endpoint: Endpoint;
	/** To be settled when it is known how the handshake ended. */
	readonly judgement: Judgement;
	readonly #protection: Protection;
	/** What the other workers granted. */
	readonly #permit: Permit | undefined;
	#phase: "pending" | "active" | "over" = "pending";
	#openedAt = 0;
	#probation: NodeJS.Timeout | undefined;

	/** A handshake begins. */
	constructor(protection: Protection, endpoint: Endpoint, permit?: Permit, client?: string) {
		this.#protection = protection;
		this.#permit = permit;
		this.endpoint = endpoint;
		endpoint.state.pending++;
		this.judgement = protection.begin(endpoint, client);
	}

	/** The handshake became a tunnel; {@link ended} has to follow. */
	opened(): void {
		if (this.#phase !== "pending") return;
		const { state } = this.endpoint;
		this.#phase = "active";
		state.pending--;
		state.active++;
		this.#permit?.opened();
		this.#openedAt = this.#protection.now();
		// Only a row of early ends has something that surviving would end.
		if (state.outlier.earlyEnds.count === 0) return;
		this.#probation = setTimeout(() => this.#protection.survived(this.endpoint), EARLY_END);
		this.#probation.unref();
	}

	/** The tunnel ended. */
	ended(end: TunnelEnd): void {
		if (this.#phase !== "active") return;
		this.#phase = "over";
		clearTimeout(this.#probation);
		this.endpoint.state.active--;
		this.#permit?.release();
		const early = this.#protection.now() - this.#openedAt < EARLY_END;
		if (!early || end === "closed") this.#protection.survived(this.endpoint);
		else if (end === "dropped") this.#protection.endedEarly(this.judgement);
	}

	/** Gives a handshake's place back that never became a tunnel. Afterwards, and for a tunnel, it does nothing. */
	release(): void {
		if (this.#phase !== "pending") return;
		this.#phase = "over";
		this.endpoint.state.pending--;
		this.#permit?.release();
	}
}
