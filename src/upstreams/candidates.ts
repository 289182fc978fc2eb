/** The order in which one handshake tries the endpoints of an upstream. */
import type { GatewayRequest } from "../protocol/request.ts";
import type { PickContext, Policy } from "./balance/policy.ts";
import { type EligibilityContext, eligible, ineligible } from "./eligible.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Sticky } from "./sticky/affinity.ts";

/** What the order is made from. */
export interface Pool extends EligibilityContext {
	/** Endpoints that are not backup, and those that are. */
	readonly primaries: readonly Endpoint[];
	readonly backups: readonly Endpoint[];
	readonly policy: Policy;
	readonly sticky: Sticky | undefined;
	readonly random: () => number;
}

/** The endpoints for one handshake, each at most once, chosen only when asked for. */
export interface Candidates {
	/** The next endpoint to try; undefined when none is left. */
	next(): Endpoint | undefined;
	/** Whether one is left. Asking takes no turn. */
	any(): boolean;
}

/**
 * First the endpoint that the client is bound to, if it can be used; then the policy's picks; then, when no other
 * endpoint is left to try, the policy's picks among the backups. What can be used is looked at anew for each attempt.
 */
export function createCandidates(pool: Pool, request: GatewayRequest): Candidates {
	const tried = new Set<Endpoint>();
	const context: PickContext = { random: pool.random, weight: pool.weight, keyHash: undefined };
	const policy = pool.sticky?.policyFor?.(request) ?? pool.policy;
	let home = pool.sticky?.endpointOf(request);

	const usable = (endpoints: readonly Endpoint[]): Endpoint[] => eligible(endpoints, pool, tried, request);
	const atHome = (bound: Endpoint | undefined): bound is Endpoint =>
		bound !== undefined && ineligible(bound, pool, true, request) === undefined;

	const choose = (): Endpoint | undefined => {
		const bound = home;
		home = undefined;
		if (atHome(bound)) return bound;
		return policy.pick(usable(pool.primaries), request, context) ?? policy.pick(usable(pool.backups), request, context);
	};
	return {
		any: () => atHome(home) || usable(pool.primaries).length > 0 || usable(pool.backups).length > 0,
		next: () => {
			const chosen = choose();
			if (chosen !== undefined) tried.add(chosen);
			return chosen;
		},
	};
}

/** All that are left, in order. It takes the turn of a handshake: a round robin goes on from there. */
export function orderAll(candidates: Candidates): Endpoint[] {
	const order: Endpoint[] = [];
	for (let endpoint = candidates.next(); endpoint !== undefined; endpoint = candidates.next()) order.push(endpoint);
	return order;
}
