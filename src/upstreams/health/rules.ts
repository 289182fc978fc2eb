/** Health as a condition for using an endpoint. */
import type { EligibilityRule } from "../eligible.ts";
import type { Endpoint } from "../endpoint.ts";

/**
 * The rules of an upstream with a health check.
 *
 * An unknown endpoint waits for its first good probe while another one of its kind (primary or backup) is known to be
 * healthy and takes new clients. When there is none it is used: after a start nothing is known yet, and somebody has to
 * serve. An unhealthy endpoint is never used, also when all of them are: clients then get 503 with Retry-After, as with
 * HAProxy, Traefik and Caddy. (Envoy's panic mode, which spreads clients over endpoints known to be down, is not
 * what clients of a WebSocket want: their handshakes would fail one timeout later.)
 */
export function healthRules(endpoints: readonly Endpoint[]): readonly EligibilityRule[] {
	const proven = (like: Endpoint): boolean =>
		endpoints.some(
			({ state, mode, weight, backup }) =>
				state.health === "healthy" && mode === "ready" && weight > 0 && backup === like.backup,
		);
	return [
		{ reason: "unhealthy", allows: ({ state }) => state.health !== "unhealthy" },
		{ reason: "not probed yet", allows: (endpoint) => endpoint.state.health !== "unknown" || !proven(endpoint) },
	];
}
