/** What probes found out about endpoints, as the supervisor tells it and a worker takes it over. */
import type { GatewayProcess } from "../gateway-process.ts";
import type { Endpoint, EndpointState } from "../upstreams/endpoint.ts";
import type { Upstream } from "../upstreams/upstream.ts";

/** The health of one endpoint. */
export interface HealthFact
	extends Pick<EndpointState, "health" | "healthReason" | "probeRefused" | "probeSuccesses" | "probeFailures"> {
	readonly upstream: string;
	/** Its id. */
	readonly endpoint: string;
}

export function healthFact({ name }: Upstream, { id, state }: Endpoint): HealthFact {
	const { health, healthReason, probeRefused, probeSuccesses, probeFailures } = state;
	return { upstream: name, endpoint: id, health, healthReason, probeRefused, probeSuccesses, probeFailures };
}

/** Everything that is known, for a worker that starts. */
export function knownHealth(upstreams: Iterable<Upstream>): HealthFact[] {
	return [...upstreams].flatMap((upstream) =>
		upstream.endpoints
			.filter(({ state }) => state.health !== "unknown")
			.map((endpoint) => healthFact(upstream, endpoint)),
	);
}

/** Takes it over, with what follows from it: a slow start, or the end of connections. */
export function applyHealth(serving: GatewayProcess, facts: readonly HealthFact[]): void {
	for (const { upstream: name, endpoint: id, ...found } of facts) {
		const upstream = serving.gateway.snapshot.upstreams.get(name);
		const endpoint = upstream?.endpoints.find((each) => each.id === id);
		// It is not in this snapshot any more.
		if (upstream === undefined || endpoint === undefined) continue;
		const before = endpoint.state.health;
		Object.assign(endpoint.state, found);
		if (found.health === before) continue;
		if (found.health === "unhealthy") serving.endpointDown(upstream, endpoint);
		else if (found.health === "healthy") serving.endpointUp(endpoint);
	}
}
