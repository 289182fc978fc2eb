/** An endpoint as the admin API shows it. */
import { z } from "zod";
import { failingReason } from "../../upstreams/attempts/failing.ts";
import type { Endpoint } from "../../upstreams/endpoint.ts";
import type { Upstream } from "../../upstreams/upstream.ts";

const count = z.int().nonnegative();

export const modeSchema = z.enum(["ready", "drain", "maint"]);

export const endpointSchema = z
	.strictObject({
		id: z.string().meta({ description: "`host:port`, or the socket's path; as in the log." }),
		url: z.string(),
		state: modeSchema.meta({ description: "What counts now." }),
		weight: z.number().nonnegative().meta({ description: "What counts now, without slow start." }),
		effective_weight: z.number().nonnegative().meta({ description: "With slow start." }),
		configured: z
			.strictObject({ state: modeSchema, weight: z.number().nonnegative() })
			.meta({ description: "What the file says; another `state` or `weight` was set by an operator." }),
		backup: z.boolean(),
		available: z.boolean().meta({ description: "Whether new clients are sent there now." }),
		unavailable_reason: z.string().optional(),
		health: z.enum(["unknown", "healthy", "unhealthy"]).meta({
			description:
				"What the health check says; unknown without one, before its first answer, and when every endpoint refuses the probe (`health_check.mistaken` in the log).",
		}),
		health_reason: z
			.string()
			.optional()
			.meta({ description: "What the deciding probe saw; `probe refused: 400` when the probe is mistaken." }),
		failing: z.boolean().meta({
			description:
				"Whether it could not be reached at the last attempt, or the last three attempts failed: what is known without a health check.",
		}),
		failing_reason: z.string().optional().meta({ description: "Outcome of the last attempt, as in the log." }),
		breaker: z
			.enum(["closed", "half_open", "open"])
			.optional()
			.meta({ description: "State of the circuit breaker; absent without one." }),
		ejected: z.boolean().meta({ description: "Outlier detection has taken it out." }),
		ejected_ms: z.number().nonnegative().optional().meta({ description: "How much longer it stays ejected." }),
		active: count.meta({ description: "Open connections." }),
		pending: count.meta({ description: "Handshakes under way." }),
	})
	.meta({ id: "Endpoint" });

/** @param now the gateway's clock */
export function endpointView(upstream: Upstream, endpoint: Endpoint, now: number): z.output<typeof endpointSchema> {
	const { state, written } = endpoint;
	const reason = upstream.ineligible(endpoint);
	const { ejected, ejectedUntil } = state.outlier;
	const failing = failingReason(state);
	return {
		id: endpoint.id,
		url: endpoint.url,
		state: endpoint.mode,
		weight: endpoint.weight,
		effective_weight: Math.round(upstream.weight(endpoint) * 1000) / 1000,
		configured: { state: written.mode, weight: written.weight },
		backup: endpoint.backup,
		available: reason === undefined,
		...(reason !== undefined && { unavailable_reason: reason }),
		health: state.probeRefused ? "unknown" : state.health,
		...(state.healthReason !== undefined && { health_reason: state.healthReason }),
		failing: failing !== undefined,
		...(failing !== undefined && { failing_reason: failing }),
		...(upstream.breaks && { breaker: state.breaker?.state ?? "closed" }),
		ejected,
		...(ejected && { ejected_ms: Math.max(0, Math.round(ejectedUntil - now)) }),
		active: state.active,
		pending: state.pending,
	};
}
