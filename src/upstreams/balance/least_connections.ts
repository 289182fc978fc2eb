/** `least_connections`: the fewest connections for its weight. */
import type { Endpoint } from "../endpoint.ts";
import { load, type PlainPolicyDefinition } from "./policy.ts";
import { smoothPick } from "./smooth.ts";

/** Open and opening connections divided by weight, the lowest wins; equal ones take turns by smooth weighted round robin. */
export const leastConnections: PlainPolicyDefinition = {
	options: {},
	create: () => ({
		stable: false,
		pick: (eligible, _request, context) => {
			let lowest: Endpoint[] = [];
			let lowestLoad = 0;
			let lowestWeight = 0;
			for (const endpoint of eligible) {
				const weight = context.weight(endpoint);
				if (weight <= 0) continue;
				// Multiplied crosswise instead of divided: equal ratios compare as equal.
				const difference = lowest.length === 0 ? -1 : load(endpoint) * lowestWeight - lowestLoad * weight;
				if (difference > 0) continue;
				if (difference === 0) {
					lowest.push(endpoint);
					continue;
				}
				lowest = [endpoint];
				lowestLoad = load(endpoint);
				lowestWeight = weight;
			}
			return lowest.length > 1 ? smoothPick(lowest, context) : lowest[0];
		},
	}),
};
