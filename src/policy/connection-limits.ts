/** `limits.connections…`: how many connections a route, an address and a user may have, and how fast new ones may come. */
import { z } from "zod";
import { type ErrorCode, GatewayError } from "../errors.ts";
import { rateText } from "../options.ts";
import { clientKey } from "../protocol/client-key.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Check, CheckDeps, Granted } from "./check.ts";
import type { CounterKey, CounterLimit, Rate } from "./counters.ts";

const count = z.int({ error: "expected a whole number of connections" }).min(1);

const rate = z
	.strictObject({
		rate: rateText
			.refine((perSecond) => perSecond > 0, { error: "has to be more than 0" })
			.meta({ description: "How many in which time, in the long run." }),
		burst: z
			.int()
			.min(1)
			.optional()
			.meta({ description: "How many at once. Default: one second's worth, at least 1." }),
	})
	.transform(({ rate: perSecond, burst }) => ({ perSecond, burst: burst ?? Math.max(1, Math.ceil(perSecond)) }));

/** Keys of `limits`. */
export const connectionLimitOptions = {
	connections: count.optional().meta({
		description: "WebSocket connections, and plain HTTP requests while they run, of the whole route; above it 503.",
	}),
	connections_per_ip: count.optional().meta({
		description:
			"The same of one client address, or of one /64 of IPv6; above it 429. Polling (Socket.IO, SockJS) needs two at a time.",
	}),
	connections_per_user: count.optional().meta({
		description: "The same of one authenticated user; above it 429. Clients without a name are not counted.",
	}),
	new_connections_per_ip: rate.optional().meta({
		description:
			"Opening handshakes and connections with plain HTTP requests of one client address, or /64, refused ones too; above it 429.",
	}),
	failed_logins: z
		.union([z.literal("off"), z.literal(false), rate], {
			error: "expected a rate such as { rate: 10/m, burst: 20 }, or off",
		})
		.prefault({ rate: "10/m", burst: 20 })
		.transform((value) => (typeof value === "object" ? value : undefined))
		.meta({
			description:
				"Wrong passwords, API keys and token signatures of one client address, or /64, and wrong passwords of one name wherever they come from. Above it the address, or the name, gets 429, whatever is sent; except users who logged in from the same address within the last hour.",
		}),
};

export interface ConnectionLimitsConfig {
	readonly connections?: number | undefined;
	readonly connections_per_ip?: number | undefined;
	readonly connections_per_user?: number | undefined;
	readonly new_connections_per_ip?: Rate | undefined;
	readonly failed_logins?: Rate | undefined;
}

/** Seconds to wait when nobody can know when a place becomes free. */
const RETRY_AFTER = 5;

/** The error of each limit. */
const CODES = {
	connections: "LIMIT_CONNECTIONS",
	connections_per_ip: "LIMIT_CONNECTIONS_PER_IP",
	connections_per_user: "LIMIT_CONNECTIONS_PER_USER",
	new_connections_per_ip: "LIMIT_NEW_CONNECTIONS",
} as const satisfies Partial<Record<CounterLimit, ErrorCode>>;

/** Limits by address: before authentication, so that guessing and waiting for it are limited too. */
export function addressLimitChecks(config: ConnectionLimitsConfig, deps: CheckDeps): Check[] {
	const { new_connections_per_ip: pace, connections_per_ip: max } = config;
	const checks: Check[] = [];
	if (pace !== undefined) {
		checks.push({
			name: "new_connections_per_ip",
			check({ request, route }) {
				if (request.keptAlive) return undefined;
				const refuse = (wait: number): undefined => {
					if (wait === 0) return undefined;
					throw refusal(deps, "new_connections_per_ip", route, Math.max(1, Math.ceil(wait / 1000)));
				};
				const wait = deps.states.counters.take(
					{ limit: "new_connections_per_ip", route, key: clientKey(request.clientIp) },
					pace,
				);
				return wait instanceof Promise ? wait.then(refuse) : refuse(wait);
			},
		});
	}
	if (max !== undefined) {
		checks.push(placeCheck("connections_per_ip", max, deps, (request) => clientKey(request.clientIp)));
	}
	return checks;
}

/** Limits that only those count against who may connect. */
export function connectionLimitChecks(config: ConnectionLimitsConfig, deps: CheckDeps): Check[] {
	const { connections, connections_per_user: perUser } = config;
	const checks: Check[] = [];
	if (connections !== undefined) checks.push(placeCheck("connections", connections, deps, () => ""));
	if (perUser !== undefined) checks.push(placeCheck("connections_per_user", perUser, deps, (_, user) => user));
	return checks;
}

/** A check whose lease is one of `max` places: of a tunnel while it is open, of a plain HTTP request while it runs. */
function placeCheck(
	limit: keyof typeof CODES,
	max: number,
	deps: CheckDeps,
	keyOf: (request: GatewayRequest, user: string | undefined) => string | undefined,
): Check {
	const { counters } = deps.states;
	const grant = (taken: boolean, key: CounterKey): Granted => {
		if (!taken) throw refusal(deps, limit, key.route, RETRY_AFTER);
		return { release: () => counters.release(key) };
	};
	return {
		name: limit,
		check({ request, route, user }) {
			const name = keyOf(request, user);
			if (name === undefined) return undefined;
			const key = { limit, route, key: name };
			const taken = counters.acquire(key, max);
			return taken instanceof Promise ? taken.then((value) => grant(value, key)) : grant(taken, key);
		},
	};
}

function refusal({ states }: CheckDeps, limit: keyof typeof CODES, route: string, retryAfter: number): GatewayError {
	states.limited(route, limit);
	return new GatewayError(CODES[limit], `the limit ${limit} of the route is reached`, { retryAfter });
}
