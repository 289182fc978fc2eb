/** How long a client waits before it connects again. */

export interface BackoffOptions {
	/** The longest first pause, ms. Default 500. */
	readonly first?: number;
	/** No pause is longer, ms. Default 20 000. */
	readonly longest?: number;
	/** By what the pause grows each time. Default 2. */
	readonly factor?: number;
}

/**
 * The pause before try number `tries` (from 1), in ms: a random part of what grows with each try ("full jitter"), so that
 * clients that lost one server together do not come back together.
 * @param random a number in [0, 1)
 */
export function pauseBefore(tries: number, options: BackoffOptions = {}, random: () => number = Math.random): number {
	const { first = 500, longest = 20_000, factor = 2 } = options;
	return Math.round(random() * Math.min(longest, first * factor ** Math.min(tries - 1, 30)));
}

/** What to do after a connection has ended. */
export type Retry = "no" | "yes" | "later" | "fresh_token";

/** Least pause after `later`, ms: the server said that it has too much to do. */
export const LATER_MS = 5_000;

/** What a close code says about coming back (RFC 6455 §7.4.1, and the gateway's own codes). */
export function retryAfter(code: number): Retry {
	switch (code) {
		// The token has run out: with a fresh one the client is welcome.
		case 4401:
		case 3005:
			return "fresh_token";
		// Try again later: overload, or a reader that was too slow.
		case 1013:
			return "later";
		// Done; or the next connection would end the same way.
		case 1000:
		case 1002:
		case 1003:
		case 1007:
		case 1008:
		case 1009:
		case 1010:
			return "no";
		default:
			// The ranges of Centrifugo: from 3500 and 4500 on the server does not want the client back.
			return (code >= 3500 && code < 4000) || code >= 4500 ? "no" : "yes";
	}
}
