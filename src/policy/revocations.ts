/** Tokens that do not count any more although they have not expired: by subject (`sub`) or by token id (`jti`). */

/** The claims of a token by which it can be revoked. */
export interface TokenNames {
	readonly sub?: string | undefined;
	readonly jti?: string | undefined;
	/** When the token expires, ms since the epoch; Infinity when it does not. */
	readonly expiresAt: number;
}

/** What to revoke: every token of a subject, or one token. Exactly one of the two. */
export interface RevocationTarget {
	readonly sub?: string | undefined;
	readonly jti?: string | undefined;
}

/** More than this are refused rather than forgotten: a revocation that is dropped would let somebody in. */
const MAX_ENTRIES = 100_000;
/** Entries whose time is over are looked for at most this often, ms. */
const SWEEP_MS = 60_000;

/** Lives as long as the process, across reloads; bounded. */
export class Revocations {
	readonly #until = new Map<string, number>();
	readonly #now: () => number;
	readonly #max: number;
	#sweptAt = 0;

	/** @param now ms since the epoch */
	constructor(now: () => number, max = MAX_ENTRIES) {
		this.#now = now;
		this.#max = max;
	}

	/** Entries now, also those whose time is over and that were not swept yet. */
	get size(): number {
		return this.#until.size;
	}

	/**
	 * Refuses tokens from now on.
	 * @param until ms since the epoch: when the last of these tokens has expired
	 * @throws RangeError when there are too many entries, or the target has not exactly one name
	 */
	add(target: RevocationTarget, until: number): void {
		const key = keyOf(target);
		if (!this.#until.has(key) && this.#until.size >= this.#max) {
			this.#sweep();
			if (this.#until.size >= this.#max) {
				throw new RangeError(`there are ${this.#max} revocations already; shorten "until" or rotate the signing key`);
			}
		}
		this.#until.set(key, Math.max(until, this.#until.get(key) ?? 0));
		if (this.#now() - this.#sweptAt > SWEEP_MS) this.#sweep();
	}

	/** Takes a revocation back; false when there was none. */
	remove(target: RevocationTarget): boolean {
		return this.#until.delete(keyOf(target));
	}

	/** Those that still count, in no particular order. */
	*list(): Iterable<RevocationTarget & { readonly until: number }> {
		const now = this.#now();
		for (const [key, until] of this.#until) {
			const name = key.slice(4);
			if (until > now) yield key.startsWith("sub ") ? { sub: name, until } : { jti: name, until };
		}
	}

	/** Whether a token with these names is revoked now. */
	has(token: TokenNames): boolean {
		if (this.#until.size === 0) return false;
		return (
			(token.sub !== undefined && this.#holds(`sub ${token.sub}`)) ||
			(token.jti !== undefined && this.#holds(`jti ${token.jti}`))
		);
	}

	#holds(key: string): boolean {
		const until = this.#until.get(key);
		return until !== undefined && until > this.#now();
	}

	#sweep(): void {
		const now = this.#now();
		this.#sweptAt = now;
		for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
	}
}

/** Whether a token is one of those that a target names. */
export function isTargeted(token: TokenNames, { sub, jti }: RevocationTarget): boolean {
	return (sub !== undefined && token.sub === sub) || (jti !== undefined && token.jti === jti);
}

function keyOf({ sub, jti }: RevocationTarget): string {
	if ((sub === undefined) === (jti === undefined)) throw new RangeError("name exactly one of sub and jti");
	return sub === undefined ? `jti ${jti}` : `sub ${sub}`;
}
