/** What probes add up to. */
import type { EndpointState } from "../endpoint.ts";

/** How many probes in a row turn an endpoint. */
export interface Thresholds {
	readonly healthy_threshold: number;
	readonly unhealthy_threshold: number;
}

/**
 * Counts one probe in. The first probe of an unknown endpoint decides at once, either way, as in HAProxy and Envoy; after
 * that the thresholds count.
 *
 * @returns the new health when it changed
 */
export function countProbe(
	state: EndpointState,
	healthy: boolean,
	thresholds: Thresholds,
): "healthy" | "unhealthy" | undefined {
	state.probeSuccesses = healthy ? state.probeSuccesses + 1 : 0;
	state.probeFailures = healthy ? 0 : state.probeFailures + 1;
	const verdict = healthy ? "healthy" : "unhealthy";
	if (state.health === verdict) return undefined;
	const enough = healthy
		? state.probeSuccesses >= thresholds.healthy_threshold
		: state.probeFailures >= thresholds.unhealthy_threshold;
	if (state.health !== "unknown" && !enough) return undefined;
	state.health = verdict;
	return verdict;
}

/** Back to the beginning: nothing is known about the endpoint. */
export function forgetHealth(state: EndpointState): void {
	state.health = "unknown";
	state.probeSuccesses = 0;
	state.probeFailures = 0;
	state.healthReason = undefined;
	state.probeRefused = false;
}
