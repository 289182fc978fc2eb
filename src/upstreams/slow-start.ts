/**
 * `load_balancing.slow_start`: an endpoint that became available gets its share of new connections little by little, so
 * that a fresh process with cold caches is not given everything at once.
 *
 * Available became: an endpoint that is new in an upstream which was there before, one whose `state` went back to `ready`
 * (or whose weight is no longer 0), one that its probes found healthy, one whose ejection is over, and one whose breaker
 * closed. The endpoints of an upstream that is new itself, as all are when the process starts, have their full weight
 * from the beginning: when all are equally new, a smaller weight for each would change nothing.
 */
import { finiteDuration } from "../options.ts";
import type { Endpoint } from "./endpoint.ts";

/** The part of its weight that an endpoint begins with. */
const FIRST_SHARE = 0.1;

/** The option `load_balancing.slow_start`, in milliseconds. */
export const slowStartOption = finiteDuration
	.refine((ms) => ms > 0 && ms < 2 ** 31, { error: "has to be longer than 0, at most 596h" })
	.optional()
	.meta({
		description:
			"An endpoint that became available (new in the file, healthy again, ejection over, breaker closed, `state` back to ready) starts with a tenth of its weight, which grows evenly to the whole over this time; off by default.",
	});

/** To be called by whoever makes an endpoint available again. `now` is the gateway's clock. */
export function becameAvailable(endpoint: Pick<Endpoint, "state">, now: number): void {
	endpoint.state.availableSince = now;
}

/** The weight that counts now, for an upstream with `slow_start` of so many ms. */
export function slowStartWeight(slowStart: number, now: () => number): (endpoint: Endpoint) => number {
	return ({ weight, state }) => {
		const age = now() - state.availableSince;
		if (age >= slowStart) return weight;
		return weight * (FIRST_SHARE + ((1 - FIRST_SHARE) * Math.max(0, age)) / slowStart);
	};
}

/**
 * Notices what a new snapshot changes about an endpoint's service.
 *
 * @param fresh whether its upstream is new too
 */
export function noteService(endpoint: Pick<Endpoint, "mode" | "weight" | "state">, fresh: boolean, now: number): void {
	const { state } = endpoint;
	const before = state.inService;
	state.inService = endpoint.mode === "ready" && endpoint.weight > 0;
	if (state.inService && (before === false || (before === undefined && !fresh))) becameAvailable(endpoint, now);
}
