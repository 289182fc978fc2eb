/** What a load-balancing policy is. */
import type { z } from "zod";
import type { GatewayRequest } from "../../protocol/request.ts";
import type { Endpoint } from "../endpoint.ts";

/** What a policy may read besides the request; one object for each handshake, the same for every attempt of it. */
export interface PickContext {
	/** A number in [0, 1). */
	random(): number;
	/** The weight that counts now: the configured one, or less of it while an endpoint starts slowly. */
	weight(endpoint: Endpoint): number;
	/** A hashing policy's note: the hash of this handshake's key, so that a second attempt need not compute it again. */
	keyHash: number | undefined;
}

/**
 * Chooses one endpoint. Which ones can be chosen at all (state, health, backup, already tried) was decided before:
 * a policy only ranks, and failover is picking again among those that are left.
 */
export interface Policy {
	/** The endpoint for this request; undefined when none of `eligible` has any weight. */
	pick(eligible: readonly Endpoint[], request: GatewayRequest, context: PickContext): Endpoint | undefined;
	/** Whether the same request gets the same endpoint in every process that has the same config. */
	readonly stable: boolean;
	/** What a hashing policy hashes. */
	readonly keyOf?: (request: GatewayRequest) => string;
}

/** An entry of the registry: the policy's own keys of `load_balancing`, and how it is made. */
export interface PolicyDefinition<Shape extends z.ZodRawShape> {
	/** Keys that belong to this policy alone; each of them is optional. */
	readonly options: Shape;
	create(options: z.output<z.ZodObject<Shape>>): Policy;
}

/** An entry of the registry without keys of its own. */
export interface PlainPolicyDefinition {
	readonly options: Record<never, never>;
	create(): Policy;
}

/** Connections that an endpoint has, opening ones included. */
export function load(endpoint: Endpoint): number {
	return endpoint.state.active + endpoint.state.pending;
}
