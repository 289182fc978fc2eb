/** Who may use the admin port: the token, and the Host header against DNS rebinding. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

/** Whether an Authorization header carries the token (RFC 6750 §2.1); takes the same time for every wrong one. */
export function tokenCheck(token: string): (authorization: string | undefined) => boolean {
	const expected = digest(token);
	return (authorization) => {
		const match = /^Bearer +(\S+) *$/i.exec(authorization ?? "");
		return timingSafeEqual(digest(match?.[1] ?? ""), expected) && match !== null;
	};
}

/** Equal lengths for the comparison, whatever was sent. */
function digest(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}

/**
 * Whether a Host header names the admin port itself. A page on the web can have its own name resolve to 127.0.0.1 and
 * then talk to us as its own origin, but the browser still sends that name.
 */
export function isOwnHost(header: string | undefined, configured: string | undefined): boolean {
	const host = hostname(header ?? "");
	if (host === "localhost" || host === "::1") return true;
	if (isIP(host) === 4 && host.startsWith("127.")) return true;
	return configured !== undefined && host !== "" && host === configured.toLowerCase();
}

/** The name or address of a Host header (RFC 9110 §7.2) without port and brackets, in lower case; "" when it is not one. */
function hostname(header: string): string {
	const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d*)?$/i.exec(header);
	return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}
