/** How many connections an endpoint may have: its own `max_connections`, and the limits of `circuit_breaker`. */
import type { BreakerConfig } from "./breaker.ts";
import type { EligibilityRule } from "./eligible.ts";
import type { Endpoint } from "./endpoint.ts";

const AT_MAX_CONNECTIONS = "at max_connections";
const AT_MAX_PENDING = "at max_pending_handshakes";

/** The limits that hold for one endpoint; undefined = none. */
export interface Capacity {
	readonly max_connections: number | undefined;
	readonly max_pending_handshakes: number | undefined;
}

/** An endpoint's own `max_connections` counts instead of the one that all endpoints of the upstream have. */
export function capacityOf(endpoint: Endpoint, breaker: BreakerConfig | undefined): Capacity {
	return {
		max_connections: endpoint.maxConnections ?? breaker?.max_connections,
		max_pending_handshakes: breaker?.max_pending_handshakes,
	};
}

/** Whether a rule's reason says that the endpoint is fine and only full. */
export function isOverload(reason: string | undefined): boolean {
	return reason === AT_MAX_CONNECTIONS || reason === AT_MAX_PENDING;
}

/** The rules of an upstream. The limits are for WebSockets: plain HTTP requests are not counted. */
export function capacityRules(endpoints: readonly Endpoint[], breaker: BreakerConfig | undefined): EligibilityRule[] {
	const rules: EligibilityRule[] = [];
	const common = breaker?.max_connections ?? Number.POSITIVE_INFINITY;
	if (common < Number.POSITIVE_INFINITY || endpoints.some(({ maxConnections }) => maxConnections !== undefined)) {
		rules.push({
			reason: AT_MAX_CONNECTIONS,
			allows: ({ state, maxConnections = common }, request) =>
				request?.websocket === false || state.active + state.pending < maxConnections,
		});
	}
	const pending = breaker?.max_pending_handshakes;
	if (pending !== undefined) {
		rules.push({
			reason: AT_MAX_PENDING,
			allows: ({ state }, request) => request?.websocket === false || state.pending < pending,
		});
	}
	return rules;
}
