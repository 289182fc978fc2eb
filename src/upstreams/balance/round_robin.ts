/** `round_robin`: in turn, by weight. */
import type { PlainPolicyDefinition } from "./policy.ts";
import { smoothPick } from "./smooth.ts";

export const roundRobin: PlainPolicyDefinition = {
	options: {},
	create: () => ({ stable: false, pick: (eligible, _request, context) => smoothPick(eligible, context) }),
};
