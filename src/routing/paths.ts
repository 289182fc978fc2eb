/** Paths that operators write, and prefixes by whole segments. */
import { parseTarget } from "../protocol/target.ts";

/** What is wrong with a path in the config, in words for the operator; undefined when it is fine. */
export function pathProblem(path: string): string | undefined {
	if (!path.startsWith("/")) return "a path must start with /";
	if (path.includes("?") || path.includes("#")) return "a path has no query and no fragment; use match.query for those";
	const target = parseTarget(path);
	if (target?.otherReadings !== undefined)
		return "servers read this path in different ways, so that it could never match: write it without path parameters (;), encoded slashes, and dots or blanks at the end of a name";
	if (target && isAscii(path)) return undefined;
	const encoded = encodePath(path);
	return parseTarget(encoded)
		? `write this path percent-encoded: ${encoded}`
		: "a path must not have dot segments, backslashes, control characters or malformed percent-encoding";
}

/** Percent-encodes what may not stand in a path; what cannot be encoded (a lone surrogate) is left as it is. */
function encodePath(path: string): string {
	try {
		return encodeURI(path).replaceAll("%25", "%");
	} catch {
		return path;
	}
}

/** The bytes of a request are Latin-1 to Node; what an operator writes as é may be two of them. */
function isAscii(text: string): boolean {
	return /^[\x21-\x7e]*$/.test(text);
}

/** A checked path as `matchPath` spells it. */
export function plainPath(path: string): string {
	return parseTarget(path)?.matchPath ?? path;
}

/** A checked prefix as `matchPath` spells it, without a slash at its end: `/` is the empty prefix. */
export function plainPrefix(prefix: string): string {
	const path = plainPath(prefix);
	return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Whether a path starts with a prefix of {@link plainPrefix}, cut between segments. */
export function startsWithSegments(path: string, prefix: string): boolean {
	return path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f);
}
