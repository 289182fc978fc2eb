/** The registry of load-balancing policies, and `load_balancing` built from it. */
import { z } from "zod";
import { slowStartOption } from "../slow-start.ts";
import { consistentHash } from "./consistent_hash.ts";
import { leastConnections } from "./least_connections.ts";
import { p2c } from "./p2c.ts";
import type { Policy } from "./policy.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round_robin.ts";

/** Every policy by the name it has in the config; a new one is a file and a line. */
export const POLICIES = {
	round_robin: roundRobin,
	least_connections: leastConnections,
	random,
	p2c,
	consistent_hash: consistentHash,
} as const;

export type PolicyName = keyof typeof POLICIES;

/** The option `load_balancing` of an upstream. A key that the chosen policy does not have is refused, not ignored. */
export const loadBalancingOptions = z
	.strictObject({
		policy: z
			.enum(Object.keys(POLICIES) as [PolicyName, ...PolicyName[]])
			.default("round_robin")
			.meta({ description: "How an endpoint is chosen for a new connection." }),
		...consistentHash.options,
		slow_start: slowStartOption,
	})
	.superRefine((value, context) => {
		const chosen: Readonly<Record<string, unknown>> = POLICIES[value.policy].options;
		for (const [name, definition] of Object.entries(POLICIES)) {
			for (const key of Object.keys(definition.options)) {
				if (key in chosen || value[key as keyof typeof value] === undefined) continue;
				context.addIssue({
					code: "custom",
					path: [key],
					message: `policy ${value.policy} does not use ${key}; set policy: ${name} or remove the key`,
				});
			}
		}
	});

export type LoadBalancingConfig = z.output<typeof loadBalancingOptions>;

/** Makes the policy that a `load_balancing` section asks for. */
export function createPolicy(config: LoadBalancingConfig): Policy {
	return POLICIES[config.policy].create(config);
}
