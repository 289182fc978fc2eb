/** Certificates that clients refuse, or soon will: words for `check`, and for the log of a gateway that runs. */

/** So long before its end a certificate should have been replaced; ms. */
const SOON_MS = 14 * 24 * 3_600_000;

/** What is wrong with a certificate's time, in words; undefined when nothing is. Times are ms since the epoch. */
export function expiryTrouble(validFrom: number, expiresAt: number, now: number): string | undefined {
	if (expiresAt <= now) return `the certificate expired on ${day(expiresAt)}: clients refuse it; renew it`;
	if (expiresAt - now <= SOON_MS) return `the certificate expires on ${day(expiresAt)}, within 14 days; renew it`;
	if (validFrom > now) return `the certificate is valid from ${day(validFrom)} on only: clients refuse it until then`;
	return undefined;
}

function day(time: number): string {
	return new Date(time).toISOString().slice(0, 10);
}
