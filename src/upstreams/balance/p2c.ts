/** `p2c`: the power of two choices. */
import { load, type PlainPolicyDefinition } from "./policy.ts";
import { draw } from "./random.ts";

/**
 * Two different endpoints by weighted chance, then the one with fewer connections for its weight; the first one drawn
 * when they are equal. Nearly as even as least_connections, without every gateway rushing to the same idle endpoint.
 */
export const p2c: PlainPolicyDefinition = {
	options: {},
	create: () => ({
		stable: false,
		pick: (eligible, _request, context) => {
			const first = draw(eligible, context);
			const second = first && draw(eligible, context, first);
			if (first === undefined || second === undefined) return first;
			return load(second) * context.weight(first) < load(first) * context.weight(second) ? second : first;
		},
	}),
};
