/** Smooth weighted round robin, as nginx does it: heavy endpoints are spread over the cycle instead of coming in runs. */
import type { Endpoint } from "../endpoint.ts";
import type { PickContext } from "./policy.ts";

/**
 * Each endpoint gains its weight, the richest one is taken and pays the sum of all weights. Weights 5, 1, 1 give
 * a a b a c a a. The running value lives in the endpoint's state, so a reload goes on in the same cycle.
 */
export function smoothPick(endpoints: readonly Endpoint[], context: Pick<PickContext, "weight">): Endpoint | undefined {
	let total = 0;
	let best: Endpoint | undefined;
	for (const endpoint of endpoints) {
		const weight = context.weight(endpoint);
		if (weight <= 0) continue;
		total += weight;
		endpoint.state.currentWeight += weight;
		if (best === undefined || endpoint.state.currentWeight > best.state.currentWeight) best = endpoint;
	}
	if (best !== undefined) best.state.currentWeight -= total;
	return best;
}
