/** Names of listeners and routes: given to the unnamed, and only one of each. (Upstreams are map keys: YAML sees to it.) */
import { valuesAt } from "../values-at.ts";
import type { Check } from "./check.ts";

/** The name of the nameless: by position, from 1. */
export function defaultName(kind: "listener" | "route", index: number): string {
	return `${kind}-${index + 1}`;
}

export const names: Check = ({ data, source }) =>
	(["listener", "route"] as const).flatMap((kind) => {
		const seen = new Map<string, number>();
		return valuesAt(data, `${kind}s.*`).flatMap(({ path, value }, index) => {
			const own = (value as { name?: unknown } | null)?.name;
			const name = typeof own === "string" ? own : defaultName(kind, index);
			const first = seen.get(name);
			if (first === undefined) seen.set(name, index);
			if (first === undefined) return [];
			return [source.problem([...path, "name"], `the name ${JSON.stringify(name)} is taken by ${kind}s[${first}]`)];
		});
	});
