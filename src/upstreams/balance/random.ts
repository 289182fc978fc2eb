/** `random`: by chance, in proportion to the weights. */
import type { Endpoint } from "../endpoint.ts";
import type { PickContext, PlainPolicyDefinition } from "./policy.ts";

export const random: PlainPolicyDefinition = {
	options: {},
	create: () => ({ stable: false, pick: (eligible, _request, context) => draw(eligible, context) }),
};

/** One endpoint by weighted chance, other than `except`; undefined when no other one has weight. */
export function draw(
	eligible: readonly Endpoint[],
	context: Pick<PickContext, "random" | "weight">,
	except?: Endpoint,
): Endpoint | undefined {
	let total = 0;
	for (const endpoint of eligible) {
		if (endpoint !== except) total += Math.max(0, context.weight(endpoint));
	}
	if (total <= 0) return undefined;
	let rest = context.random() * total;
	let last: Endpoint | undefined;
	for (const endpoint of eligible) {
		if (endpoint === except) continue;
		const weight = context.weight(endpoint);
		if (weight <= 0) continue;
		last = endpoint;
		rest -= weight;
		if (rest < 0) break;
	}
	// Fractional weights may leave a rounding remainder: then it is the last one.
	return last;
}
