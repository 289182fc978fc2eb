/** `limits.failed_logins`: who has guessed too often is locked out for a while, by address and by name. */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { type ErrorCode, GatewayError } from "../errors.ts";
import { clientKey } from "../protocol/client-key.ts";
import type { Check, CheckDeps, Granted } from "./check.ts";
import type { CounterKey, Rate } from "./counters.ts";
import { isUnknownKey } from "./jwt-signature.ts";

/** A wrong key, token or password; that there is none, or that a token is too old, is no guess. */
const GUESSES: ReadonlySet<ErrorCode> = new Set(["API_KEY_INVALID", "BASIC_INVALID", "JWT_INVALID"]);
/** Longer names are counted by their hash: tables are bounded in bytes, too. */
const MAX_NAME = 64;

/** Users who have logged in from an address a while ago: others' guesses do not lock them out. */
export class RecentLogins {
	readonly #logins = new LRUCache<string, true>({ max: 10_000, ttl: 60 * 60_000 });

	add(route: string, address: string, user: string): void {
		this.#logins.set(`${route}\0${address}\0${user}`, true);
	}

	has(route: string, address: string, user: string): boolean {
		return this.#logins.has(`${route}\0${address}\0${user}`);
	}
}

/**
 * The same check with its failures counted, for the client's address and, where the check is told a name, for that. While
 * either is used up, right credentials are refused as well: otherwise guessing would go on, and only its failures would
 * look different.
 */
export function countFailures(check: Check, rate: Rate, { states }: CheckDeps): Check {
	const { counters, recentLogins } = states;
	return {
		...check,
		check(context) {
			const { route, request } = context;
			const name = check.loginName?.(request);
			const keys = keysOf(route, request.clientIp, name);
			const address = clientKey(request.clientIp);
			const locked = (user: string | undefined): GatewayError | undefined => {
				const wait = keys.reduce((longest, key) => Math.max(longest, counters.blocked(key, rate)), 0);
				if (wait === 0 || (user !== undefined && recentLogins.has(route, address, user))) return undefined;
				return refusal(wait);
			};
			const refusal = (wait: number): GatewayError => {
				states.limited(route, "failed_logins");
				return new GatewayError("LOGIN_LOCKED", "the limit failed_logins of the route is reached", {
					retryAfter: Math.max(1, Math.ceil(wait / 1000)),
				});
			};
			const passed = (granted: Granted | undefined): Granted | undefined => {
				if (granted?.user === undefined) return granted;
				const refused = locked(granted.user);
				if (refused) throw refused;
				recentLogins.add(route, address, granted.user);
				return granted;
			};
			const failed = (error: unknown): undefined | Promise<undefined> => {
				if (!(error instanceof GatewayError && GUESSES.has(error.code)) || isUnknownKey(error)) throw error;
				const waits = keys.map((key) => counters.take(key, rate));
				const judge = (all: readonly number[]): undefined => {
					const wait = Math.max(0, ...all);
					throw wait > 0 ? refusal(wait) : error;
				};
				return waits.some((wait) => wait instanceof Promise)
					? Promise.all(waits).then(judge)
					: judge(waits as number[]);
			};
			// A password costs time to check: of a name that is locked it is not even looked at.
			const refused = name === undefined ? undefined : locked(name);
			if (refused) throw refused;
			let result: ReturnType<Check["check"]>;
			try {
				result = check.check(context);
			} catch (error) {
				return failed(error);
			}
			return result instanceof Promise ? result.then(passed, failed) : passed(result);
		},
	};
}

function keysOf(route: string, clientIp: string, name: string | undefined): CounterKey[] {
	const keys: CounterKey[] = [];
	const limit = "failed_logins";
	// Of a unix socket's clients nobody knows the address: they are not all one.
	if (clientIp !== "") keys.push({ limit, route, key: `address ${clientKey(clientIp)}` });
	if (name !== undefined) keys.push({ limit, route, key: `name ${shortened(name)}` });
	return keys;
}

function shortened(name: string): string {
	return name.length > MAX_NAME ? createHash("sha256").update(name).digest("base64") : name;
}
