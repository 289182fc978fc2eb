/** Which endpoints may be tried: decided here, once, for every policy and every kind of stickiness. */
import type { GatewayRequest } from "../protocol/request.ts";
import type { Endpoint } from "./endpoint.ts";

/** A further condition (health, breaker, outlier), asked anew for each attempt. Asking must not change anything. */
export interface EligibilityRule {
	/** Why an endpoint that this rule refuses is not used: a word for `explain` and the admin API. */
	readonly reason: string;
	/** Without a request the question is whether a new WebSocket would be taken. */
	allows(endpoint: Endpoint, request?: GatewayRequest): boolean;
}

/** What decides besides the endpoint itself. */
export interface EligibilityContext {
	readonly rules: readonly EligibilityRule[];
	/** The weight that counts now. */
	readonly weight: (endpoint: Endpoint) => number;
}

/**
 * Why an endpoint cannot be tried; undefined when it can.
 *
 * As in HAProxy, `maint` takes nobody, while `drain` and weight 0 still take the clients that are bound to the endpoint:
 * a session started there can be finished there, and no new one begins.
 *
 * @param bound whether the client is bound to this endpoint by stickiness
 */
export function ineligible(
	endpoint: Endpoint,
	context: EligibilityContext,
	bound: boolean,
	request?: GatewayRequest,
): string | undefined {
	if (endpoint.mode === "maint") return "maint";
	if (!bound) {
		if (endpoint.mode === "drain") return "drain";
		if (context.weight(endpoint) <= 0) return "weight 0";
	}
	for (const rule of context.rules) if (!rule.allows(endpoint, request)) return rule.reason;
	return undefined;
}

/** Those of `endpoints` that a new client can be sent to, without the ones already tried. */
export function eligible(
	endpoints: readonly Endpoint[],
	context: EligibilityContext,
	tried: ReadonlySet<Endpoint>,
	request?: GatewayRequest,
): Endpoint[] {
	const none = tried.size === 0;
	return endpoints.filter(
		(endpoint) => (none || !tried.has(endpoint)) && ineligible(endpoint, context, false, request) === undefined,
	);
}
