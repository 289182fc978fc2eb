/** How an endpoint is, in one shape and one word. */
import type { Endpoint } from "../api/model.ts";
import { formatDuration } from "../text/format.ts";
import type { Tone } from "../text/tone.ts";
import { unavailableName } from "../text/words.ts";
import { Status } from "./status.tsx";

export function endpointTone({ available, failing, state, health, breaker, unavailable_reason }: Endpoint): Tone {
	if (state === "maint") return "off";
	if (state === "drain") return "busy";
	if (available && failing) return "bad";
	if (available) return breaker === "half_open" ? "warn" : "good";
	if (unavailable_reason === "weight 0") return "none";
	return health === "unhealthy" || breaker === "open" ? "bad" : "warn";
}

export function EndpointStatus({ endpoint }: { endpoint: Endpoint }) {
	const { available, unavailable_reason } = endpoint;
	return (
		<Status tone={endpointTone(endpoint)}>{available ? "takes clients" : unavailableName(unavailable_reason)}</Status>
	);
}

interface HealthStatusProps {
	readonly endpoint: Endpoint;
	readonly checked: boolean;
}

/** @param checked whether the upstream has a health check */
export function HealthStatus({ endpoint, checked }: HealthStatusProps) {
	const unknown = checked ? "not known yet" : "not checked";
	const { health, health_reason, failing, failing_reason } = endpoint;
	if (failing && health !== "unhealthy") {
		return (
			<>
				<Status tone="bad">failing</Status>
				<span class="secondary below">last attempts: {failing_reason}</span>
			</>
		);
	}
	// The server lives, and refuses the probe.
	if (health === "unknown" && health_reason !== undefined) return <Status tone="warn">{health_reason}</Status>;
	const tone: Tone = health === "healthy" ? "good" : health === "unhealthy" ? "bad" : "none";
	return (
		<>
			<Status tone={tone}>{health === "unknown" ? unknown : health}</Status>
			{health_reason !== undefined && <span class="secondary below">{health_reason}</span>}
		</>
	);
}

/** Circuit breaker and outlier detection: what takes an endpoint out by itself. */
export function ProtectionStatus({ endpoint: { breaker, ejected, ejected_ms } }: { endpoint: Endpoint }) {
	if (ejected) {
		const left = ejected_ms === undefined ? "" : `, ${formatDuration(ejected_ms)} left`;
		return <Status tone="warn">ejected{left}</Status>;
	}
	if (breaker === "open") return <Status tone="bad">breaker open</Status>;
	if (breaker === "half_open") return <Status tone="warn">breaker half-open</Status>;
	return breaker === "closed" ? <Status tone="good">breaker closed</Status> : <span class="secondary">–</span>;
}
