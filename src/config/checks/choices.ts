/** Keys of which exactly one, or at most one, has to be there, and keys that need each other. */
import { nearest } from "../nearest.ts";
import { type Found, mapsAt, type RawMap } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

/** Where, which keys. */
const EXACTLY_ONE: readonly (readonly [string, readonly string[]])[] = [
	["listeners.*.tls", ["certificates", "self_signed"]],
	["routes.*", ["upstream", "split", "hub"]],
];

const AT_MOST_ONE: readonly (readonly [string, readonly string[]])[] = [["log", ["format", "template"]]];

const TOGETHER: readonly (readonly [string, readonly [string, string]])[] = [["upstreams.*.tls", ["cert", "key"]]];

export const choices: Check = (context) => [
	...EXACTLY_ONE.flatMap(([where, keys]) => mapsAt(context.data, where).flatMap((map) => oneOf(context, map, keys))),
	...AT_MOST_ONE.flatMap(([where, keys]) => mapsAt(context.data, where).flatMap((map) => notBoth(context, map, keys))),
	...TOGETHER.flatMap(([where, keys]) => mapsAt(context.data, where).flatMap((map) => both(context, map, keys))),
];

function notBoth({ source }: CheckContext, { path, value }: Found<RawMap>, keys: readonly string[]) {
	// The second one in the file is the one too many.
	const [first, second] = Object.keys(value).filter((key) => keys.includes(key));
	if (second === undefined) return [];
	return [
		source.problem([...path, second], `${second} cannot stand next to ${first}: write one of them`, { onKey: true }),
	];
}

function oneOf(context: CheckContext, found: Found<RawMap>, keys: readonly string[]) {
	const { path, value } = found;
	const present = keys.filter((key) => Object.hasOwn(value, key));
	if (present.length > 0) return notBoth(context, found, keys);
	// A mistyped key is reported as unknown already.
	if (Object.keys(value).some((key) => nearest(key, keys) !== undefined)) return [];
	return [context.source.problem(path, `needs one of ${keys.slice(0, -1).join(", ")} and ${keys.at(-1)}`)];
}

function both({ source }: CheckContext, { path, value }: Found<RawMap>, keys: readonly [string, string]) {
	const present = keys.filter((key) => value[key] !== undefined);
	if (present.length !== 1) return [];
	const other = keys.find((key) => !present.includes(key));
	return [source.problem([...path, present[0] as string], `${present[0]} is no use without ${other}`, { onKey: true })];
}
