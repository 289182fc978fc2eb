/** Keys of which exactly one has to be there, and keys that need each other. */
import { nearest } from "../nearest.ts";
import { type Found, mapsAt, type RawMap } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

/** Where, which keys. */
const EXACTLY_ONE: readonly (readonly [string, readonly [string, string]])[] = [
	["listeners.*.tls", ["certificates", "self_signed"]],
	["routes.*", ["upstream", "split"]],
];

const TOGETHER: readonly (readonly [string, readonly [string, string]])[] = [["upstreams.*.tls", ["cert", "key"]]];

export const choices: Check = (context) => [
	...EXACTLY_ONE.flatMap(([where, keys]) => mapsAt(context.data, where).flatMap((map) => oneOf(context, map, keys))),
	...TOGETHER.flatMap(([where, keys]) => mapsAt(context.data, where).flatMap((map) => both(context, map, keys))),
];

function oneOf({ source }: CheckContext, { path, value }: Found<RawMap>, keys: readonly [string, string]) {
	const present = Object.keys(value).filter((key) => keys.includes(key));
	if (present.length === 1) return [];
	if (present.length === 2) {
		// The second one in the file is the one too many.
		const [first, second] = present as [string, string];
		return [
			source.problem([...path, second], `${second} cannot stand next to ${first}: write one of them`, { onKey: true }),
		];
	}
	// A mistyped key is reported as unknown already.
	if (Object.keys(value).some((key) => nearest(key, keys) !== undefined)) return [];
	return [source.problem(path, `needs one of ${keys.join(" and ")}`)];
}

function both({ source }: CheckContext, { path, value }: Found<RawMap>, keys: readonly [string, string]) {
	const present = keys.filter((key) => value[key] !== undefined);
	if (present.length !== 1) return [];
	const other = keys.find((key) => !present.includes(key));
	return [source.problem([...path, present[0] as string], `${present[0]} is no use without ${other}`, { onKey: true })];
}
