/** Request targets (RFC 9112 §3.2) and Host values (RFC 9110 §7.2): what is forwarded, and what rules are compared with. */
import { isIP } from "node:net";

/** A request target in origin-form, taken apart. */
export interface Target {
	/** The bytes up to `?`, as received. These are forwarded. */
	readonly path: string;
	/** For matching only: unreserved characters decoded, runs of `/` merged, the remaining `%hh` in upper case. */
	readonly matchPath: string;
	/** The bytes after the first `?`; undefined when there is none. */
	readonly query: string | undefined;
}

const MALFORMED_ENCODING = /%(?![0-9a-f]{2})/i;
/**
 * A `.` or `..` segment in any spelling that some server behind us might read as one: `%2e` for the dot, an encoded
 * slash or backslash as the separator, and path parameters (`/..;/` is how Java servers are tricked).
 */
const DOT_SEGMENT = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?=\/|%2f|%5c|;|%3b|$)/i;
const ENCODED = /%[0-9a-f]{2}/gi;
const SLASHES = /\/{2,}/g;
const UNRESERVED = /[A-Za-z0-9._~-]/;

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const HASH = 0x23;
const QUESTION_MARK = 0x3f;
const BACKSLASH = 0x5c;

/**
 * Takes a request target apart; undefined means that it has to be answered with BAD_TARGET. Only origin-form is taken:
 * no absolute-form, authority-form or `*`, no fragment, control character or space, and in the path no backslash (browsers
 * send one in a query as it is), no dot segment, no malformed percent-encoding and no `%00`. Bytes above 0x7f pass: old
 * clients send them raw. A URL parser is never asked: it would "repair" all of these.
 */
export function parseTarget(target: string): Target | undefined {
	if (target.charCodeAt(0) !== SLASH) return undefined;
	let pathEnd = -1;
	let plain = true;
	let previous = 0;
	for (let i = 0; i < target.length; i++) {
		const code = target.charCodeAt(i);
		if (code <= 0x20 || code === 0x7f || code > 0xff || code === HASH) return undefined;
		if (pathEnd >= 0) continue;
		if (code === BACKSLASH) return undefined;
		if (code === QUESTION_MARK) pathEnd = i;
		else if (code === PERCENT || (previous === SLASH && (code === SLASH || code === DOT))) plain = false;
		previous = code;
	}
	const path = pathEnd < 0 ? target : target.slice(0, pathEnd);
	const query = pathEnd < 0 ? undefined : target.slice(pathEnd + 1);
	if (plain) return { path, matchPath: path, query };
	if (MALFORMED_ENCODING.test(path) || path.includes("%00") || DOT_SEGMENT.test(path)) return undefined;
	return { path, matchPath: normalisePath(path), query };
}

/** RFC 3986 §6.2.2.1 and §6.2.2.2, and runs of slashes merged. An encoded slash stays encoded: it is not a separator. */
function normalisePath(path: string): string {
	return path.replace(ENCODED, decodeUnreserved).replace(SLASHES, "/");
}

function decodeUnreserved(encoded: string): string {
	const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
	return UNRESERVED.test(character) ? character : encoded.toUpperCase();
}

/** A Host header's parts. */
export interface HostParts {
	/** Lower case, without brackets and without a trailing dot. */
	readonly host: string;
	readonly port?: number;
}

const AUTHORITY = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*)\.?)(?::(\d{0,5}))?$/i;

/**
 * Splits `host[:port]` (RFC 3986 §3.2.2); undefined when it is empty, too long, holds a character that no host name
 * has, has an empty label, or a port above 65535. An IPv6 address has to be in brackets and is given without them.
 */
export function splitHost(authority: string): HostParts | undefined {
	if (authority.length > 262) return undefined;
	const match = AUTHORITY.exec(authority);
	if (!match) return undefined;
	const address = match[1];
	if (address !== undefined && isIP(address) !== 6) return undefined;
	const host = (address ?? (match[2] as string)).toLowerCase();
	if (!match[3]) return { host };
	const port = Number(match[3]);
	return port <= 65535 ? { host, port } : undefined;
}
