/** Reading values out of unchecked data by a pattern of keys. */
import type { KeyPath } from "./problem.ts";

export type RawMap = Readonly<Record<string, unknown>>;

/** A value and where it was found. */
export interface Found<T = unknown> {
	readonly path: KeyPath;
	readonly value: T;
}

/** Whether a value is a YAML map. */
export function isMap(value: unknown): value is RawMap {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Every value that a pattern such as `routes.*.split.*.upstream` reaches; `*` stands for each entry of a list or map.
 * What is not there or has another shape is passed over: the schema reports that.
 */
export function valuesAt(data: unknown, pattern: string): Found[] {
	let found: Found[] = [{ path: [], value: data }];
	for (const step of pattern.split(".")) found = found.flatMap((from) => entriesOf(from, step));
	return found;
}

/** {@link valuesAt}, only the texts. */
export function textsAt(data: unknown, pattern: string): Found<string>[] {
	return valuesAt(data, pattern).filter((found): found is Found<string> => typeof found.value === "string");
}

/** {@link valuesAt}, only the maps. */
export function mapsAt(data: unknown, pattern: string): Found<RawMap>[] {
	return valuesAt(data, pattern).filter((found): found is Found<RawMap> => isMap(found.value));
}

function entriesOf({ path, value }: Found, step: string): Found[] {
	if (Array.isArray(value))
		return step === "*" ? value.map((item, index) => ({ path: [...path, index], value: item })) : [];
	if (!isMap(value)) return [];
	if (step === "*") return Object.entries(value).map(([key, item]) => ({ path: [...path, key], value: item }));
	return Object.hasOwn(value, step) ? [{ path: [...path, step], value: value[step] }] : [];
}
