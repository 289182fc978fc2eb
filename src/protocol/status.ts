/** HTTP status codes. */

/**
 * Whether an answer with this status can be passed on: three digits, and not interim. Those above 599 are outside of the
 * registry (RFC 9110 §15), but in use, and do no harm.
 */
export function isFinalStatus(status: number): boolean {
	return status >= 200 && status <= 999;
}
