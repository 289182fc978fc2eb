/** Request targets (RFC 9112 §3.2) and Host values (RFC 9110 §7.2): what is forwarded, and what rules are compared with. */
import { isIP } from "node:net";

/** A request target in origin-form, taken apart. */
export interface Target {
	/** The bytes up to `?`, as received. These are forwarded. */
	readonly path: string;
	/**
	 * For matching only, as nginx reads a path: visible ASCII decoded (an encoded slash is a slash, `%`, `?` and `#` stay
	 * encoded), runs of `/` merged, everything else as `%hh` in upper case.
	 */
	readonly matchPath: string;
	/** Other ways in which a server behind us may read the path, spelled as `matchPath`; undefined for nearly every path. */
	readonly otherReadings?: readonly string[] | undefined;
	/** The bytes after the first `?`; undefined when there is none. */
	readonly query: string | undefined;
}

const MALFORMED_ENCODING = /%(?![0-9a-f]{2})/i;
/**
 * A `.` or `..` segment in any spelling that some server behind us might read as one: `%2e` for the dot, an encoded
 * slash or backslash as the separator, and path parameters (`/..;/` is how Java servers are tricked).
 */
const DOT_SEGMENT = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?=\/|%2f|%5c|;|%3b|$)/i;
const ENCODED = /%[0-9a-f]{2}|[\x80-\xff]/gi;
const SLASHES = /\/{2,}/g;
/** What two servers may read differently: see {@link otherReadings}. */
const AMBIGUOUS = /%(?:2f|5c|3b|3f|23)|;|(?:\.|%(?:2e|20|[01][0-9a-f]|7f))(?:\/|$)/i;
/** `/admin;v=1/x` is `/admin/x` to Java servers. */
const PARAMETERS = /;[^/]*/g;
/** Besides dots, what Windows drops at the end of a name. */
const ENCODED_BLANK = /^%(?:20|[01][0-9A-F]|7F)$/;
/** Where a server that decodes before it looks for the query ends the path. */
const QUERY_OR_FRAGMENT = /%(?:3F|23).*$/;

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const HASH = 0x23;
const QUESTION_MARK = 0x3f;
const BACKSLASH = 0x5c;

/**
 * Takes a request target apart; undefined means that it has to be answered with BAD_TARGET. Only origin-form is taken:
 * no absolute-form (see {@link splitAbsolute}), authority-form or `*`, no fragment, control character or space, and in the path no backslash (browsers
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
		if (code === QUESTION_MARK) {
			pathEnd = i;
			continue;
		}
		if (code === PERCENT || code === SEMICOLON || code > 0x7f) plain = false;
		else if (code === SLASH ? previous === SLASH || previous === DOT : code === DOT && previous === SLASH)
			plain = false;
		previous = code;
	}
	if (previous === DOT) plain = false;
	const path = pathEnd < 0 ? target : target.slice(0, pathEnd);
	const query = pathEnd < 0 ? undefined : target.slice(pathEnd + 1);
	if (plain) return { path, matchPath: path, query };
	if (MALFORMED_ENCODING.test(path) || path.includes("%00") || DOT_SEGMENT.test(path)) return undefined;
	const matchPath = decodeVisible(path, NEVER_DECODED).replace(SLASHES, "/");
	if (!AMBIGUOUS.test(path)) return { path, matchPath, query };
	return { path, matchPath, otherReadings: otherReadings(path, matchPath), query };
}

/**
 * What else a server may take the path for: encoded slashes kept as they are, path parameters cut off (Java), a backslash
 * as a slash and dots and blanks at the end of a name dropped (Windows), the rest after an encoded `?` or `#` cut off.
 * Undefined when all of that gives the same.
 */
function otherReadings(path: string, matchPath: string): readonly string[] | undefined {
	const readings = new Set<string>();
	for (const base of [matchPath, decodeVisible(path, SEPARATORS)]) {
		for (const each of [base, base.replaceAll("\\", "/").replace(QUERY_OR_FRAGMENT, "")]) {
			for (const names of [each, each.replace(PARAMETERS, "")]) {
				for (const reading of [names, names.split("/").map(trimEnd).join("/")]) {
					readings.add(reading.replace(SLASHES, "/") || "/");
				}
			}
		}
	}
	readings.delete(matchPath);
	return readings.size === 0 ? undefined : [...readings];
}

/** A name without dots and blanks at its end. Not a pattern: its time would grow with the square of their number. */
function trimEnd(name: string): string {
	let end = name.length;
	for (;;) {
		if (name.charCodeAt(end - 1) === DOT) end--;
		else if (ENCODED_BLANK.test(name.slice(Math.max(0, end - 3), end))) end -= 3;
		else return name.slice(0, end);
	}
}

/** Left encoded for matching: what would have another meaning decoded. */
const NEVER_DECODED = /[%?#]/;
const SEPARATORS = /[%?#/\\]/;

/** RFC 3986 §6.2.2.1 and §6.2.2.2, and beyond: every visible ASCII character that `kept` does not name. */
function decodeVisible(path: string, kept: RegExp): string {
	return path.replace(ENCODED, (text) => {
		const code = text.length === 1 ? text.charCodeAt(0) : Number.parseInt(text.slice(1), 16);
		const character = String.fromCharCode(code);
		return code > 0x20 && code < 0x7f && !kept.test(character) ? character : `%${hex(code)}`;
	});
}

/** What `%hh` is in a `matchPath`; undefined when it stays encoded. */
export function decodedForMatching(encoded: string): string | undefined {
	const decoded = decodeVisible(encoded, NEVER_DECODED);
	return decoded.length === 1 ? decoded : undefined;
}

/**
 * The bytes of a path behind the part that is matched as `prefix`, as they were sent.
 * @param prefix what the path's `matchPath` starts with
 */
export function behindPrefix(path: string, prefix: string): string {
	let at = 0;
	let previous = "";
	for (let matched = 0; matched < prefix.length; ) {
		const sent = path.slice(at, path.charCodeAt(at) === PERCENT ? at + 3 : at + 1);
		at += sent.length;
		const read = decodeVisible(sent, NEVER_DECODED);
		if (read !== "/" || previous !== "/") matched += read.length;
		previous = read;
	}
	return path.slice(at);
}

function hex(code: number): string {
	return code.toString(16).toUpperCase().padStart(2, "0");
}

const UNRESERVED = /[A-Za-z0-9._~-]/;

/**
 * A path that means the same to every server (RFC 3986 §6.2.2.2): only unreserved characters decoded, runs of `/` merged.
 * It may be forwarded.
 */
export function equivalentPath(path: string): string {
	const decoded = path.replace(/%[0-9a-f]{2}/gi, (text) => {
		const character = String.fromCharCode(Number.parseInt(text.slice(1), 16));
		return UNRESERVED.test(character) ? character : text.toUpperCase();
	});
	return decoded.replace(SLASHES, "/");
}

/**
 * Takes a target in absolute-form apart, which every server must accept (RFC 9112 §3.2.2): the authority, which counts
 * instead of Host, and the target in origin-form. Undefined for any other form.
 */
export function splitAbsolute(target: string): { readonly authority: string; readonly target: string } | undefined {
	const match = /^(?:https?|wss?):\/\/([^/?#]+)(.*)$/i.exec(target);
	if (!match) return undefined;
	const rest = match[2] as string;
	return { authority: match[1] as string, target: rest.startsWith("/") ? rest : `/${rest}` };
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
