/** Takes tokens back before they expire: their connections end now, and no new ones open. */
import { isTargeted, type RevocationTarget } from "../policy/revocations.ts";
import type { Gateway } from "./gateway.ts";

export interface RevokeOptions extends RevocationTarget {
	/** Until when tokens are refused, ms since the epoch. Default: when the last open connection's token expires, at least a day. */
	readonly until?: number | undefined;
}

export interface Revoked {
	/** Connections that are being closed. */
	readonly closed: number;
	/** ms since the epoch. */
	readonly until: number;
}

const DAY_MS = 24 * 3_600_000;

/**
 * Revokes every token of a `sub`, or the one with a `jti`.
 * @throws RangeError unless exactly one of the two is given, and when there are too many revocations already
 */
export function revoke(gateway: Gateway, { sub, jti, until }: RevokeOptions): Revoked {
	const target = { sub, jti };
	const found = [...gateway.connections.list()].filter(({ token }) => token && isTargeted(token, target));
	const expiries = found.map(({ token }) => token?.expiresAt ?? 0).filter(Number.isFinite);
	const end = until ?? Math.max(gateway.policies.now() + DAY_MS, ...expiries);
	gateway.policies.revocations.add(target, end);
	for (const connection of found) connection.evict("token revoked");
	return { closed: found.length, until: end };
}
