/** What a 401 for a token says (RFC 6750 §3). */
export function challenge(error?: "invalid_token"): Record<string, string> {
	return { "WWW-Authenticate": error === undefined ? "Bearer" : `Bearer error="${error}"` };
}
