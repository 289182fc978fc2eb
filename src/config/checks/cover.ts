/** Whether one `match` takes everything that another could. In doubt it does not: a false warning is worse than none. */
import { AddressRanges, cidr } from "../../options.ts";
import { plainPath, plainPrefix, startsWithSegments } from "../../routing/paths.ts";
import { isMap, type RawMap } from "../values-at.ts";

type Cover = (earlier: unknown, later: unknown, laterMatch: RawMap) => boolean;

/** One line for each key of `match`: whether the earlier value takes all that the later one could. */
const COVERS: Readonly<Record<string, Cover>> = {
	// Without a host the later route takes any: only `*` does too.
	host: (earlier, later) => texts(earlier).includes("*") || everyTextHas(later, earlier, hostCovers),
	path: (earlier, later) => everyTextHas(later, earlier, (a, b) => plainPath(a) === plainPath(b)),
	path_prefix: prefixCovers,
	path_regex: (earlier, later) => everyTextHas(later, earlier, (a, b) => a === b),
	subprotocol: (earlier, later) => everyTextHas(later, earlier, (a, b) => a === b),
	client_ip: (earlier, later) => everyTextHas(later, earlier, rangeCovers),
	headers: (earlier, later) => fieldsCover(earlier, later, (name) => name.toLowerCase()),
	query: (earlier, later) => fieldsCover(earlier, later, (name) => name),
};

/** @param earlier a raw `match`; @param later another one, of a route after it */
export function covers(earlier: unknown, later: unknown): boolean {
	if (!isMap(earlier) || !isMap(later)) return false;
	return Object.entries(earlier).every(([key, value]) => COVERS[key]?.(value, later[key], later) ?? false);
}

/** Each of the later values is inside one of the earlier ones. */
function everyTextHas(later: unknown, earlier: unknown, inside: (earlier: string, later: string) => boolean): boolean {
	const [wide, narrow] = [texts(earlier), texts(later)];
	// Without the key the later route takes any value.
	return narrow.length > 0 && narrow.every((b) => wide.some((a) => inside(a, b)));
}

/** The texts of a value or a list; none when something else is among them. */
export function texts(value: unknown): string[] {
	const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
	return list.every((item) => typeof item === "string") ? list : [];
}

function hostCovers(earlier: string, later: string): boolean {
	const [a, b] = [plainHost(earlier), plainHost(later)];
	if (a === b) return true;
	return a.startsWith("*.") && b.length > a.length - 1 && b.endsWith(a.slice(1));
}

/** A host as it is compared. */
export function plainHost(host: string): string {
	return host.toLowerCase().replace(/\.$/, "");
}

/** A prefix takes longer prefixes and exact paths; `/` takes every path, whatever the later route asks for. */
function prefixCovers(earlier: unknown, _later: unknown, laterMatch: RawMap): boolean {
	const prefixes = texts(earlier).map(plainPrefix);
	if (prefixes.includes("")) return true;
	const paths = [...texts(laterMatch.path).map(plainPath), ...texts(laterMatch.path_prefix).map(plainPrefix)];
	return paths.length > 0 && paths.every((path) => prefixes.some((prefix) => startsWithSegments(path, prefix)));
}

function rangeCovers(earlier: string, later: string): boolean {
	if (!cidr.safeParse(earlier).success || !cidr.safeParse(later).success) return false;
	const [address, bits] = later.split("/") as [string, string?];
	const [, earlierBits] = earlier.split("/") as [string, string?];
	if (address.includes(":") !== earlier.includes(":")) return false;
	const all = address.includes(":") ? 128 : 32;
	return Number(earlierBits ?? all) <= Number(bits ?? all) && new AddressRanges([earlier]).has(address);
}

/** Every header or parameter that the earlier route asks for, the later one asks for at least as strictly. */
function fieldsCover(earlier: unknown, later: unknown, spell: (name: string) => string): boolean {
	if (!isMap(earlier)) return false;
	const asked = new Map(Object.entries(isMap(later) ? later : {}).map(([name, value]) => [spell(name), value]));
	return Object.entries(earlier).every(([name, value]) => {
		const other = asked.get(spell(name));
		if (other === undefined) return false;
		if (sameTest(value, other)) return true;
		// A value and a pattern both need the field to be there.
		return isMap(value) && value.present === true && !(isMap(other) && other.present === false);
	});
}

/** The forms of a header's or parameter's test: a value, `{ regex }` or `{ present }`. */
function sameTest(a: unknown, b: unknown): boolean {
	if (!isMap(a) || !isMap(b)) return typeof a === "string" && a === b;
	return (
		(typeof a.regex === "string" || typeof a.present === "boolean") && a.regex === b.regex && a.present === b.present
	);
}
