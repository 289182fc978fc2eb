/** `consistent_hash`: weighted rendezvous hashing, with bounded load if asked. */
import { percent } from "../../options.ts";
import type { Endpoint } from "../endpoint.ts";
import { hash32, rendezvousScore } from "../hash.ts";
import { compileHashOn, hashOn } from "./hash_on.ts";
import { load, type PickContext, type Policy, type PolicyDefinition } from "./policy.ts";

const options = {
	hash_on: hashOn.optional().meta({
		description:
			"For `consistent_hash`: what decides the endpoint, the first that is present: `client_ip` (the default), `path`, `{ cookie: … }`, `{ query: … }`, `{ header: … }`.",
	}),
	hash_balance_factor: percent
		.refine((value) => value >= 100, { error: "must be at least 100 (percent of an endpoint's fair share)" })
		.optional()
		.meta({
			description:
				"For `consistent_hash`: an endpoint that would have more than this percentage of its fair share of connections is passed over; off by default.",
		}),
};

/** The same key gets the same endpoint for as long as it can be used; when one goes, only its own keys move. */
export const consistentHash: PolicyDefinition<typeof options> = {
	options,
	create: ({ hash_on = ["client_ip"], hash_balance_factor }) => {
		const keyOf = compileHashOn(hash_on);
		return {
			stable: true,
			keyOf,
			pick: (eligible, request, context) => {
				context.keyHash ??= hash32(keyOf(request));
				if (hash_balance_factor === undefined) return highest(eligible, context.keyHash, context);
				return highestBelow(eligible, context.keyHash, context, hash_balance_factor / 100);
			},
		} satisfies Policy;
	},
};

/** The endpoint with the highest rendezvous score for a key; undefined when none has weight. */
export function highest(
	eligible: readonly Endpoint[],
	keyHash: number,
	context: Pick<PickContext, "weight">,
): Endpoint | undefined {
	let best: Endpoint | undefined;
	let bestScore = 0;
	for (const endpoint of eligible) {
		const weight = context.weight(endpoint);
		if (weight <= 0) continue;
		const score = rendezvousScore(keyHash, endpoint.hash, weight);
		if (score > bestScore) {
			best = endpoint;
			bestScore = score;
		}
	}
	return best;
}

/**
 * The same among the endpoints that stay within `factor` times their weighted share of all connections, this one
 * included. The limit is rounded up, so at least one endpoint is always below it.
 */
function highestBelow(
	eligible: readonly Endpoint[],
	keyHash: number,
	context: PickContext,
	factor: number,
): Endpoint | undefined {
	let totalWeight = 0;
	let totalLoad = 1;
	for (const endpoint of eligible) {
		const weight = context.weight(endpoint);
		if (weight <= 0) continue;
		totalWeight += weight;
		totalLoad += load(endpoint);
	}
	const perWeight = (factor * totalLoad) / totalWeight;
	let best: Endpoint | undefined;
	let bestScore = 0;
	for (const endpoint of eligible) {
		const weight = context.weight(endpoint);
		if (weight <= 0 || load(endpoint) + 1 > Math.ceil(weight * perWeight)) continue;
		const score = rendezvousScore(keyHash, endpoint.hash, weight);
		if (score > bestScore) {
			best = endpoint;
			bestScore = score;
		}
	}
	return best;
}
